//! A-06, C-10: a key agreement that gives one member a bad share, by one packet.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Talk, id, set, trio_over};
use concilium_core::{Change, Context, PacketId};
use concilium_encryptor::DefaultEncryptor;
use concilium_gka::{
    Directory, Failure, GroupKeyAgreement, Identity, Opened, Progress, Reason, ReceiveError, Started,
};
use concilium_gka_cliques::Cliques;
use concilium_session::{SendError, SessionState, WarningKind};
use concilium_testkit::network::Network;

/// The default, but that whatever operation of one packet Bob accepts gives him a share that does not fit.
#[derive(Debug)]
struct Unfair(Cliques);

fn unfair(identity: Identity, directory: Arc<dyn Directory>) -> Unfair {
    Unfair(Cliques::new(identity, directory))
}

type Whole = Cliques;

impl GroupKeyAgreement for Unfair {
    type State = <Whole as GroupKeyAgreement>::State;
    type Proposal = <Whole as GroupKeyAgreement>::Proposal;
    type Payload = <Whole as GroupKeyAgreement>::Payload;
    type Operation = <Whole as GroupKeyAgreement>::Operation;

    concilium_gka::forward!(
        0: suite, me, propose, abort, open, ages, restore_state, restore_proposal, restore_operation
    );

    fn accept(
        &self,
        state: Option<&Self::State>,
        proposal: Option<Self::Proposal>,
        id: PacketId,
        initial: Opened<Self::Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self::Operation, Self::State>, ReceiveError> {
        let culprit = Some(initial.author().clone());
        let started = self.0.accept(state, proposal, id, initial, cx)?;
        if matches!(started.progress, Progress::Finished(_)) && self.me().as_bytes() == b"bob" {
            return Err(ReceiveError::Failed(Failure {
                culprit,
                reason: Reason::KeyMismatch,
                ends: true,
            }));
        }
        Ok(started)
    }
}

/// Carol includes Bob, who says that he is back.
fn is_taken_in_again(net: &mut Network<Unfair, DefaultEncryptor>) {
    net.command(&id("carol"), |session, cx| {
        session.change(Change::include(set("bob")), cx)
    })
    .unwrap()
    .unwrap();
    net.settle().unwrap();
    net.talk("bob", "back");
    net.settle().unwrap();
}

#[test]
fn a06_the_victim_of_a_bad_share_knows_and_says_so_and_can_come_back() {
    let mut net = trio_over(unfair, 1);
    net.talk("carol", "before");
    net.settle().unwrap();
    net.command(&id("alice"), |session, cx| session.change(Change::refresh(), cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();

    // The victim knows who did it, and keeps to the same chain as everyone.
    let bob = net.session(&id("bob")).unwrap();
    let warnings: Vec<_> = bob
        .warnings()
        .iter()
        .map(|warning| (warning.kind, warning.members.clone()))
        .collect();
    assert_eq!(warnings, [(WarningKind::BadShare, set("alice"))]);
    assert_eq!(bob.chain(), net.session(&id("carol")).unwrap().chain());
    assert_eq!(bob.members(), &set("alice bob carol"));
    let said = net
        .command(&id("bob"), |session, cx| session.send(b"?", cx))
        .unwrap();
    assert_eq!(said, Err(SendError::NoKeys));
    // What came before stays readable.
    assert_eq!(net.log("bob"), ["before"]);

    // The others hear of it, by name.
    for who in ["alice", "carol"] {
        let session = net.session(&id(who)).unwrap();
        let about: Vec<_> = session
            .warnings()
            .iter()
            .map(|warning| (warning.kind, warning.members.clone()))
            .collect();
        assert_eq!(about, [(WarningKind::BadShare, set("bob"))], "{who}");
        // Which does not say that bob did it.
        let line = session.warnings().iter().next().unwrap().to_string();
        assert!(
            line.ends_with("bob gave them out, or got them and says so"),
            "{line}"
        );
    }

    // Bob leaves and is taken in again, by an operation of several packets.
    net.command(&id("bob"), |session, cx| session.part(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    is_taken_in_again(&mut net);
    assert_eq!(net.log("alice"), ["before", "back"]);
}

#[test]
fn t17_the_victim_of_a_bad_share_comes_back_by_itself() {
    let mut net = trio_over(unfair, 2);
    net.command(&id("alice"), |session, cx| session.change(Change::refresh(), cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    assert_eq!(
        net.session(&id("bob")).unwrap().members(),
        &set("alice bob carol")
    );
    net.run(Duration::from_secs(240)).unwrap();
    assert_eq!(net.session(&id("bob")).unwrap().state(), SessionState::Joining);
    is_taken_in_again(&mut net);
    assert_eq!(net.log("alice"), ["back"]);
}
