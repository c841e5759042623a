//! The table, as it stands in `docs/security.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use concilium_test_parts::{Cipher, Gka, Parts};

use crate::attacker::Attacker;
use crate::course::Moment;
use crate::facts::{Attempt, Column, Facts};

/// What stands before the table in the file, on a line of its own.
pub const START: &str = "<!-- threats: `cargo xtask threats` writes what follows -->";

/// What stands after it.
pub const END: &str = "<!-- threats end -->";

/// The key agreements that are measured.
const GKAS: [Gka; 3] = [Gka::Cliques, Gka::BurmesterDesmedt, Gka::Mls];

/// The ciphers that are measured.
const CIPHERS: [Cipher; 3] = [Cipher::Aead, Cipher::ChaCha20Poly1305, Cipher::Ratchet];

/// Every pair that is measured.
pub fn pairs() -> impl Iterator<Item = Parts> {
    GKAS.into_iter()
        .flat_map(|gka| CIPHERS.map(|cipher| Parts { gka, cipher }))
}

/// What was measured, of every pair.
pub type Measured = BTreeMap<Parts, Facts>;

/// The table and its notes, in Markdown, made only of measured facts.
#[must_use]
pub fn render(measured: &Measured) -> String {
    let mut notes = Notes::default();
    let mut text = String::new();
    text.push_str(
        "| the attacker has | earlier sessions | the session at hand | sessions to come |
|---|---|---|---|
",
    );
    for attacker in Attacker::ALL {
        let shown = (attacker == Attacker::Session).then(|| shown(measured));
        let mark = shown.map(|note| notes.mark(note)).unwrap_or_default();
        let cells = Column::ALL.map(|column| cell(measured, attacker, column, &mut notes));
        let _ = writeln!(text, "| {}{mark} | {} |", row(attacker), cells.join(" | "));
    }
    text.push('\n');
    for (number, note) in (1..).zip(&notes.0) {
        let _ = writeln!(text, "{}", wrapped(&format!("{number}. {note}")));
    }
    text
}

/// The file's text with the measured table between the two marks. None if it lacks the marks.
#[must_use]
pub fn written_into(file: &str, table: &str) -> Option<String> {
    let (before, rest) = file.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n\n{table}\n{END}{after}"))
}

/// The notes so far, in their order. Cells with equal notes share one.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn mark(&mut self, note: String) -> String {
        let at = self.0.iter().position(|known| *known == note);
        let at = at.unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        });
        format!(" ({})", at + 1)
    }
}

fn row(attacker: Attacker) -> &'static str {
    match attacker {
        Attacker::Network => "the network and the server",
        Attacker::Identity => "also T's identity key",
        Attacker::Session => "also all that T's process held at one moment",
        Attacker::Seat => "the network, the server, and T itself",
    }
}

fn verb(attempt: Attempt, column: Column) -> &'static str {
    match (attempt, column) {
        (Attempt::Read, _) => "reads",
        (Attempt::SpeakAsVictim, _) => "speaks as T",
        (Attempt::SpeakAsOthers, _) => "**speaks as others**",
        (Attempt::JoinAsVictim, Column::ToCome) => "joins as T",
        (Attempt::JoinAsVictim, _) => "has T's seat",
        (Attempt::JoinAsOthers, _) => "**joins as others**",
    }
}

fn when(moment: Moment) -> &'static str {
    match moment {
        Moment::Before => "said before T was a member",
        Moment::Early => "said before T's last contribution to the keys",
        Moment::Late => "said since T's last contribution to the keys",
        Moment::Acknowledged => "said, and seen by everybody, before the theft",
        Moment::AtHand => "said after the theft",
        Moment::Followed => "after an operation of somebody else",
        Moment::Renewed => "after T's next contribution to the keys",
        Moment::Excluded => "after T is excluded",
    }
}

/// What succeeds in a cell, with a note wherever not all pairs and all moments agree.
fn cell(measured: &Measured, attacker: Attacker, column: Column, notes: &mut Notes) -> String {
    let mut words = Vec::new();
    for attempt in Attempt::ALL {
        let by_moment: Vec<(Moment, BTreeSet<Parts>)> = column
            .moments(attacker, attempt)
            .iter()
            .map(|moment| {
                let success = (attacker, attempt, *moment);
                (
                    *moment,
                    those(measured, |facts| facts.successes.contains(&success)),
                )
            })
            .collect();
        if by_moment.iter().all(|(_, pairs)| pairs.is_empty()) {
            continue;
        }
        let word = verb(attempt, column);
        if by_moment.iter().all(|(_, pairs)| pairs.len() == measured.len()) {
            words.push(word.to_owned());
        } else {
            let note = capitalised(&sentence(&by_moment));
            words.push(format!("{word}{}", notes.mark(note)));
        }
    }
    if words.is_empty() {
        "nothing".to_owned()
    } else {
        words.join(", ")
    }
}

/// What a stolen snapshot shows without any key.
fn shown(measured: &Measured) -> String {
    let by_moment: Vec<(Moment, BTreeSet<Parts>)> =
        [Moment::Before, Moment::Early, Moment::Late, Moment::Acknowledged]
            .map(|moment| (moment, those(measured, |facts| facts.shown.contains(&moment))))
            .into();
    format!(
        "The cells count what opens packets. Besides, a process holds the messages that it still shows, and a thief has these \
         without any key: {}",
        sentence(&by_moment)
    )
}

fn those(measured: &Measured, holds: impl Fn(&Facts) -> bool) -> BTreeSet<Parts> {
    let those = measured.iter().filter(|(_, facts)| holds(facts));
    those.map(|(parts, _)| *parts).collect()
}

fn sentence(by_moment: &[(Moment, BTreeSet<Parts>)]) -> String {
    let parts: Vec<String> = by_moment
        .iter()
        .map(|(moment, pairs)| format!("{}: {}", when(*moment), names(pairs)))
        .collect();
    let mut text = parts.join("; ");
    text.push('.');
    text
}

/// An item of a list in lines of at most 110 characters, as all prose of the documents.
fn wrapped(item: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in item.split(' ') {
        let len = word.chars().count();
        if width > 0 && width + 1 + len > 110 {
            text.push_str("\n   ");
            width = 3;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += len;
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Pairs in few words.
fn names(pairs: &BTreeSet<Parts>) -> String {
    if pairs.is_empty() {
        return "no pair".to_owned();
    }
    if pairs.len() == GKAS.len() * CIPHERS.len() {
        return "every pair".to_owned();
    }
    // The key agreements that succeed with the same ciphers belong together.
    let mut by_ciphers: BTreeMap<Vec<Cipher>, Vec<Gka>> = BTreeMap::new();
    for gka in GKAS {
        let with = CIPHERS.into_iter().filter(|cipher| {
            let cipher = *cipher;
            pairs.contains(&Parts { gka, cipher })
        });
        let with: Vec<Cipher> = with.collect();
        if !with.is_empty() {
            by_ciphers.entry(with).or_default().push(gka);
        }
    }
    let mut groups: Vec<(Vec<Cipher>, Vec<Gka>)> = by_ciphers.into_iter().collect();
    groups.sort_by_key(|(ciphers, _)| std::cmp::Reverse(ciphers.len()));
    if let [(ciphers, gkas)] = groups.as_slice()
        && ciphers.len() == CIPHERS.len()
    {
        return list(gkas);
    }
    let named = groups.iter().map(|(ciphers, gkas)| {
        if ciphers.len() == CIPHERS.len() {
            format!("{} with every cipher", list(gkas))
        } else {
            format!("{} with {}", list(gkas), list(ciphers))
        }
    });
    named.collect::<Vec<String>>().join(", ")
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| format!("`{}`", item.to_string()))
        .collect();
    match items.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(holds: impl Fn(Gka, Cipher) -> bool) -> String {
        names(&pairs().filter(|parts| holds(parts.gka, parts.cipher)).collect())
    }

    #[test]
    fn pairs_are_named_in_few_words() {
        assert_eq!(some(|_, _| false), "no pair");
        assert_eq!(some(|_, _| true), "every pair");
        assert_eq!(some(|gka, _| gka != Gka::Mls), "`cliques` and `bd`");
        assert_eq!(
            some(|gka, cipher| gka == Gka::Mls || cipher == Cipher::Ratchet),
            "`mls` with every cipher, `cliques` and `bd` with `ratchet`"
        );
    }

    #[test]
    fn what_differs_gets_a_note_and_what_does_not_gets_none() {
        let everywhere = (Attacker::Identity, Attempt::JoinAsVictim, Moment::Followed);
        let mut measured: Measured = pairs()
            .map(|parts| {
                let successes = BTreeSet::from([everywhere]);
                let shown = BTreeSet::new();
                (parts, Facts { successes, shown })
            })
            .collect();
        let text = render(&measured);
        assert!(
            text.contains("| also T's identity key | nothing | nothing | joins as T |"),
            "{text}"
        );
        let odd = (Attacker::Network, Attempt::SpeakAsOthers, Moment::AtHand);
        let (parts, facts) = measured.iter_mut().next().unwrap();
        let parts = *parts;
        facts.successes.insert(odd);
        let text = render(&measured);
        let note = format!("Said after the theft: `{}` with `{}`.", parts.gka, parts.cipher);
        assert!(
            text.contains("| the network and the server | nothing | **speaks as others** (1) | nothing |"),
            "{text}"
        );
        assert!(text.contains(&note), "{text}");
    }

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let file = format!("a\n{START}\nold\n{END}\nb\n");
        let once = written_into(&file, "new\n").unwrap();
        assert_eq!(once, format!("a\n{START}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(written_into(&once, "new\n"), Some(once.clone()));
        assert_eq!(written_into("no marks", "new\n"), None);
    }
}
