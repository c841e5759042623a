//! A whole session as one of its members sees it, with what it takes to follow it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::packet::{self, PacketKind};
use concilium_core::{Change, Context, MemberId, MemberSet, SessionName, Time};
use concilium_encryptor::{Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, MessageEncryptor, Ratchet};
use concilium_gka::{Directory, GroupKeyAgreement, Identity};
use concilium_gka_bd::BurmesterDesmedt;
use concilium_gka_cliques::Cliques;
use concilium_session::{AnySession, Event, Output, Session, Settings};
use serde_json::{Value, json};

use crate::frames::{directory, id, identity, identity_seed, names};
use crate::hex;
use crate::script::{NAMES, Step, script};
use crate::source::Source;

/// Parts that a reader can follow: a key agreement over ristretto255, and a cipher.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    gka: &'static str,
    cipher: &'static str,
    begin: fn(Identity, Arc<dyn Directory>, Settings) -> Box<dyn AnySession>,
}

impl Choice {
    /// The parts of these names: `cliques` or `bd`; `aead`, `chacha20poly1305` or `ratchet`.
    #[must_use]
    pub fn named(gka: &str, cipher: &str) -> Option<Self> {
        match gka {
            "cliques" => Self::over::<Cliques>(cipher),
            "bd" => Self::over::<BurmesterDesmedt>(cipher),
            _ => None,
        }
    }

    fn over<G: Make>(cipher: &str) -> Option<Self> {
        Some(match cipher {
            "aead" => Self::of::<G, Aead<Aes256Gcm, Buckets>>(),
            "chacha20poly1305" => Self::of::<G, Aead<ChaCha20Poly1305, Buckets>>(),
            "ratchet" => Self::of::<G, Ratchet<Aes256Gcm, Buckets>>(),
            _ => return None,
        })
    }

    fn of<G: Make, E: MessageEncryptor + 'static>() -> Self {
        Self {
            gka: G::SUITE,
            cipher: E::SUITE,
            begin: |identity, directory, settings| {
                Box::new(Session::<G, E>::new(
                    G::make(identity, directory),
                    name(),
                    settings,
                ))
            },
        }
    }
}

/// A key agreement that is made from an identity and a directory.
trait Make: GroupKeyAgreement + 'static {
    const SUITE: &'static str;

    fn make(identity: Identity, directory: Arc<dyn Directory>) -> Self;
}

impl Make for Cliques {
    const SUITE: &'static str = concilium_gka_cliques::SUITE;

    fn make(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self::new(identity, directory)
    }
}

impl Make for BurmesterDesmedt {
    const SUITE: &'static str = concilium_gka_bd::SUITE;

    fn make(identity: Identity, directory: Arc<dyn Directory>) -> Self {
        Self::new(identity, directory)
    }
}

fn name() -> SessionName {
    SessionName::new("tea").expect("a good name")
}

/// A member's process.
struct Process {
    me: MemberId,
    session: Box<dyn AnySession>,
    source: Source,
}

/// A group over a channel that gives everybody the same events in the same order, and what one of them sees.
struct Group {
    processes: Vec<Process>,
    inside: MemberSet,
    asked: VecDeque<(MemberId, ChannelAction)>,
    now: Time,
    recorder: MemberId,
    events: Vec<Value>,
    contributions: Vec<Value>,
    told: Vec<Event>,
}

/// What Bob sees of a session that the seed decides on, and what he holds.
#[must_use]
pub fn record(seed: u64, choice: &Choice) -> Value {
    let recorder = id("bob");
    let everybody: MemberSet = NAMES.iter().map(|name| id(name)).collect();
    let trusted: Arc<dyn Directory> = Arc::new(directory(&everybody));
    // The one who leaves names a control key and publishes its first one (M-9).
    let settings = Settings::default().deniable(seed.is_multiple_of(2));
    let processes = everybody.iter().zip(1..).map(|(member, number)| Process {
        me: member.clone(),
        session: (choice.begin)(identity(member), trusted.clone(), settings.clone()),
        source: Source::new(seed.wrapping_mul(1_000).wrapping_add(number)),
    });
    let mut group = Group {
        processes: processes.collect(),
        inside: MemberSet::new(),
        asked: VecDeque::new(),
        now: Time::from_millis(1_700_000_000_000),
        recorder: recorder.clone(),
        events: Vec::new(),
        contributions: Vec::new(),
        told: Vec::new(),
    };
    for step in script(seed, &recorder) {
        group.take(&step);
    }
    let suite = format!("{}/{}", choice.gka, choice.cipher);
    group.written(seed, &suite, &everybody)
}

impl Group {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Join(who) => self.act(who, |session, cx| {
                let _ = session.join(cx).expect("it is outside");
            }),
            Step::Include(who, members) => self.change(who, Change::include(members.clone())),
            Step::Exclude(who, members) => self.change(who, Change::exclude(members.clone())),
            Step::Refresh(who) => self.change(who, Change::refresh()),
            Step::Part(who) => self.act(who, |session, cx| {
                let _ = session.part(cx).expect("it is inside");
            }),
            Step::Talk(members) => {
                for who in members.iter() {
                    let text = format!("{who} at {}", self.now.as_millis());
                    self.act(who, |session, cx| {
                        let _ = session.send(text.as_bytes(), cx).expect("it is in company");
                    });
                }
            }
        }
        self.settle();
        let end = self.now.after(Duration::from_secs(240));
        while let Some(at) = self.next_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            for place in 0..self.processes.len() {
                self.call(place, |session, cx| session.handle_timeout(cx));
            }
            self.settle();
        }
        self.now = end;
    }

    fn change(&mut self, who: &MemberId, change: Change) {
        self.act(who, |session, cx| {
            let _ = session.change(change, cx).expect("it is possible");
        });
    }

    fn next_timeout(&self) -> Option<Time> {
        self.processes
            .iter()
            .filter_map(|process| process.session.next_timeout())
            .min()
    }

    fn act(&mut self, who: &MemberId, act: impl FnOnce(&mut dyn AnySession, &mut Context<'_>)) {
        let place = self.processes.iter().position(|process| process.me == *who);
        self.call(place.expect("it has a process"), act);
    }

    /// Does something with a session, and takes note of what it draws and wants.
    fn call(&mut self, place: usize, act: impl FnOnce(&mut dyn AnySession, &mut Context<'_>)) {
        let process = self.processes.get_mut(place).expect("it is there");
        act(
            &mut *process.session,
            &mut Context::new(self.now, &mut process.source),
        );
        let mut sent = Vec::new();
        for output in process.session.drain().unsaved() {
            match output {
                Output::Channel(action) => {
                    if let ChannelAction::Send { bytes } = &action
                        && matches!(packet::read(bytes), Ok((PacketKind::Operation, _)))
                    {
                        sent.push(hex(bytes));
                    }
                    self.asked.push_back((process.me.clone(), action));
                }
                Output::Event(event) if process.me == self.recorder => self.told.push(event),
                Output::Event(_) => {}
            }
        }
        let drawn = process.source.take_contributions();
        if process.me == self.recorder {
            assert_eq!(
                drawn.len(),
                usize::from(!drawn.is_empty() && !sent.is_empty()),
                "one for a packet"
            );
            for scalar in drawn {
                self.contributions
                    .push(json!({"packet": sent.first(), "scalar": hex(scalar)}));
            }
        }
    }

    /// The channel does what it is asked for, until nobody asks for anything.
    fn settle(&mut self) {
        while let Some((who, action)) = self.asked.pop_front() {
            match action {
                ChannelAction::Enter if self.inside.insert(who.clone()) => {
                    let members = self.inside.clone();
                    self.tell(&who, &ChannelEvent::Entered { members });
                    self.tell_others(&who, &ChannelEvent::MemberEntered { member: who.clone() });
                }
                ChannelAction::Leave => self.put_out(&who),
                ChannelAction::Kick { member } => self.put_out(&member),
                ChannelAction::Send { bytes } if self.inside.contains(&who) => {
                    let event = ChannelEvent::Packet { from: who, bytes };
                    for member in &self.inside.clone() {
                        self.tell(member, &event);
                    }
                }
                _ => {}
            }
        }
    }

    fn put_out(&mut self, who: &MemberId) {
        if self.inside.remove(who) {
            self.tell(who, &ChannelEvent::Left);
            self.tell_others(who, &ChannelEvent::MemberLeft { member: who.clone() });
        }
    }

    fn tell_others(&mut self, who: &MemberId, event: &ChannelEvent) {
        for member in &self.inside.clone() {
            if member != who {
                self.tell(member, event);
            }
        }
    }

    fn tell(&mut self, who: &MemberId, event: &ChannelEvent) {
        if *who == self.recorder {
            let mut shown = match event {
                ChannelEvent::Entered { members } => json!({"event": "entered", "members": names(members)}),
                ChannelEvent::Left => json!({"event": "left"}),
                ChannelEvent::MemberEntered { member } => {
                    json!({"event": "member-entered", "member": member.to_string()})
                }
                ChannelEvent::MemberLeft { member } => {
                    json!({"event": "member-left", "member": member.to_string()})
                }
                ChannelEvent::Packet { from, bytes } => {
                    json!({"event": "packet", "from": from.to_string(), "packet": hex(bytes)})
                }
                _ => panic!("an event that this does not know"),
            };
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("at".to_owned(), json!(self.now.as_millis()));
            }
            self.events.push(shown);
        }
        let event = event.clone();
        self.act(who, |session, cx| session.handle(event, cx));
    }

    fn recorder(&self) -> &dyn AnySession {
        let process = self.processes.iter().find(|process| process.me == self.recorder);
        &*process.expect("it has a process").session
    }

    fn written(self, seed: u64, suite: &str, everybody: &MemberSet) -> Value {
        let session = self.recorder();
        assert!(
            session.warnings().ever().is_empty(),
            "nothing is wrong: {:?}",
            session.warnings()
        );
        let subsessions: Vec<Value> = self.told.iter().filter_map(membership).collect();
        let mut messages: Vec<Value> = self.told.iter().filter_map(message).collect();
        messages.sort_by_key(|message| message.get("id").map(ToString::to_string));
        let operations: Vec<Value> = session
            .history()
            .iter()
            .map(|record| {
                json!({
                    "initial": record.initial.to_string(),
                    "last": record.link.packet.to_string(),
                    "chain": record.link.chain.to_string(),
                    "succeeded": record.outcome.is_success(),
                })
            })
            .collect();
        let label = "example";
        json!({
            "what": format!("a session as {} sees it, from the first event to the last; seed {seed}", self.recorder),
            "session": name().to_string(),
            "suite": suite,
            "me": self.recorder.to_string(),
            "identity_seed": hex(identity_seed(&self.recorder)),
            "identities": everybody.iter().map(|member| json!({
                "member": member.to_string(),
                "key": hex(identity(member).verifying_key().as_bytes()),
            })).collect::<Vec<_>>(),
            "contributions": self.contributions,
            "events": self.events,
            "expect": {
                "members": names(session.members()),
                "subsession": session.subsession().map(|id| id.to_string()),
                "chain": session.chain().map(|chain| chain.to_string()),
                "subsessions": subsessions,
                "operations": operations,
                "messages": messages,
                "exporter": {
                    "label": label,
                    "secret": session.exporter(label).map(|secret| hex(secret.expose())),
                },
            },
        })
    }
}

fn membership(event: &Event) -> Option<Value> {
    let Event::MembershipChanged {
        subsession, members, ..
    } = event
    else {
        return None;
    };
    Some(json!({"subsession": subsession.as_ref().map(ToString::to_string), "members": names(members)}))
}

fn message(event: &Event) -> Option<Value> {
    let Event::Message { id, author, body } = event else {
        return None;
    };
    Some(json!({"id": id.to_string(), "author": author.to_string(), "body": hex(&**body)}))
}
