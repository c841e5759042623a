//! O-12: what the session's policy forbids comes to nothing, for members and for those who wait.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code, its helpers too"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Net, Talk, establish, id, set};
use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::{Change, SessionName, packet};
use concilium_session::{
    ActionError, ActionOutcome, ActionStage, Event, Forbidden, Moderators, Policy, ProposalFacts,
    RejectionCause, SessionState, Settings, WarningKind,
};
use concilium_testkit::network::{Conduct, Happening};

const NAMES: [&str; 5] = ["alice", "amy", "bob", "carol", "dave"];

fn moderated() -> Settings {
    let mut settings = Settings::default();
    settings.policy = Arc::new(Moderators::new([id("alice"), id("amy")]));
    settings
}

fn network(settings: Settings, restart_always: bool) -> Net {
    let conduct = Conduct {
        restart_always,
        ..Conduct::default()
    };
    Net::of(
        NAMES.map(id).to_vec(),
        SessionName::new("s").unwrap(),
        settings,
        12,
        conduct,
    )
}

fn join(net: &mut Net, who: &str) {
    net.command(&id(who), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
}

fn change(net: &mut Net, who: &str, change: Change) -> Result<(), ActionError> {
    let asked = net.command(&id(who), |session, cx| session.change(change, cx));
    asked.unwrap().map(|_| ())
}

fn run(net: &mut Net, seconds: u64) {
    net.run(Duration::from_secs(seconds)).unwrap();
}

/// What `who` was told since the last call.
fn told(net: &mut Net) -> Vec<(String, Event)> {
    let records = net.take_records();
    let told = records.into_iter().filter_map(|record| match record.what {
        Happening::Told { member, event } => Some((member.to_string(), event)),
        _ => None,
    });
    told.collect()
}

fn assert_together(net: &Net, members: &str) {
    let first = net.session(&id(members.split(' ').next().unwrap())).unwrap();
    for who in members.split(' ') {
        let session = net.session(&id(who)).unwrap();
        assert_eq!(*session.members(), set(members), "as {who} sees it");
        assert_eq!(session.chain(), first.chain(), "{who}");
        assert!(session.subsession().is_some(), "{who}");
        assert_eq!(session.subsession(), first.subsession(), "{who}");
    }
}

fn assert_never_warned(net: &Net) {
    let running = NAMES.into_iter().filter(|who| net.session(&id(who)).is_ok());
    for who in running {
        let ever = net.session(&id(who)).unwrap().warnings().ever();
        assert!(ever.is_empty(), "{who}: {ever:?}");
    }
}

#[test]
fn o12_what_is_forbidden_to_us_is_refused_at_once_and_changes_nothing() {
    let mut net = network(moderated(), false);
    establish(&mut net, "alice", "bob carol");
    run(&mut net, 60);
    net.command(&id("bob"), |session, cx| session.handle_timeout(cx))
        .unwrap(); // It knows what time it is.
    let before = net.session(&id("bob")).unwrap().snapshot();
    net.take_records();
    for forbidden in [
        Change::include([id("dave")]),
        Change::exclude([id("carol")]),
        Change::exclude([id("alice")]),
        Change::include([id("amy")]),
    ] {
        let error = change(&mut net, "bob", forbidden).unwrap_err();
        assert!(matches!(error, ActionError::Forbidden(_)), "{error:?}");
        assert_eq!(error.word(), "forbidden");
        assert!(
            error.to_string().contains("alice amy"),
            "it says whom to ask: {error}"
        );
    }
    assert_eq!(net.session(&id("bob")).unwrap().snapshot(), before);
    assert!(net.take_records().is_empty());
    change(&mut net, "bob", Change::refresh()).unwrap();
    run(&mut net, 60);
    assert_together(&net, "alice bob carol");
    assert_never_warned(&net);
}

/// What `who` sends to the channel to propose this.
fn proposed(net: &mut Net, who: &str, wanted: Change) -> Vec<u8> {
    net.take_records();
    change(net, who, wanted).unwrap();
    let sent = net
        .take_records()
        .into_iter()
        .find_map(|record| match record.what {
            Happening::Asked {
                action: ChannelAction::Send { bytes },
                ..
            } => Some(bytes),
            _ => None,
        });
    sent.expect("it is proposed at once")
}

/// The packet by which Bob includes Dave, in a session that goes the same way under no policy.
fn forbidden_packet() -> Vec<u8> {
    let mut net = network(Settings::default(), false);
    establish(&mut net, "alice", "bob carol");
    run(&mut net, 60);
    join(&mut net, "dave");
    proposed(&mut net, "bob", Change::include([id("dave")]))
}

#[test]
fn a49_o12_o07_a_forbidden_proposal_starts_nothing_and_uses_no_parent_up() {
    let packet = forbidden_packet();
    for restart_always in [false, true] {
        let mut net = network(moderated(), restart_always);
        establish(&mut net, "alice", "bob carol");
        run(&mut net, 60);
        join(&mut net, "dave");
        net.take_records();
        let chain = net.session(&id("alice")).unwrap().chain();

        let now = net.now();
        net.channel_mut().forge(&id("bob"), packet.clone(), now);
        net.settle().unwrap();
        let told = told(&mut net);
        for who in ["alice", "bob", "carol", "dave"] {
            let theirs: Vec<_> = told.iter().filter(|(to, _)| to == who).collect();
            let [(_, Event::ProposalForbidden { by, change, why })] = theirs[..] else {
                panic!("{who} is told of it, and of nothing else: {theirs:?}")
            };
            assert_eq!(*by, id("bob"));
            assert_eq!(*change, Change::include([id("dave")]));
            assert!(why.contains("moderators"), "{why}");
            assert!(net.session(&id(who)).unwrap().operation().is_none(), "{who}");
        }
        assert_eq!(net.session(&id("alice")).unwrap().chain(), chain);
        assert_eq!(net.session(&id("dave")).unwrap().state(), SessionState::Joining);

        // It continues from the same parent, which Dave has not taken for used.
        change(&mut net, "alice", Change::include([id("dave")])).unwrap();
        net.settle().unwrap();
        assert_together(&net, "alice bob carol dave");
        run(&mut net, 120);
        net.talk("dave", "in");
        net.settle().unwrap();
        assert_eq!(net.log("carol"), ["in"]);
        assert_never_warned(&net);
    }
}

/// The packet by which Bob includes Carol in a session that he has founded.
fn founders_packet() -> Vec<u8> {
    let mut net = network(Settings::default(), false);
    join(&mut net, "bob");
    join(&mut net, "carol");
    proposed(&mut net, "bob", Change::include([id("carol")]))
}

/// A founder goes over to somebody else's session that includes it; but not on the word of someone who may
/// not include.
#[test]
fn a49_o12_a_forbidden_proposal_takes_nobody_out_of_their_session() {
    let mut net = network(moderated(), false);
    join(&mut net, "carol");
    net.command(&id("carol"), |session, cx| {
        session.handle(ChannelEvent::MemberEntered { member: id("bob") }, cx);
        session.handle(
            ChannelEvent::Packet {
                from: id("bob"),
                bytes: founders_packet(),
            },
            cx,
        );
    })
    .unwrap();
    let carol = net.session(&id("carol")).unwrap();
    assert_eq!(*carol.members(), set("carol"), "still in her own");
    assert!(carol.operation().is_none());
}

/// It shows who is a member all the same, and so whom to wait for.
#[test]
fn o12_t11_a_forbidden_proposal_tells_who_is_a_member() {
    let mut net = network(moderated(), false);
    let asked = net.command(&id("carol"), |session, cx| {
        session.join(cx).unwrap();
        let members = set("carol dave");
        session.handle(ChannelEvent::Entered { members }, cx);
        session.handle(ChannelEvent::MemberEntered { member: id("bob") }, cx);
        let bytes = founders_packet();
        session.handle(
            ChannelEvent::Packet {
                from: id("bob"),
                bytes,
            },
            cx,
        );
        session.handle(ChannelEvent::MemberLeft { member: id("dave") }, cx);
        let waits = session.state();
        session.handle(ChannelEvent::MemberLeft { member: id("bob") }, cx);
        (waits, session.state())
    });
    assert_eq!(asked.unwrap(), (SessionState::Joining, SessionState::Joined));
}

#[test]
fn o12_o10_members_of_different_policies_come_apart_and_are_warned() {
    let mut net = network(moderated(), false);
    for lax in ["bob", "dave"] {
        net.configure(&id(lax), Settings::default()).unwrap();
    }
    establish(&mut net, "alice", "bob carol");
    run(&mut net, 60);
    join(&mut net, "dave");
    net.take_records();
    change(&mut net, "bob", Change::include([id("dave")])).unwrap();
    net.settle().unwrap();
    let told = told(&mut net);
    let started: Vec<_> = told
        .iter()
        .filter(|(_, event)| matches!(event, Event::OperationStarted { .. }))
        .map(|(who, _)| who.as_str())
        .collect();
    assert_eq!(started, ["bob", "dave"]);
    for who in ["alice", "carol"] {
        assert!(net.session(&id(who)).unwrap().operation().is_none());
    }
    run(&mut net, 1200);
    for who in ["alice", "carol"] {
        assert_eq!(*net.session(&id(who)).unwrap().members(), set("alice bob carol"));
    }
    net.talk("bob", "here is my chain");
    net.talk("alice", "and mine");
    run(&mut net, 60);
    // Bob states another chain than theirs, and they state nothing about his.
    for (who, warning) in [
        ("alice", WarningKind::InconsistentHistory),
        ("carol", WarningKind::InconsistentHistory),
        ("bob", WarningKind::ChainUnconfirmed),
    ] {
        let ever = net.session(&id(who)).unwrap().warnings().ever();
        assert!(ever.contains(&warning), "{who}: {ever:?}");
    }
    // The moderator's word still counts for whoever follows the policy.
    change(&mut net, "alice", Change::exclude([id("bob")])).unwrap();
    run(&mut net, 300);
    assert_together(&net, "alice carol");
}

#[test]
fn o12_t04_the_last_moderator_leaves_and_nobody_is_stuck() {
    for restart_always in [false, true] {
        let mut net = network(moderated(), restart_always);
        establish(&mut net, "alice", "bob carol");
        run(&mut net, 60);
        net.crash(&id("alice")).unwrap();
        run(&mut net, 120);
        assert_together(&net, "bob carol");
        let error = change(&mut net, "bob", Change::exclude([id("carol")])).unwrap_err();
        assert_eq!(error.word(), "forbidden", "she is here");
        // The moderator comes back, and anybody may let her in.
        net.start(&id("alice")).unwrap();
        join(&mut net, "alice");
        change(&mut net, "carol", Change::include([id("alice")])).unwrap();
        run(&mut net, 60);
        assert_together(&net, "alice bob carol");
        assert_never_warned(&net);
    }
}

/// Carol leaves, and is back in the channel when the exclusion is delivered: it is forbidden to those who may
/// exclude the absent only. Nobody is stuck. The channel may show it again when she is out, and then it
/// counts.
#[test]
fn o12_t07_who_comes_back_before_the_exclusion_is_excluded_later() {
    for shown_again in [false, true] {
        let mut net = network(moderated(), false);
        establish(&mut net, "alice", "bob carol dave");
        run(&mut net, 60);
        net.crash(&id("alice")).unwrap();
        run(&mut net, 120);
        assert_together(&net, "bob carol dave");
        net.take_records();

        net.disconnect(&id("carol")).unwrap();
        net.command(&id("carol"), |session, cx| session.join(cx))
            .unwrap()
            .unwrap();
        let mut forbidden = 0;
        let mut proposal = None;
        let mut shown = false;
        for _ in 0..10_000 {
            for record in net.take_records() {
                match record.what {
                    Happening::Told {
                        event: Event::ProposalForbidden { by, change, .. },
                        ..
                    } => {
                        assert_eq!((by, change), (id("bob"), Change::exclude([id("carol")])));
                        forbidden += 1;
                    }
                    Happening::Asked {
                        by,
                        action: ChannelAction::Send { bytes },
                        ..
                    } if by == id("bob") && proposal.is_none() => proposal = Some(bytes),
                    _ => {}
                }
            }
            if shown_again && forbidden > 0 && !shown && !net.channel().members().contains(&id("carol")) {
                let now = net.now();
                net.channel_mut()
                    .forge(&id("bob"), proposal.clone().unwrap(), now);
                shown = true;
            }
            if !net.deliver_next().unwrap() {
                net.run(Duration::from_millis(100)).unwrap();
            }
        }
        assert!(forbidden >= 2, "Dave and Carol are told: {forbidden}");
        assert_eq!(shown, shown_again);
        assert_together(&net, "bob dave");
        let carol = net.session(&id("carol")).unwrap();
        assert_eq!(carol.state(), SessionState::Joining);
        assert_never_warned(&net);
    }
}

/// Of two who are gone, one is back: both go in one operation, once both are out. One that would keep her
/// could only fail.
#[test]
fn o12_t07_whoever_is_back_is_put_out_before_the_others_are_excluded() {
    let mut settings = moderated();
    settings.stay_if_last = true; // T-13
    let mut net = network(settings, false);
    establish(&mut net, "alice", "bob carol dave");
    run(&mut net, 60);
    net.crash(&id("alice")).unwrap();
    run(&mut net, 120);
    net.take_records();
    net.disconnect(&id("carol")).unwrap();
    net.disconnect(&id("dave")).unwrap();
    join(&mut net, "carol");
    run(&mut net, 300);
    assert_eq!(*net.session(&id("bob")).unwrap().members(), set("bob"));
    assert_eq!(net.session(&id("carol")).unwrap().state(), SessionState::Joining);
    let proposals = net
        .take_records()
        .into_iter()
        .filter(|record| match &record.what {
            Happening::Asked {
                action: ChannelAction::Send { bytes },
                ..
            } => matches!(packet::read(bytes), Ok((packet::PacketKind::Operation, _))),
            _ => false,
        });
    assert_eq!(proposals.count(), 2, "one is forbidden, the next counts, at once");
    assert_never_warned(&net);
}

#[test]
fn o12_t01_duties_are_left_to_those_who_may() {
    let mut settings = moderated();
    settings.auto_include = true;
    let mut net = network(settings, false);
    join(&mut net, "bob");
    join(&mut net, "carol");
    run(&mut net, 60);
    assert_eq!(*net.session(&id("bob")).unwrap().members(), set("bob"));
    assert_eq!(net.session(&id("carol")).unwrap().state(), SessionState::Joining);
    // The moderator is let in by whoever is there, and lets the others in.
    join(&mut net, "alice");
    run(&mut net, 120);
    assert_together(&net, "alice bob carol");
    for (who, event) in told(&mut net) {
        let forbidden = matches!(
            event,
            Event::ProposalForbidden { .. } | Event::ProposalRejected { .. }
        );
        assert!(!forbidden, "{who}: {event:?}");
    }
    assert_never_warned(&net);
}

#[test]
fn o12_t11_an_heir_waits_for_someone_who_may_include_it() {
    let mut net = network(moderated(), false);
    for who in ["dave", "bob", "carol", "alice"] {
        join(&mut net, who);
    }
    net.crash(&id("dave")).unwrap();
    run(&mut net, 120);
    assert_together(&net, "alice bob");
    assert_eq!(net.session(&id("carol")).unwrap().state(), SessionState::Joining);
    change(&mut net, "alice", Change::include([id("carol")])).unwrap();
    run(&mut net, 60);
    assert_together(&net, "alice bob carol");
}

/// Nobody but Alice may do anything, not even refresh.
struct AliceAlone;

impl Policy for AliceAlone {
    fn name(&self) -> String {
        "alice alone".to_owned()
    }

    fn allows(&self, proposal: &ProposalFacts<'_>) -> Result<(), Forbidden> {
        if *proposal.author == id("alice") {
            Ok(())
        } else {
            Err(Forbidden::because("ask Alice"))
        }
    }
}

#[test]
fn o12_c11_a_refresh_that_is_forbidden_is_not_proposed() {
    let mut settings = Settings::default();
    settings.policy = Arc::new(AliceAlone);
    settings.refresh_after = Some(Duration::from_secs(600));
    let mut net = network(settings, false);
    establish(&mut net, "alice", "bob carol");
    net.take_records();
    run(&mut net, 3600);
    let starts: Vec<_> = told(&mut net)
        .into_iter()
        .filter_map(|(_, event)| match event {
            Event::OperationStarted { by, .. } | Event::ProposalForbidden { by, .. } => Some(by),
            _ => None,
        })
        .collect();
    assert!(!starts.is_empty(), "Alice refreshes, when hers is the oldest");
    assert!(starts.iter().all(|by| *by == id("alice")), "{starts:?}");
    // The exclusion of the absent is nothing to forbid.
    net.crash(&id("alice")).unwrap();
    run(&mut net, 120);
    assert_together(&net, "bob carol");
}

/// Bob lets in whom he likes, others only while they are three at least.
struct Quorum;

impl Policy for Quorum {
    fn name(&self) -> String {
        "quorum".to_owned()
    }

    fn allows(&self, proposal: &ProposalFacts<'_>) -> Result<(), Forbidden> {
        let enough = *proposal.author == id("bob") || proposal.before.len() >= 3;
        if enough || proposal.change().include.is_empty() {
            Ok(())
        } else {
            Err(Forbidden::because("too few to let somebody in; ask Bob"))
        }
    }
}

/// What may be done alone, and not together with a duty: the duty comes first.
#[test]
fn o12_t04_the_absent_are_excluded_before_what_that_makes_forbidden() {
    let mut settings = Settings::default();
    settings.policy = Arc::new(Quorum);
    let mut net = network(settings, false);
    establish(&mut net, "bob", "carol dave");
    run(&mut net, 60);
    join(&mut net, "amy");
    net.disconnect(&id("dave")).unwrap();
    // Carol knows that he has left, and Bob not yet.
    net.deliver_next_to(&id("carol")).unwrap();
    proposed(&mut net, "carol", Change::include([id("amy")]));
    net.settle().unwrap();
    assert_together(&net, "bob carol");
    let settled = told(&mut net).into_iter().any(|(who, event)| {
        let outcome = match event {
            Event::Action {
                stage: ActionStage::Settled(outcome),
                ..
            } => Some(outcome),
            _ => None,
        };
        who == "carol"
            && matches!(
                outcome,
                Some(ActionOutcome::Rejected(RejectionCause::Forbidden(_)))
            )
    });
    assert!(settled);
    assert_never_warned(&net);
}

#[test]
fn o12_t14_an_action_that_comes_to_be_forbidden_is_settled() {
    let mut net = network(moderated(), false);
    establish(&mut net, "alice", "bob carol");
    run(&mut net, 60);
    net.crash(&id("amy")).unwrap();
    net.crash(&id("alice")).unwrap();
    run(&mut net, 120);
    assert_together(&net, "bob carol");
    // Nobody moderates: Bob may ask Amy in. Alice is faster, and from then on he may not.
    change(&mut net, "bob", Change::include([id("amy")])).unwrap();
    net.settle().unwrap();
    net.start(&id("alice")).unwrap();
    join(&mut net, "alice");
    change(&mut net, "carol", Change::include([id("alice")])).unwrap();
    net.take_records();
    net.settle().unwrap();
    assert_together(&net, "alice bob carol");
    let settled: Vec<_> = told(&mut net)
        .into_iter()
        .filter_map(|(who, event)| match event {
            Event::Action {
                stage: ActionStage::Settled(outcome),
                ..
            } if who == "bob" => Some(outcome),
            _ => None,
        })
        .collect();
    assert!(
        matches!(
            settled[..],
            [ActionOutcome::Rejected(RejectionCause::Forbidden(_))]
        ),
        "{settled:?}"
    );
}

#[test]
fn o12_a_snapshot_comes_back_under_its_policy_only() {
    let mut net = network(moderated(), false);
    establish(&mut net, "alice", "bob carol");
    let snapshot = net.session(&id("bob")).unwrap().snapshot();
    let mut copy = net.copy(&id("bob"), &snapshot).unwrap();
    let mut rng = concilium_core::testing::rng::seeded(3);
    let mut cx = concilium_core::Context::new(net.now(), &mut rng);
    let error = copy.change(Change::include([id("dave")]), &mut cx).unwrap_err();
    assert_eq!(error.word(), "forbidden");
    let mut others = moderated();
    others.policy = Arc::new(Moderators::new([id("bob")]));
    for other in [Settings::default(), others] {
        net.configure(&id("bob"), other).unwrap();
        net.copy(&id("bob"), &snapshot).unwrap_err();
    }
    net.configure(&id("bob"), moderated()).unwrap();
    net.copy(&id("bob"), &snapshot).unwrap();
}
