//! Operations by whoever has no say, and upon oneself.

use concilium_core::testing::rng::seeded;
use concilium_core::{Change, Context, MemberId, MemberSet};
use concilium_gka::{AssociatedData, Role};
use concilium_session::{ActionError, Event, Output, WarningKind};

use crate::common::{Net, id, set};
use crate::{
    MINUTE, change, copy, group, members, packet_of, proposal, read_proposal, same, show, signed_by, warned,
};

/// Alice and Bob in a session; Carol was in it; Dave is in the channel and waits.
fn with_a_former_member() -> Net {
    let mut net = group(3, 1, 23);
    change(&mut net, "alice", Change::exclude([id("carol")]));
    net.run(MINUTE * 2).unwrap();
    for who in ["carol", "dave"] {
        net.command(&id(who), |session, cx| session.join(cx))
            .unwrap()
            .unwrap();
        net.settle().unwrap();
    }
    assert_eq!(net.channel().members(), &set("alice bob carol dave"));
    net
}

/// Every change that there is among these, from every set of members that somebody might claim to start from.
fn claims(data: &AssociatedData, author: &str) -> Vec<AssociatedData> {
    let all: Vec<MemberId> = ["alice", "bob", "carol", "dave"].map(id).to_vec();
    let sets = || {
        (1..16_usize).map(|mask| -> MemberSet {
            let chosen = (0..4).filter(|i| mask & (1 << i) != 0);
            chosen.map(|i| all[i].clone()).collect()
        })
    };
    let mut claims = Vec::new();
    for before in sets() {
        for after in sets() {
            let with_author = before.contains(&id(author)) && after.contains(&id(author));
            if with_author || before == data.before {
                let before = before.clone();
                claims.push(AssociatedData {
                    before,
                    after,
                    ..data.clone()
                });
            }
        }
    }
    claims
}

/// They know everything that a member knows of the chain, and sign as themselves.
#[test]
fn a23_no_outsider_starts_ends_or_continues_anything() {
    let mut net = with_a_former_member();
    let genuine = [
        proposal(&net, "alice", Change::refresh()),
        proposal(&net, "alice", Change::exclude([id("bob")])),
        proposal(&net, "alice", Change::include([id("dave")])),
    ];
    let genuine = genuine.map(|packet| read_proposal(&net, "alice", &packet));
    let mut tried = 0;
    for running in [false, true] {
        if running {
            change(&mut net, "alice", Change::include([id("dave")]));
            net.deliver_next().unwrap();
        }
        let initial = net
            .session(&id("alice"))
            .unwrap()
            .operation()
            .map(|operation| operation.initial);
        for outsider in ["carol", "dave"] {
            if running && outsider == "dave" {
                continue; // He is of M now: he may abort (O-11).
            }
            let mut packets = Vec::new();
            for (data, payload) in &genuine {
                for claim in claims(data, outsider) {
                    packets.push(signed_by(&net, outsider, Role::Initial(claim), payload.clone()));
                }
                if let Some(initial) = initial {
                    packets.push(signed_by(
                        &net,
                        outsider,
                        Role::Later { initial },
                        payload.clone(),
                    ));
                    packets.push(signed_by(&net, outsider, Role::Abort { initial }, Vec::new()));
                }
            }
            if let Some(initial) = initial {
                let abort = concilium_gka::GroupKeyAgreement::abort(
                    net.session(&id(outsider)).unwrap().gka(),
                    net.session(&id(outsider)).unwrap().name(),
                    initial,
                );
                packets.push(concilium_core::packet::frame(
                    concilium_core::packet::PacketKind::Operation,
                    &abort.unwrap(),
                ));
            }
            for who in ["alice", "bob"] {
                let before = net.session(&id(who)).unwrap().snapshot();
                for packet in &packets {
                    for from in ["alice", "bob", "carol", "dave"] {
                        let mut session = copy(&net, who);
                        let mut rng = seeded(1);
                        let event = packet_of(from, packet.clone());
                        session.handle(event, &mut Context::new(net.now(), &mut rng));
                        for output in session.drain().unsaved() {
                            assert!(
                                matches!(output, Output::Event(Event::Skipped { .. })),
                                "{who}: {output:?}"
                            );
                        }
                        assert_eq!(session.snapshot(), before, "{who}, {outsider} as {from}");
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
    net.settle().unwrap();
    assert!(
        same(&net, &["alice", "bob", "dave"]),
        "and what a member began goes on"
    );
}

/// A member of the session asks for what nobody may ask for.
#[test]
fn a23_t09_nobody_excludes_oneself_or_includes_who_is_in() {
    let mut net = group(3, 1, 24);
    net.command(&id("dave"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let bob = id("bob");
    let refused = net
        .command(&bob, |session, cx| {
            session.change(Change::exclude([id("bob")]), cx)
        })
        .unwrap();
    assert!(matches!(refused, Err(ActionError::ExcludeSelf)), "{refused:?}");
    for member in ["alice", "bob", "carol"] {
        let refused = net
            .command(&bob, |session, cx| {
                session.change(Change::include([id(member)]), cx)
            })
            .unwrap();
        assert!(matches!(refused, Err(ActionError::Change(_))), "{refused:?}");
    }

    // By hand, with his own signature, the payload of a genuine proposal and the right place in the chain.
    let (data, payload) = read_proposal(
        &net,
        "bob",
        &proposal(&net, "bob", Change::exclude([id("carol")])),
    );
    let without = |name: &str| data.before.minus(&set(name));
    let before = net.session(&id("alice")).unwrap().chain();
    let claim = AssociatedData {
        after: without("bob"),
        ..data.clone()
    };
    let oneself = signed_by(&net, "bob", Role::Initial(claim), payload);
    let mut session = copy(&net, "alice");
    session.handle_timeout(&mut Context::new(net.now(), &mut seeded(3)));
    let snapshot = session.snapshot();
    session.handle(
        packet_of("bob", oneself.clone()),
        &mut Context::new(net.now(), &mut seeded(3)),
    );
    let _ = session.drain().unsaved().count();
    assert_eq!(session.snapshot(), snapshot);
    for who in ["alice", "bob", "carol"] {
        show(&mut net, who, packet_of("bob", oneself.clone()));
    }
    // The same payload would do to include Carol, had she not been in: of two members and one who comes.
    let swap = Change {
        include: set("dave"),
        exclude: set("carol"),
    };
    let (_, payload) = read_proposal(&net, "bob", &proposal(&net, "bob", swap));
    let claim = AssociatedData {
        before: without("carol"),
        after: data.before.clone(),
        ..data.clone()
    };
    let again = signed_by(&net, "bob", Role::Initial(claim), payload);
    for who in ["alice", "carol"] {
        show(&mut net, who, packet_of("bob", again.clone()));
    }
    net.run(MINUTE * 5).unwrap();
    for who in ["alice", "carol"] {
        assert_eq!(members(&net, who), set("alice bob carol").to_string(), "{who}");
        assert_eq!(net.session(&id(who)).unwrap().chain(), before, "{who}");
        // Claiming other members than there are is what no honest member does.
        assert_eq!(
            warned(&net, who),
            [WarningKind::InconsistentHistory].into(),
            "{who}"
        );
        let accused = net
            .session(&id(who))
            .unwrap()
            .warnings()
            .iter()
            .all(|warning| warning.members == set("bob"));
        assert!(accused, "{who}");
    }
    change(&mut net, "alice", Change::refresh());
    net.settle().unwrap();
    assert!(same(&net, &["alice", "bob", "carol"]), "nothing is blocked");
}
