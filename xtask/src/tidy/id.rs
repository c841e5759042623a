//! The ids of rules and attacks, and where they stand in a text.

use std::collections::BTreeSet;
use std::fmt;

/// A rule of the specification, such as `O-4`, or a row of the attack table, such as `A-07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    letter: char,
    number: u32,
}

/// The letter of the rows of the attack table.
const ATTACK: char = 'A';
/// The letters of the specification's sections whose rules are numbered.
const RULES: &str = "KCBOTMGLS";

impl Id {
    /// Reads `O-4` or `A-07`: a known letter and a number from 1 to 99.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (letter, number) = text.split_once('-')?;
        Self::of(letter, number)
    }

    fn of(letter: &str, number: &str) -> Option<Self> {
        let mut letters = letter.chars();
        let (letter, None) = (letters.next()?, letters.next()) else {
            return None;
        };
        let plain = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || !(RULES.contains(letter) || letter == ATTACK) {
            return None;
        }
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some(Self { letter, number })
    }

    /// Whether this is a row of the attack table.
    pub(super) fn is_attack(self) -> bool {
        self.letter == ATTACK
    }

    pub(super) fn letter(self) -> char {
        self.letter
    }

    pub(super) fn number(self) -> u32 {
        self.number
    }

    /// The ids that stand in a text as such: `O-4`, not the end of `UTF-8`.
    pub(super) fn in_text(text: &str) -> BTreeSet<Self> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .filter_map(Self::read)
            .collect()
    }

    /// The ids in the name of a function: `a06_c10_the_culprit_is_named` holds A-06 and C-10.
    pub(super) fn in_name(name: &str) -> BTreeSet<Self> {
        name.split('_')
            .filter_map(|word| {
                let (letter, number) = word.split_at_checked(1)?;
                Self::of(&letter.to_ascii_uppercase(), number)
            })
            .collect()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { letter, number } = self;
        if self.is_attack() {
            write!(f, "{letter}-{number:02}")
        } else {
            write!(f, "{letter}-{number}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ids: &BTreeSet<Id>) -> Vec<String> {
        ids.iter().map(Id::to_string).collect()
    }

    #[test]
    fn ids_are_found_in_prose_and_nothing_else_is() {
        let text = "// O-4: first wins (A-07, T-2/T-7); UTF-8, SHA-2, AB-1, X-1, O-0, O-4x, K-123, x_M-3";
        assert_eq!(shown(&Id::in_text(text)), ["A-07", "O-4", "T-2", "T-7"]);
    }

    #[test]
    fn ids_are_found_in_names_of_tests() {
        assert_eq!(
            shown(&Id::in_name("a06_c10_the_culprit_is_named")),
            ["A-06", "C-10"]
        );
        assert_eq!(shown(&Id::in_name("k5_k06_hold")), ["K-5", "K-6"]);
        assert!(Id::in_name("a_b1c_x1_sha256").is_empty());
    }
}
