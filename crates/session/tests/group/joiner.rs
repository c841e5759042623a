//! Newcomers who are told of a parent and a chain hash that are old or made up.

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::testing::rng::seeded;
use concilium_core::{ChainHash, Change, Context, PacketId};
use concilium_encryptor::DefaultEncryptor;
use concilium_gka::{AssociatedData, Role};
use concilium_session::{Output, Session, SessionState, Settings, WarningKind};
use concilium_testkit::gka::Dictator;
use concilium_testkit::network::{Conduct, Network};

use crate::common::{Net, establish, id, set};
use crate::{
    MINUTE, chain, change, group, is_operation, packet_of, proposal, read_proposal, same, show, signed_by,
    warned, withdraw,
};

fn is_provisional(net: &Net, who: &str) -> bool {
    net.session(&id(who)).unwrap().is_provisional()
}

/// With everybody honest: what the joiner was told is provisional until the last of the others has confirmed
/// it.
#[test]
fn a26_o08_o10_what_a_joiner_is_told_is_provisional_until_all_have_confirmed() {
    let mut net = group(3, 1, 26);
    change(&mut net, "alice", Change::include([id("dave")]));
    net.settle().unwrap();
    assert!(same(&net, &["alice", "bob", "carol", "dave"]) && is_provisional(&net, "dave"));
    for who in ["alice", "bob", "carol"] {
        assert!(is_provisional(&net, "dave"), "{who} has not spoken yet");
        net.command(&id(who), |session, cx| session.send(b"hello", cx))
            .unwrap()
            .unwrap();
        net.settle().unwrap();
    }
    assert!(!is_provisional(&net, "dave"));
    assert_eq!(warned(&net, "dave"), [].into());
}

/// A member proposes to include Dave from a place that never was, or once was: nobody else goes along, so it
/// comes to nothing, and the session is as it was.
#[test]
fn a26_o08_a_member_alone_cannot_bring_a_joiner_in_from_nowhere() {
    let mut net = group(3, 1, 27);
    let old = {
        let (data, _) = read_proposal(&net, "alice", &proposal(&net, "alice", Change::refresh()));
        (data.parent, data.chain)
    };
    change(&mut net, "bob", Change::refresh());
    net.run(MINUTE * 2).unwrap();
    net.command(&id("dave"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let (data, payload) = read_proposal(
        &net,
        "alice",
        &proposal(&net, "alice", Change::include([id("dave")])),
    );
    let made_up = (PacketId::from_bytes([9; 32]), ChainHash::from_bytes([8; 32]));
    let half = (data.parent, made_up.1);
    for (case, (parent, told)) in [("made up", made_up), ("old", old), ("half made up", half)] {
        let mut net = again(&net);
        let claim = AssociatedData {
            parent,
            chain: told,
            ..data.clone()
        };
        let packet = signed_by(&net, "alice", Role::Initial(claim), payload.clone());
        let before = chain(&net, "bob");
        for who in ["bob", "carol", "dave"] {
            show(&mut net, who, packet_of("alice", packet.clone()));
        }
        // Alice, who made it, does not follow it herself: her process is honest, her key is not.
        net.run(MINUTE * 10).unwrap();
        assert_eq!(chain(&net, "bob"), before, "{case}");
        assert!(same(&net, &["alice", "bob", "carol"]), "{case}");
        let dave = net.session(&id("dave")).unwrap();
        assert!(
            dave.members().is_empty() && dave.operation().is_none(),
            "{case}: {}",
            dave.members()
        );
        let evidence = case == "half made up";
        for who in ["bob", "carol"] {
            let accused = warned(&net, who).contains(&WarningKind::InconsistentHistory);
            assert_eq!(
                accused, evidence,
                "{case}: {who} is told that Alice lies where that can be known"
            );
        }
        // And he can still be brought in from where they are: from the next place of the chain on if he was
        // misled at this one, for he takes it for an old one now (O-7).
        for _ in 0..2 {
            if !same(&net, &["alice", "bob", "carol", "dave"]) {
                change(&mut net, "bob", Change::include([id("dave")]));
                net.run(MINUTE * 3).unwrap();
            }
        }
        assert!(same(&net, &["alice", "bob", "carol", "dave"]), "{case}");
    }
}

/// The same network once more: the seed and what happens decide everything.
fn again(net: &Net) -> Net {
    let mut other = group(3, 1, 27);
    change(&mut other, "bob", Change::refresh());
    other.run(MINUTE * 2).unwrap();
    other
        .command(&id("dave"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    other.settle().unwrap();
    assert_eq!(chain(&other, "alice"), chain(net, "alice"));
    other
}

/// The server shows Dave somebody who is not there just before the last packet, so that the same operation
/// leads him to another place of the chain. He learns of it from the first confirmation, and the others from
/// his.
#[test]
fn a26_o01_o10_a_joiner_led_to_another_place_of_the_chain_warns_and_is_warned() {
    let begin = || {
        let mut net = group(3, 1, 28);
        change(&mut net, "alice", Change::include([id("dave")]));
        net
    };
    let mut dry = begin();
    let mut events = 0;
    while dry.deliver_next().unwrap() {
        events += 1;
    }
    let mut net = begin();
    for _ in 1..events {
        net.deliver_next().unwrap();
    }
    let four = ["alice", "bob", "carol", "dave"];
    let last = four.map(|who| withdraw(&mut net, who).remove(0));
    show(
        &mut net,
        "dave",
        ChannelEvent::MemberEntered {
            member: id("mallory"),
        },
    );
    for (who, event) in four.iter().zip(last) {
        show(&mut net, who, event);
    }
    assert_eq!(
        net.session(&id("dave")).unwrap().members(),
        &set("alice bob carol dave")
    );
    assert_ne!(chain(&net, "dave"), chain(&net, "alice"));
    assert!(is_provisional(&net, "dave"));
    assert_eq!(warned(&net, "dave"), [].into(), "not before he can know");
    net.run(MINUTE * 2).unwrap();
    assert!(is_provisional(&net, "dave"), "nobody has confirmed it");
    for who in four {
        assert!(
            warned(&net, who).contains(&WarningKind::InconsistentHistory),
            "{who}: {:?}",
            warned(&net, who)
        );
    }
    let warnings = net.session(&id("alice")).unwrap().warnings();
    let accused = warnings
        .iter()
        .find(|warning| warning.kind == WarningKind::InconsistentHistory);
    assert_eq!(accused.unwrap().members, set("dave"), "and named");
}

/// With a key agreement of one packet a lying member can bring him in without the others: he is in a session
/// that nobody confirms.
#[test]
fn a26_o08_o10_a_joiner_brought_in_by_one_packet_from_nowhere_is_warned_in_time() {
    let members = ["alice", "bob", "carol", "dave"].map(id);
    let name = concilium_core::SessionName::new("s").unwrap();
    let mut net: Network<Dictator, DefaultEncryptor> = Network::new(
        members,
        name,
        Settings::default(),
        Dictator::new,
        5,
        Conduct::default(),
    );
    establish(&mut net, "alice", "bob carol");
    net.run(MINUTE * 2).unwrap();
    net.command(&id("dave"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    // Alice lies: she follows a proposal of hers that nobody else has ever seen, and includes him from there.
    let snapshot = net.session(&id("alice")).unwrap().snapshot();
    let mut liar = net.copy(&id("alice"), &snapshot).unwrap();
    let (mut source, now) = (seeded(9), net.now());
    let mut propose = |liar: &mut Session<Dictator, DefaultEncryptor>, change| {
        liar.change(change, &mut Context::new(now, &mut source)).unwrap();
        liar.drain()
            .unsaved()
            .find_map(|output| match output {
                Output::Channel(ChannelAction::Send { bytes }) => {
                    Some(bytes).filter(|bytes| is_operation(bytes))
                }
                _ => None,
            })
            .unwrap()
    };
    let unseen = propose(&mut liar, Change::refresh());
    liar.handle(packet_of("alice", unseen), &mut Context::new(now, &mut seeded(8)));
    let bytes = propose(&mut liar, Change::include([id("dave")]));
    for who in ["bob", "carol", "dave"] {
        net.command(&id(who), |session, cx| {
            session.handle(packet_of("alice", bytes.clone()), cx)
        })
        .unwrap();
    }
    let dave = net.session(&id("dave")).unwrap();
    assert_eq!(dave.state(), SessionState::Joined, "he cannot know better yet");
    assert!(
        dave.is_provisional() && dave.warnings().ever().is_empty(),
        "and is told so"
    );
    net.run(MINUTE * 2).unwrap();
    let dave = net.session(&id("dave")).unwrap();
    assert!(dave.is_provisional());
    assert!(
        dave.warnings().ever().contains(&WarningKind::ChainUnconfirmed),
        "{:?}",
        dave.warnings()
    );
    assert_eq!(
        net.session(&id("bob")).unwrap().members(),
        &set("alice bob carol")
    );
}
