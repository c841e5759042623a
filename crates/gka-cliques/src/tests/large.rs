//! The largest session that must work: 512 members.

use std::collections::VecDeque;
use std::sync::Arc;

use concilium_core::testing::rng;
use concilium_core::{Context, PacketId, Time};
use concilium_gka::{AssociatedData, GroupKeyAgreement as _, Operation as _, Progress, Success};

use super::*;
use crate::{Operation, State};

const MEMBERS: usize = 512;

struct Person {
    gka: Cliques,
    operation: Option<Operation>,
    outcome: Option<Success<State>>,
}

#[test]
fn c1_c3_establishment_and_refresh_of_512() {
    let known: Arc<dyn concilium_gka::Directory> = Arc::new(directory(MEMBERS));
    let mut people: Vec<Person> = (0..MEMBERS)
        .map(|i| Person {
            gka: Cliques::new(identity(i), Arc::clone(&known)),
            operation: None,
            outcome: None,
        })
        .collect();
    let mut random = rng::seeded(512);
    let mut cx = Context::new(Time::ZERO, &mut random);
    let session = concilium_core::SessionName::new("tea").unwrap();
    let mut data = AssociatedData {
        session: session.clone(),
        suite: format!("{}/none", crate::SUITE),
        parent: PacketId::from_bytes([1; 32]),
        chain: concilium_core::ChainHash::from_bytes([0; 32]),
        latest: Vec::new(),
        before: names([0]),
        after: names(0..MEMBERS),
    };
    for by in [0, MEMBERS - 1] {
        let state = people[by].outcome.take();
        let state = state.as_ref().map(|outcome| &outcome.state);
        let (packet, proposal) = people[by].gka.propose(state, data.clone(), &mut cx).unwrap();
        let mut proposal = Some(proposal);
        people[by].outcome = state.map(|state| Success {
            state: people[by]
                .gka
                .restore_state(&concilium_gka::Export::export(state))
                .unwrap(),
            keys: people[0].outcome.as_ref().unwrap().keys.clone(),
        });
        let mut queue = VecDeque::from([(by, packet)]);
        let mut serial = 0_u64;
        while let Some((from, packet)) = queue.pop_front() {
            // Opened once for all: that each member verifies each packet is the same work 512 times.
            let opened = people[0]
                .gka
                .open(&session, &name(from), &packet)
                .unwrap()
                .into_parts();
            let opened = (opened.0, opened.1, opened.2.0);
            serial += 1;
            let id = PacketId::from_bytes([by as u8; 32]);
            for (who, person) in people.iter_mut().enumerate() {
                let progress = if serial == 1 {
                    let state = person.outcome.as_ref().map(|outcome| &outcome.state);
                    let ours = proposal.take_if(|_| who == by);
                    let started = person
                        .gka
                        .accept(state, ours, id, reopened(&opened), &mut cx)
                        .unwrap();
                    person.operation = Some(started.operation);
                    started.progress
                } else {
                    person
                        .operation
                        .as_mut()
                        .unwrap()
                        .receive(reopened(&opened), &mut cx)
                        .unwrap()
                };
                match progress {
                    Progress::Finished(outcome) => person.outcome = Some(*outcome),
                    Progress::Continue(packets) => {
                        queue.extend(packets.into_iter().map(|packet| (who, packet)))
                    }
                    Progress::Ignored => panic!("nothing is sent twice"),
                }
            }
        }
        let first = &people[0].outcome.as_ref().unwrap().keys;
        for person in &people {
            let keys = &person.outcome.as_ref().unwrap().keys;
            assert!(keys.secret == first.secret && keys.verifying.len() == MEMBERS);
        }
        data.before = names(0..MEMBERS);
    }
}
