//! Events, as lines for people or as JSON objects. Both show the same fields. None holds a secret, because no
//! event carries one.

use std::io::{self, Write};

use concilium_core::Time;
use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_session::{Event, Warning};
use concilium_testkit::channel::Effect;
use concilium_testkit::network::{EPOCH, Happening, Record};
use serde_json::{Map, Value, json};

use super::{EventKind, Options, Step};

/// Fields of an object, in the order in which a line shows them.
type Fields = Vec<(&'static str, Value)>;

/// Writes the trace that the options ask for, if any.
pub(super) struct Tracer<'a> {
    pub(super) options: &'a Options,
    pub(super) out: &'a mut dyn Write,
}

impl Tracer<'_> {
    /// Writes that a step begins.
    pub(super) fn step(&mut self, step: &Step, now: Time) -> io::Result<()> {
        let fields = vec![("line", json!(step.line)), ("text", json!(step.text))];
        if self.options.json {
            self.object("command", now, fields)
        } else if self.options.trace {
            writeln!(self.out, "{:>4} {}", step.line, step.text)
        } else {
            Ok(())
        }
    }

    /// Writes what happened.
    pub(super) fn record(&mut self, record: &Record) -> io::Result<()> {
        if !self.options.json && !self.options.trace {
            return Ok(());
        }
        let (kind, arrow, who, word, fields) = match &record.what {
            Happening::Delivered { to, delivery } => {
                let (word, mut fields) = channel_event(&delivery.event);
                fields.push(("position", json!(delivery.position)));
                if let Some(number) = delivery.packet {
                    fields.push(("packet", json!(number)));
                }
                if delivery.lost {
                    fields.push(("lost", json!(true)));
                }
                ("delivered", "<-", to, word, fields)
            }
            Happening::Asked { by, action, effect } => {
                let (word, mut fields) = channel_action(action);
                match effect {
                    Effect::Ordered(None) => {}
                    Effect::Ordered(Some(number)) => fields.push(("packet", json!(number))),
                    Effect::Lost(number) => {
                        fields.push(("packet", json!(number)));
                        fields.push(("lost", json!(true)));
                    }
                    Effect::Nothing => fields.push(("ignored", json!(true))),
                }
                ("asked", "->", by, word, fields)
            }
            Happening::Told { member, event } => (
                "event",
                "::",
                member,
                EventKind::of(event).word(),
                session_event(event),
            ),
        };
        if self.options.json {
            let mut all = vec![("member", text(who)), ("what", json!(word))];
            all.extend(fields);
            return self.object(kind, record.at, all);
        }
        let at = record.at.since(EPOCH);
        write!(self.out, "{:>10.3}s  {who} {arrow} {word}", at.as_secs_f64())?;
        for (name, value) in fields {
            write!(self.out, " {name}={}", shortened(&value))?;
        }
        writeln!(self.out)
    }

    fn object(&mut self, kind: &str, at: Time, fields: Fields) -> io::Result<()> {
        let mut object = Map::new();
        object.insert("type".to_owned(), json!(kind));
        let millis = u64::try_from(at.since(EPOCH).as_millis()).unwrap_or(u64::MAX);
        object.insert("time_ms".to_owned(), json!(millis));
        for (name, value) in fields {
            object.insert(name.to_owned(), value);
        }
        writeln!(self.out, "{}", Value::Object(object))
    }
}

/// For people, the first digits of an id tell it from the others.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match value {
        Value::String(id) if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            text.trim_matches('"').chars().take(8).collect()
        }
        _ => text,
    }
}

fn text(value: impl std::fmt::Display) -> Value {
    Value::String(value.to_string())
}

fn list<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> Value {
    values.into_iter().map(text).collect()
}

fn channel_event(event: &ChannelEvent) -> (&'static str, Fields) {
    match event {
        ChannelEvent::Entered { members } => ("entered", vec![("members", list(members))]),
        ChannelEvent::Left => ("left", vec![]),
        ChannelEvent::MemberEntered { member } => ("member-entered", vec![("who", text(member))]),
        ChannelEvent::MemberLeft { member } => ("member-left", vec![("who", text(member))]),
        ChannelEvent::Packet { from, bytes } => (
            "packet",
            vec![("from", text(from)), ("bytes", json!(bytes.len()))],
        ),
        _ => ("unknown", vec![]),
    }
}

fn channel_action(action: &ChannelAction) -> (&'static str, Fields) {
    match action {
        ChannelAction::Enter => ("enter", vec![]),
        ChannelAction::Leave => ("leave", vec![]),
        ChannelAction::Send { bytes } => ("send", vec![("bytes", json!(bytes.len()))]),
        ChannelAction::Invite { member } => ("invite", vec![("who", text(member))]),
        ChannelAction::Kick { member } => ("kick", vec![("who", text(member))]),
        _ => ("unknown", vec![]),
    }
}

fn session_event(event: &Event) -> Fields {
    match event {
        Event::StateChanged(state) => vec![("state", text(state))],
        Event::Message { id, author, body } => vec![
            ("id", text(id)),
            ("author", text(author)),
            ("body", text(String::from_utf8_lossy(body))),
        ],
        Event::UnknownMessage { id, author, kind } => vec![
            ("id", text(id)),
            ("author", text(author)),
            ("message_kind", json!(kind.number())),
        ],
        Event::FullyAcked { id } => vec![("id", text(id))],
        Event::MembershipChanged {
            subsession,
            members,
            joined,
            parted,
        } => vec![
            ("subsession", subsession.map_or(Value::Null, text)),
            ("members", list(members)),
            ("joined", list(joined)),
            ("parted", list(parted)),
        ],
        Event::OperationStarted { initial, by, change } => vec![
            ("initial", text(initial)),
            ("by", text(by)),
            ("change", text(change)),
        ],
        Event::OperationFailed { initial, cause } => {
            vec![("initial", text(initial)), ("cause", text(cause))]
        }
        Event::ProposalRejected { change, cause } => {
            vec![("change", text(change)), ("cause", text(cause))]
        }
        Event::ComingBack { elsewhere } => vec![("elsewhere", list(elsewhere))],
        Event::ProposalForbidden { by, change, why } => {
            vec![("by", text(by)), ("change", text(change)), ("why", text(why))]
        }
        Event::SomeoneEntered { member }
        | Event::SomeoneLeft { member }
        | Event::MemberFinished { member } => vec![("who", text(member))],
        Event::KeyPublished {
            member, subsession, ..
        } => {
            vec![("who", text(member)), ("subsession", text(subsession))]
        }
        Event::Action { id, kind, stage } => vec![
            ("id", text(id)),
            ("action", text(kind)),
            ("stage", text(format_args!("{stage:?}"))),
        ],
        Event::WarningRaised(warning) | Event::WarningCleared(warning) => warning_fields(warning),
        Event::CannotPropose { cause } => vec![("why", text(cause))],
        Event::Skipped { from, why } => vec![("from", text(from)), ("why", text(why))],
        _ => vec![],
    }
}

fn warning_fields(warning: &Warning) -> Fields {
    vec![
        ("warning", json!(warning.kind.word())),
        ("members", list(&warning.members)),
        ("message", warning.message.map_or(Value::Null, text)),
        ("subsession", warning.subsession.map_or(Value::Null, text)),
    ]
}
