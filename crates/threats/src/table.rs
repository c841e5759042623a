//! The table, as it stands in `docs/security.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use concilium_testkit::parts::{Cipher, Gka, Parts};

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

/// The table and its notes, in Markdown, made of nothing but what was measured.
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
        let _ = writeln!(text, "{number}. {note}");
    }
    text
}

/// The file's text with what was measured between the two marks; none if they do not stand in it.
#[must_use]
pub fn written_into(file: &str, table: &str) -> Option<String> {
    let (before, rest) = file.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n\n{table}\n{END}{after}"))
}

/// The notes so far, in their order; who says the same shares one.
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
        Moment::Before => "before T was a member",
        Moment::Early => "before T's last contribution to the keys",
        Moment::Late => "since T's last contribution to the keys",
        Moment::Acknowledged => "what everybody had seen before the theft",
        Moment::AtHand => "what is said after the theft",
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
            words.push(format!("{word}{}", notes.mark(sentence(&by_moment))));
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
        "Counted is what opens packets. Besides, what T's process held includes the messages that T was still shown: {}",
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

/// Pairs in few words.
fn names(pairs: &BTreeSet<Parts>) -> String {
    if pairs.is_empty() {
        return "none".to_owned();
    }
    if pairs.len() == GKAS.len() * CIPHERS.len() {
        return "all".to_owned();
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
    let groups: Vec<String> = by_ciphers
        .iter()
        .map(|(ciphers, gkas)| {
            let gkas = list(gkas);
            if ciphers.len() == CIPHERS.len() {
                gkas
            } else {
                format!("{gkas} with {}", list(ciphers))
            }
        })
        .collect();
    groups.join(", ")
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
