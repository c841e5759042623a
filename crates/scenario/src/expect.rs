//! Holds expectations against a run.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Deref;

use concilium_core::{ChainHash, MemberId, MemberSet, Secret, SubsessionId};
use concilium_session::{AnySession, MessageView, SessionState, WarningKind};

use super::ast::{Bound, Expectation, Kinds};
use super::runner::{Mismatch, Run};
use super::{EventKind, secrecy};

/// For whom the exporter's secrets are made that `same` compares.
const EXPORTER_LABEL: &str = "concilium scenario";

/// Words with spaces between them, or `none`.
fn words<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(" ")
    }
}

fn quoted(bodies: &[String]) -> String {
    words(bodies.iter().map(|body| format!("\"{body}\"")))
}

fn body_text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Compares, and says both sides if they differ.
fn compare(expected: String, seen: String) -> Result<(), Mismatch> {
    if expected == seen {
        Ok(())
    } else {
        Err(Mismatch { expected, seen })
    }
}

/// The latest message with this body in a member's timeline.
fn find<'s>(session: &'s dyn AnySession, body: &str) -> Result<MessageView<'s>, Mismatch> {
    session
        .messages()
        .filter(|message| message.body == body.as_bytes())
        .last()
        .ok_or_else(|| {
            Mismatch::new(
                format!("a message \"{body}\""),
                format!("the messages {}", quoted(&log(session))),
            )
        })
}

fn log(session: &dyn AnySession) -> Vec<String> {
    session
        .messages()
        .map(|message| body_text(message.body))
        .collect()
}

/// What a member sees: its session, or, if its process has vanished, what that had shown by then.
enum Screen<'n> {
    Running(&'n dyn AnySession),
    Vanished(Box<dyn AnySession>),
}

impl<'n> Deref for Screen<'n> {
    type Target = dyn AnySession + 'n;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Running(session) => *session,
            Self::Vanished(session) => &**session,
        }
    }
}

impl Run {
    /// The messages that a member has been shown, whether its process runs or not.
    fn screen(&self, who: &MemberId) -> Result<Screen<'_>, Mismatch> {
        Ok(match self.network.session(who) {
            Ok(session) => Screen::Running(&**session),
            Err(_) => Screen::Vanished(self.network.last_saved(who)?),
        })
    }

    /// Holds one expectation against the run as it stands.
    pub(super) fn expect(&mut self, expectation: &Expectation) -> Result<(), Mismatch> {
        // A process that has vanished is in no session, and nothing is in force for it.
        let session = |who: &MemberId| self.network.session(who).ok().map(|session| &**session);
        match expectation {
            Expectation::Members(who, members) => {
                let nobody = MemberSet::new();
                let seen = session(who).map_or(&nobody, |session| session.members());
                compare(words(members), words(seen))
            }
            Expectation::Channel(members) => compare(words(members), words(self.network.channel().members())),
            Expectation::State(who, state) => {
                let seen = session(who).map_or(SessionState::Parted, |session| session.state());
                compare(state.to_string(), seen.to_string())
            }
            Expectation::Log(who, bodies) => compare(quoted(bodies), quoted(&log(&*self.screen(who)?))),
            Expectation::LogHas(who, bodies) => {
                let log = log(&*self.screen(who)?);
                if bodies.iter().all(|body| log.contains(body)) {
                    return Ok(());
                }
                let expected = format!("among the messages: {}", quoted(bodies));
                Err(Mismatch::new(expected, quoted(&log)))
            }
            Expectation::Parents(who, body, parents) => {
                let session = self.screen(who)?;
                let message = find(&*session, body)?;
                let mut seen: Vec<String> = message
                    .parents
                    .iter()
                    .map(|id| match session.message(id) {
                        Some(parent) => body_text(parent.body),
                        None => format!("unknown message {id:.8}"),
                    })
                    .collect();
                let mut expected = parents.clone();
                seen.sort_unstable();
                expected.sort_unstable();
                compare(quoted(&expected), quoted(&seen))
            }
            Expectation::Acked(who, body) => {
                let session = self.screen(who)?;
                let message = find(&*session, body)?;
                if message.fully_acked {
                    return Ok(());
                }
                let seen = format!("not acked by {}", words(&message.unacked));
                Err(Mismatch::new("fully acked", seen))
            }
            Expectation::Unacked(who, body, members) => {
                let session = self.screen(who)?;
                let message = find(&*session, body)?;
                compare(words(members), words(&message.unacked))
            }
            Expectation::Present(who, members) => {
                let seen = session(who).map(|session| session.presence()).unwrap_or_default();
                compare(words(members), words(&seen))
            }
            Expectation::Warnings(who, kinds) => {
                let warnings = session(who)
                    .into_iter()
                    .flat_map(|session| session.warnings().iter());
                compare_kinds(kinds, &warnings.map(|warning| warning.kind).collect())
            }
            Expectation::Warned(who, kinds) => {
                // What the session remembers and ever told, also before a restart.
                let mut seen = self.screen(who)?.warnings().ever().clone();
                seen.extend(self.warned.get(who).into_iter().flatten());
                compare_kinds(kinds, &seen)
            }
            Expectation::Event(who, kind) => {
                if self.events.remove(&(who.clone(), *kind)) {
                    return Ok(());
                }
                Err(self.other_events(who, format!("an event {}", kind.word())))
            }
            Expectation::NoEvent(who, kind) => {
                if !self.events.contains(&(who.clone(), *kind)) {
                    return Ok(());
                }
                Err(self.other_events(who, format!("no event {}", kind.word())))
            }
            Expectation::Same(members) => match self.difference(members)? {
                None => Ok(()),
                Some(difference) => Err(Mismatch::new(
                    "one subsession with one history and one set of keys",
                    difference,
                )),
            },
            Expectation::Differ(members) => match self.difference(members)? {
                Some(_) => Ok(()),
                None => Err(Mismatch::new(
                    "different members, subsessions, histories or keys",
                    "the same for all",
                )),
            },
            Expectation::Secret(who, body) => secrecy::check(&self.network, who, body),
            Expectation::Packets(bound, limit) => {
                let sent = self.network.channel().sent().packets - self.mark.packets;
                compare_number(*bound, *limit, sent)
            }
            Expectation::Bytes(bound, limit) => {
                let sent = self.network.channel().sent().bytes - self.mark.bytes;
                compare_number(*bound, *limit, sent)
            }
            Expectation::Quiet => {
                if self.network.is_quiet()? {
                    return Ok(());
                }
                let seen = match self.network.channel().pending_for_all() {
                    0 => "a member that would send by itself".to_owned(),
                    pending => format!("{pending} events under way"),
                };
                Err(Mismatch::new("nothing under way and nothing due", seen))
            }
        }
    }

    fn other_events(&self, who: &MemberId, expected: String) -> Mismatch {
        let seen = self
            .events
            .iter()
            .filter(|(member, _)| member == who)
            .map(|(_, kind)| EventKind::word(*kind));
        Mismatch::new(expected, format!("events not expected yet: {}", words(seen)))
    }

    /// In what these members' sessions differ, if they do.
    fn difference(&self, members: &[MemberId]) -> Result<Option<String>, Mismatch> {
        let mut first: Option<View<'_>> = None;
        for who in members {
            let Ok(session) = self.network.session(who) else {
                return Ok(Some(format!("{who} is not running")));
            };
            let view = View {
                who,
                members: session.members(),
                subsession: session.subsession(),
                chain: session.chain(),
                keys: session.exporter(EXPORTER_LABEL),
            };
            if !view.members.contains(who) {
                return Ok(Some(format!("{who} is in no session")));
            }
            match &first {
                None => first = Some(view),
                Some(first) => {
                    if let Some(difference) = first.difference(&view) {
                        return Ok(Some(difference));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// What `same` compares of a member's session.
struct View<'a> {
    who: &'a MemberId,
    members: &'a MemberSet,
    subsession: Option<SubsessionId>,
    chain: Option<ChainHash>,
    keys: Option<Secret<32>>,
}

impl View<'_> {
    /// The differences of two views. Keys that neither has are not shared keys.
    fn difference(&self, other: &View<'_>) -> Option<String> {
        let tell = |what: &str, ours: String, theirs: String| {
            Some(format!(
                "{} has {what} {ours}, {} has {theirs}",
                self.who, other.who
            ))
        };
        if self.members != other.members {
            return tell("members", words(self.members), words(other.members));
        }
        if self.subsession != other.subsession {
            return tell("subsession", words(self.subsession), words(other.subsession));
        }
        if self.chain != other.chain {
            return tell("chain hash", words(self.chain), words(other.chain));
        }
        if self.keys.is_none() || self.keys != other.keys {
            return Some(format!(
                "{} and {} have different keys, or none",
                self.who, other.who
            ));
        }
        None
    }
}

fn compare_number(bound: Bound, limit: u64, seen: u64) -> Result<(), Mismatch> {
    if bound.holds(seen, limit) {
        Ok(())
    } else {
        Err(Mismatch::new(format!("{bound} {limit}"), seen.to_string()))
    }
}

fn compare_kinds(kinds: &Kinds, seen: &BTreeSet<WarningKind>) -> Result<(), Mismatch> {
    let words = |kinds: &mut dyn Iterator<Item = &WarningKind>| words(kinds.map(|kind| kind.word()));
    let (holds, expected) = match kinds {
        Kinds::Any => (!seen.is_empty(), "at least one kind".to_owned()),
        Kinds::Have(kinds) => (
            kinds.iter().all(|kind| seen.contains(kind)),
            format!("among the kinds: {}", words(&mut kinds.iter())),
        ),
        Kinds::Are(kinds) => {
            let kinds: BTreeSet<WarningKind> = kinds.iter().copied().collect();
            (kinds == *seen, words(&mut kinds.iter()))
        }
    };
    if holds {
        Ok(())
    } else {
        Err(Mismatch::new(expected, words(&mut seen.iter())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Honest sessions never have one id for two sets of keys, so no scenario can show that this would be
    /// noticed.
    #[test]
    fn k07_same_means_the_same_in_every_respect() {
        let (alice, bob) = (MemberId::new("alice").unwrap(), MemberId::new("bob").unwrap());
        let both: MemberSet = [alice.clone(), bob.clone()].into_iter().collect();
        let one = MemberSet::of(alice.clone());
        let view = |who| View {
            who,
            members: &both,
            subsession: Some(SubsessionId::from_bytes([1; 32])),
            chain: Some(ChainHash::from_bytes([2; 32])),
            keys: Some(Secret::new([3; 32])),
        };
        let ours = view(&alice);
        assert_eq!(ours.difference(&view(&bob)), None);
        let mut others = [(); 5].map(|()| view(&bob));
        others[0].members = &one;
        others[1].subsession = None;
        others[2].chain = Some(ChainHash::from_bytes([9; 32]));
        others[3].keys = Some(Secret::new([9; 32]));
        others[4].keys = None;
        for other in &others {
            assert!(ours.difference(other).is_some());
        }
        let without = || View {
            keys: None,
            ..view(&bob)
        };
        assert!(without().difference(&without()).is_some());
    }
}
