//! A member that seals messages which answer what nobody has seen.

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::keys::SubsessionKeys;
use concilium_core::testing::rng::seeded;
use concilium_core::{Context, MemberId, MessageId, SessionName};
use concilium_encryptor::{
    Content, Decrypted, DefaultEncryptor, MessageEncryptor, OpenError, RestoreError, SealError, Sealed,
};
use concilium_gka_cliques::Cliques;
use concilium_session::{Event, Output, Session, Settings, WarningKind};
use concilium_testkit::network::{Conduct, Network};
use std::cell::{Cell, RefCell};
use zeroize::Zeroizing;

use crate::common::{id, set};
use crate::{MINUTE, sent_by};

thread_local! {
    /// The parents that the next message is sealed with, if it is not to be an honest one.
    pub(crate) static PARENTS: RefCell<Option<Vec<MessageId>>> = const { RefCell::new(None) };

    /// The message that was opened last.
    pub(crate) static OPENED: Cell<Option<MessageId>> = const { Cell::new(None) };
}

/// The default cipher, with its real keys, in the hands of somebody who lies about what it has seen.
#[derive(Debug)]
pub(crate) struct Lying(DefaultEncryptor);

impl MessageEncryptor for Lying {
    const SUITE: &'static str = DefaultEncryptor::SUITE;
    type Step = <DefaultEncryptor as MessageEncryptor>::Step;

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        DefaultEncryptor::new(me, keys).map(Self)
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        let mut content = content.clone();
        if let Some(parents) = PARENTS.take() {
            content.parents = parents;
        }
        self.0.seal(&content, cx)
    }

    fn open(&self, packet: &[u8]) -> Result<Decrypted<Self::Step>, OpenError> {
        let opened = self.0.open(packet)?;
        OPENED.set(Some(opened.id));
        Ok(opened)
    }

    fn commit(&mut self, step: Self::Step) {
        self.0.commit(step);
    }

    fn export(&self) -> Zeroizing<Vec<u8>> {
        self.0.export()
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        DefaultEncryptor::restore(bytes).map(Self)
    }
}

type Net = Network<Cliques, Lying>;

const OTHERS: [&str; 2] = ["alice", "bob"];

/// Alice, Bob and Mallory in a session.
fn group(seed: u64) -> Net {
    let members = ["alice", "bob", "mallory"].map(id);
    let name = SessionName::new("s").unwrap();
    let mut net = Net::new(
        members,
        name,
        Settings::default(),
        Cliques::new,
        seed,
        Conduct::default(),
    );
    net.command(&id("alice"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let change = concilium_core::Change::include(set("bob mallory"));
    net.command(&id("alice"), |session, cx| session.change(change, cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    net.run(MINUTE * 2).unwrap();
    let _ = net.take_records();
    net
}

fn say(net: &mut Net, who: &str, text: &str) -> MessageId {
    net.command(&id(who), |session, cx| session.send(text.as_bytes(), cx))
        .unwrap()
        .unwrap()
}

/// Mallory says something that claims to answer these.
fn answer(net: &mut Net, parents: Vec<MessageId>, text: &str) -> MessageId {
    PARENTS.set(Some(parents));
    say(net, "mallory", text)
}

fn log(net: &Net, who: &str) -> Vec<String> {
    let session = net.session(&id(who)).unwrap();
    session
        .messages()
        .map(|message| String::from_utf8_lossy(message.body).into_owned())
        .collect()
}

/// Whether somebody is warned that messages which Mallory answers are missing.
fn misses(net: &Net, who: &str) -> bool {
    let mut warnings = net.session(&id(who)).unwrap().warnings().iter();
    warnings.any(|warning| warning.kind == WarningKind::MissingParents && warning.members == set("mallory"))
}

/// The others talk with each other, and everything of theirs is seen and acknowledged by both, whatever
/// waits.
fn others_go_on(net: &mut Net, case: &str) {
    for who in OTHERS {
        say(net, who, &format!("{who} goes on, {case}"));
    }
    net.run(MINUTE).unwrap();
    for reader in OTHERS {
        for who in OTHERS {
            assert!(
                log(net, reader).contains(&format!("{who} goes on, {case}")),
                "{case}: {reader} hears {who}"
            );
        }
        let session = net.session(&id(reader)).unwrap();
        let ours = session
            .messages()
            .filter(|message| OTHERS.iter().any(|who| *message.author == id(who)));
        for message in ours {
            assert!(
                message.unacked.is_subset(&set("mallory")),
                "{case}: {reader} waits for {}",
                message.unacked
            );
        }
    }
}

#[test]
fn a30_g01_parents_that_do_not_exist_wait_and_are_told_of() {
    let mut net = group(30);
    answer(
        &mut net,
        vec![MessageId::from_bytes([7; 32])],
        "nobody said what I answer",
    );
    net.settle().unwrap();
    others_go_on(&mut net, "at once");
    net.run(MINUTE).unwrap();
    for who in OTHERS {
        assert!(misses(&net, who), "{who}");
        assert!(
            !log(&net, who).contains(&"nobody said what I answer".to_owned()),
            "{who}"
        );
        // It is a matter of delivery as long as nobody can tell that the parent does not exist.
        let ever = net.session(&id(who)).unwrap().warnings().ever().clone();
        assert!(
            ever.iter()
                .all(|kind| kind.severity() == concilium_session::Severity::Delivery),
            "{ever:?}"
        );
    }
    others_go_on(&mut net, "after the warning");
    let refresh = concilium_core::Change::refresh();
    net.command(&id("alice"), |session, cx| session.change(refresh, cx))
        .unwrap()
        .unwrap();
    net.run(MINUTE * 3).unwrap();
    for who in OTHERS {
        assert!(!misses(&net, who), "what it was about is closed, for {who}");
    }
}

/// The parent was said, and kept from the others; later they get it after all.
#[test]
fn a30_l03_parents_never_seen_and_yet_to_come_clear_when_they_come() {
    for (case, patience) in [("soon", MINUTE / 2), ("late", MINUTE * 2)] {
        let mut net = group(31);
        for who in OTHERS {
            net.channel_mut().drop_to(&id(who), 1);
        }
        let first = say(&mut net, "mallory", "what nobody hears");
        net.settle().unwrap();
        let packet = net.channel().packets().last().unwrap().bytes.clone();
        answer(&mut net, vec![first], "what comes of it");
        net.settle().unwrap();
        // From here on nothing of hers gets through by itself.
        net.channel_mut().drop_from(&id("mallory"), usize::MAX / 2);
        net.run(patience).unwrap();
        for who in OTHERS {
            assert_eq!(log(&net, who), [""; 0], "{case}");
            assert_eq!(misses(&net, who), patience > MINUTE, "{case}: {who}");
        }
        others_go_on(&mut net, case);
        let now = net.now();
        net.channel_mut().forge(&id("mallory"), packet, now);
        net.settle().unwrap();
        for who in OTHERS {
            let log = log(&net, who);
            let position = |text: &str| log.iter().position(|said| said == text);
            assert!(
                position("what nobody hears").unwrap() < position("what comes of it").unwrap(),
                "{case}: {log:?}"
            );
            assert!(!misses(&net, who), "{case}: it clears for {who}");
        }
    }
}

/// The parent is a message that its author will only say afterwards, and knows the id of.
#[test]
fn a30_a_parent_in_the_future_is_waited_for() {
    let mut net = group(32);
    // What she will say is sealed by a copy of her process, apart from the network, and so she knows its id.
    let snapshot = net.session(&id("mallory")).unwrap().snapshot();
    let mut twin = net.copy(&id("mallory"), &snapshot).unwrap();
    let mut source = seeded(3);
    let future = twin
        .send(b"later", &mut Context::new(net.now(), &mut source))
        .unwrap();
    let later = twin.drain().unsaved().find_map(|output| match output {
        Output::Channel(ChannelAction::Send { bytes }) => Some(bytes),
        _ => None,
    });
    answer(&mut net, vec![future], "I foresaw it");
    net.settle().unwrap();
    others_go_on(&mut net, "before it is said");
    for who in OTHERS {
        assert!(!log(&net, who).contains(&"I foresaw it".to_owned()));
    }
    let now = net.now();
    net.channel_mut().forge(&id("mallory"), later.unwrap(), now);
    net.settle().unwrap();
    for who in OTHERS {
        let log = log(&net, who);
        let position = |text: &str| log.iter().position(|said| said == text);
        assert!(
            position("later").unwrap() < position("I foresaw it").unwrap(),
            "{log:?}"
        );
    }
    others_go_on(&mut net, "after it is said");
}

/// More messages whose parents do not exist than one author may have waiting: the rest is dropped and
/// reported, what waits is bounded, and what the others say goes straight by.
#[test]
fn a30_a39_more_than_the_quota_is_dropped_and_nobody_else_suffers() {
    let net = group(33);
    let now = net.now();
    let process = |who: &str| {
        let snapshot = net.session(&id(who)).unwrap().snapshot();
        net.copy(&id(who), &snapshot).unwrap()
    };
    let (mut mallory, mut bob, mut alice) = (process("mallory"), process("bob"), process("alice"));
    let mut source = seeded(4);
    let show = |alice: &mut Session<Cliques, Lying>, from: &str, bytes: Vec<u8>| {
        let from = id(from);
        alice.handle(
            ChannelEvent::Packet { from, bytes },
            &mut Context::new(now, &mut seeded(6)),
        );
        let outputs = alice.drain().unsaved();
        outputs
            .filter(|output| matches!(output, Output::Event(Event::Skipped { .. })))
            .count()
    };
    let (mut skipped, mut sizes) = (0, Vec::new());
    for batch in 0..3_u8 {
        for number in 0..700_u32 {
            let mut parent = [batch; 32];
            parent[..4].copy_from_slice(&number.to_le_bytes());
            PARENTS.set(Some(vec![MessageId::from_bytes(parent)]));
            mallory.send(b"x", &mut Context::new(now, &mut source)).unwrap();
            for bytes in sent_by(&mut mallory) {
                skipped += show(&mut alice, "mallory", bytes);
            }
        }
        sizes.push(alice.snapshot().len());
        let text = format!("bob goes on after batch {batch}");
        bob.send(text.as_bytes(), &mut Context::new(now, &mut source))
            .unwrap();
        for bytes in sent_by(&mut bob) {
            show(&mut alice, "bob", bytes);
        }
        let heard = alice.messages().last().map(|message| message.body.to_vec());
        assert_eq!(
            heard,
            Some(text.into_bytes()),
            "nothing of Mallory's stands in Bob's way"
        );
    }
    let quota = concilium_transcript::DEFERRED_MESSAGES_PER_AUTHOR;
    assert_eq!(skipped, 2_100 - quota, "what is over the quota is reported");
    assert!(sizes[2] - sizes[1] < 10_000, "and takes no room: {sizes:?}");
    assert!(sizes[0] * 2 > sizes[1], "{sizes:?}");
}
