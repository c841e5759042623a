//! What the demo shows: lines for people, or an object per event for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use concilium::{Change, Event, MemberId, MemberSet, MessageId, Summary, Time};
use concilium_relay::RelayStats;
use serde_json::{Value, json};

use super::process::{News, Told};
use crate::{screen, text};

/// The sink of the lines, and what they need to know of earlier ones.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
    started: Time,
    names: Vec<MemberId>,
    /// Numbers of the messages in the order in which the first member shows them.
    numbers: BTreeMap<MessageId, usize>,
    /// Messages newly known to be seen by all, to be told in one line.
    acked: Vec<usize>,
    steps: Vec<Row>,
}

/// A step that is done.
#[derive(Debug)]
struct Row {
    name: String,
    took: Duration,
    packets: u64,
    bytes: u64,
}

/// The figures of a relay between two moments.
fn between(before: RelayStats, after: RelayStats) -> (u64, u64, u64, u64) {
    (
        after.packets_in.saturating_sub(before.packets_in),
        after.bytes_in.saturating_sub(before.bytes_in),
        after.packets_out.saturating_sub(before.packets_out),
        after.bytes_out.saturating_sub(before.bytes_out),
    )
}

impl Report {
    pub(super) fn new(json: bool, started: Time, names: Vec<MemberId>) -> Self {
        Self {
            json,
            started,
            names,
            numbers: BTreeMap::new(),
            acked: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn name(&self, who: usize) -> String {
        self.names.get(who).map(text::name).unwrap_or_default()
    }

    fn line(&self, at: Time, line: &str) {
        let elapsed = at.since(self.started);
        screen::out(&format!("{:8.3}  {line}", elapsed.as_secs_f64()));
    }

    fn object(&self, at: Time, event: &str, mut object: Value) {
        if let Value::Object(fields) = &mut object {
            let millis = u64::try_from(at.since(self.started).as_millis()).unwrap_or(u64::MAX);
            fields.insert("at_ms".to_owned(), json!(millis));
            fields.insert("event".to_owned(), json!(event));
        }
        screen::out(&object.to_string());
    }

    /// The demo begins.
    pub(super) fn begin(&self, at: Time, relay: &str, messages: usize) {
        let members = self.names.len();
        if self.json {
            self.object(
                at,
                "begin",
                json!({"members": members, "messages": messages, "relay": relay}),
            );
        } else {
            screen::out(&format!(
                "{members} members and {messages} messages, over real sockets and a relay at {relay}"
            ));
            screen::out(" seconds");
        }
    }

    /// A step begins.
    pub(super) fn step(&self, at: Time, name: &str, what: &str) {
        if self.json {
            self.object(at, "step", json!({"step": name, "what": what}));
        } else {
            screen::out("");
            self.line(at, &format!("{}: {what}", name.to_uppercase()));
        }
    }

    /// A step is done.
    pub(super) fn step_done(
        &mut self,
        at: Time,
        name: &str,
        took: Duration,
        before: RelayStats,
        after: RelayStats,
    ) {
        let (packets, bytes, delivered, delivered_bytes) = between(before, after);
        if self.json {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let row = json!({
                "step": name, "took_ms": took_ms, "packets": packets, "bytes": bytes,
                "delivered": delivered, "delivered_bytes": delivered_bytes,
            });
            self.object(at, "step-done", row);
        } else {
            let took = took.as_secs_f64();
            self.line(
                at,
                &format!("done in {took:.3} s, {packets} packets with {bytes} bytes sent"),
            );
        }
        self.steps.push(Row {
            name: name.to_owned(),
            took,
            packets,
            bytes,
        });
    }

    /// A process tells something. For people, the story is told by the first member; programs get it all.
    pub(super) fn told(&mut self, told: &Told) {
        if let (News::Message { id, .. }, 0) = (&told.news, told.who) {
            let next = self.numbers.len() + 1;
            self.numbers.entry(*id).or_insert(next);
        }
        if self.json {
            self.told_as_object(told);
        } else if told.who == 0 {
            self.told_as_line(told);
        }
    }

    fn told_as_line(&mut self, told: &Told) {
        match &told.news {
            News::Event(Event::OperationStarted { by, change, .. }) => {
                let line = format!("{} proposes: {}", text::name(by), shortened(change));
                self.line(told.at, &line);
            }
            News::Event(Event::MembershipChanged {
                subsession: Some(subsession),
                members,
                ..
            }) => {
                let members = crowd(members);
                self.line(told.at, &format!("subsession {subsession:.8}: {members}"));
            }
            News::Event(Event::FullyAcked { id }) => self.acked.extend(self.numbers.get(id)),
            News::Event(Event::WarningRaised(warning)) => self.line(told.at, &format!("WARNING: {warning}")),
            News::Message {
                id,
                author,
                body,
                parents,
                follows,
            } => {
                self.flush_acks(told.at);
                let number = self.number(id);
                // A message answers the line above; only if not, the line says what it answers.
                let after = match (follows, parents.as_slice()) {
                    (true, _) => String::new(),
                    (false, []) => "   (answers nothing)".to_owned(),
                    (false, parents) => {
                        let mut numbers: Vec<usize> = parents
                            .iter()
                            .filter_map(|id| self.numbers.get(id))
                            .copied()
                            .collect();
                        numbers.sort_unstable();
                        format!("   (answers {})", list(&numbers))
                    }
                };
                self.line(
                    told.at,
                    &format!("{number:>4} {}: {}{after}", text::name(author), text::body(body)),
                );
            }
            News::Event(_) | News::Entered | News::Trouble(_) => {}
        }
    }

    /// Tells which messages are now known to be seen by all.
    pub(super) fn flush_acks(&mut self, at: Time) {
        let mut numbers = std::mem::take(&mut self.acked);
        if numbers.is_empty() {
            return;
        }
        numbers.sort_unstable();
        self.line(at, &format!("   ✓ {}", list(&numbers)));
    }

    fn number(&self, id: &MessageId) -> String {
        self.numbers
            .get(id)
            .map(|number| format!("#{number}"))
            .unwrap_or_default()
    }

    fn told_as_object(&self, told: &Told) {
        let member = self.name(told.who);
        let names = |members: &MemberSet| -> Vec<String> { members.iter().map(text::name).collect() };
        let (event, object) = match &told.news {
            News::Message {
                id,
                author,
                body,
                parents,
                follows,
            } => {
                let parents: Vec<String> = parents.iter().map(ToString::to_string).collect();
                let object = json!({
                    "id": id.to_string(), "author": text::name(author),
                    "body": text::body(body).to_string(), "parents": parents,
                    "follows": follows,
                });
                ("message", object)
            }
            News::Entered => ("entered", json!({})),
            News::Trouble(what) => ("trouble", json!({"what": what})),
            News::Event(event) => match event {
                Event::StateChanged(state) => ("state-changed", json!({"state": state.to_string()})),
                Event::FullyAcked { id } => ("fully-acked", json!({"id": id.to_string()})),
                Event::MembershipChanged {
                    subsession,
                    members,
                    joined,
                    parted,
                } => {
                    let object = json!({
                        "subsession": subsession.map(|id| id.to_string()), "members": names(members),
                        "joined": names(joined), "parted": names(parted),
                    });
                    ("membership-changed", object)
                }
                Event::OperationStarted { initial, by, change } => {
                    let object = json!({
                        "operation": initial.to_string(), "by": text::name(by),
                        "include": names(&change.include), "exclude": names(&change.exclude),
                    });
                    ("operation-started", object)
                }
                Event::OperationFailed { initial, cause } => {
                    let object = json!({"operation": initial.to_string(), "cause": cause.to_string()});
                    ("operation-failed", object)
                }
                Event::WarningRaised(warning) => (
                    "warning-raised",
                    json!({"warning": warning.kind.word(), "text": warning.to_string()}),
                ),
                Event::WarningCleared(warning) => {
                    ("warning-cleared", json!({"warning": warning.kind.word()}))
                }
                Event::MemberFinished { member } => ("member-finished", json!({"who": text::name(member)})),
                Event::SomeoneEntered { member } => ("someone-entered", json!({"who": text::name(member)})),
                Event::SomeoneLeft { member } => ("someone-left", json!({"who": text::name(member)})),
                Event::Action { kind, stage, .. } => {
                    let stage = format!("{stage:?}");
                    ("action", json!({"action": kind.to_string(), "stage": stage}))
                }
                other => ("other", json!({"what": format!("{other:?}")})),
            },
        };
        let mut object = object;
        if let Value::Object(fields) = &mut object {
            fields.insert("member".to_owned(), json!(member));
        }
        self.object(told.at, event, object);
    }

    /// A comparison was made and found no difference.
    pub(super) fn agreed(&self, at: Time, what: &str) {
        if self.json {
            self.object(at, "agreed", json!({"what": what}));
        } else {
            self.line(at, &format!("checked: {what}"));
        }
    }

    /// The members that have not acknowledged a message yet, as far as its author knows.
    pub(super) fn waits(&self, at: Time, author: usize, id: &MessageId, unacked: &MemberSet) {
        if unacked.is_empty() {
            return;
        }
        if self.json {
            let by: Vec<String> = unacked.iter().map(text::name).collect();
            let object = json!({"id": id.to_string(), "member": self.name(author), "by": by});
            self.object(at, "unacked", object);
        } else {
            let (number, who) = (self.number(id), crowd(unacked));
            self.line(at, &format!("   … {number} is not yet acknowledged by {who}"));
        }
    }

    /// The state of each member: what it sees.
    pub(super) fn standing(&self, at: Time, views: &[(Summary, MemberSet)]) {
        for (summary, members) in views {
            if self.json {
                let names = |members: &MemberSet| -> Vec<String> { members.iter().map(text::name).collect() };
                let object = json!({
                    "members": names(members), "waiting": summary.waiting, "unseen": summary.unseen,
                    "absent": names(&summary.absent), "lines": summary.lines(),
                });
                self.object(at, "summary", object);
            } else if views.len() == 1 && members.len() > 1 {
                self.line(at, &format!("all see: {summary}"));
            } else {
                self.line(at, &format!("{} sees: {summary}", crowd(members)));
            }
        }
    }

    /// All went well.
    pub(super) fn end(&self, at: Time, proven: &[String]) {
        let took = at.since(self.started);
        if self.json {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            self.object(
                at,
                "end",
                json!({"ok": true, "took_ms": took_ms, "proven": proven}),
            );
            return;
        }
        screen::out("");
        screen::out(
            "step            seconds   packets     bytes   (sent by members; the relay delivers each to all)",
        );
        for Row {
            name,
            took,
            packets,
            bytes,
        } in &self.steps
        {
            screen::out(&format!(
                "{name:<14}{:9.3}{packets:10}{bytes:10}",
                took.as_secs_f64()
            ));
        }
        screen::out("");
        for line in proven {
            screen::out(&format!("✓ {line}"));
        }
        screen::out(&format!("All of it took {:.1} s.", took.as_secs_f64()));
    }

    /// Something is wrong. Programs are told on standard output too.
    pub(super) fn failed(&self, at: Time, error: &str) {
        if self.json {
            self.object(at, "end", json!({"ok": false, "error": error}));
        }
    }
}

/// How many names fit on a line; more are counted.
const MAX_NAMES: usize = 8;

/// Names for one line.
pub(super) fn crowd(members: &MemberSet) -> String {
    if members.len() <= MAX_NAMES {
        text::names(members)
    } else {
        let first = text::names(members.iter().take(MAX_NAMES - 1));
        format!("{first} and {} more", members.len() - (MAX_NAMES - 1))
    }
}

/// A change for one line.
fn shortened(change: &Change) -> String {
    let mut parts = Vec::new();
    if !change.include.is_empty() {
        parts.push(format!("include {}", crowd(&change.include)));
    }
    if !change.exclude.is_empty() {
        parts.push(format!("exclude {}", crowd(&change.exclude)));
    }
    if parts.is_empty() {
        parts.push("new keys for the same members".to_owned());
    }
    parts.join(", ")
}

/// Ascending numbers for one line: runs of them by their ends.
fn list(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] if run.len() > 2 => format!("#{first} to #{last}"),
        run => run
            .iter()
            .map(|number| format!("#{number}"))
            .collect::<Vec<_>>()
            .join(" "),
    });
    runs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_short() {
        assert_eq!(list(&[]), "");
        assert_eq!(list(&[1, 2, 4, 5, 6, 9]), "#1 #2 #4 to #6 #9");
        let many: MemberSet = (10..42)
            .map(|i| MemberId::new(format!("m{i}")).unwrap())
            .collect();
        assert_eq!(crowd(&many), "m10 m11 m12 m13 m14 m15 m16 and 25 more");
        assert_eq!(shortened(&Change::refresh()), "new keys for the same members");
    }
}
