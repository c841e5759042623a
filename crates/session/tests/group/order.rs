//! A server that shows different members different orders.

use concilium_core::channel::ChannelEvent;
use concilium_core::testing::rng::seeded;
use concilium_core::{Change, Context, MemberSet};
use concilium_session::{Severity, WarningKind};

use crate::common::{Net, Talk, id};
use crate::{
    MINUTE, NAMES, all_who_are_deceived_are_warned, chain, change, copy, group, is_operation, orders,
    packet_of, same, sent_by, show, subset, warned, withdraw,
};

const TRIO: [&str; 3] = ["alice", "bob", "carol"];

/// Two proposals and a message, which the server has and nobody else.
fn three_events(seed: u64) -> (Net, Vec<ChannelEvent>) {
    let mut net = group(3, 0, seed);
    change(&mut net, "alice", Change::refresh());
    change(&mut net, "bob", Change::refresh());
    net.talk("carol", "meanwhile");
    let events = TRIO.map(|who| withdraw(&mut net, who)).swap_remove_first();
    assert_eq!(events.len(), 3);
    (net, events)
}

trait First<T> {
    fn swap_remove_first(self) -> T;
}

impl<T, const N: usize> First<T> for [T; N] {
    fn swap_remove_first(self) -> T {
        self.into_iter().next().unwrap()
    }
}

/// All who stand at one place are together; whoever was led elsewhere is warned within four full-ack
/// intervals.
fn judge(net: &mut Net, shown_alike: bool, case: &str) {
    net.run(MINUTE * 4).unwrap();
    all_who_are_deceived_are_warned(net, &TRIO, case);
    let one = TRIO.iter().all(|who| chain(net, who) == chain(net, "alice"));
    if one {
        assert!(same(net, &TRIO), "{case}: one chain and not one session");
    }
    if shown_alike {
        assert!(one, "{case}");
        for who in TRIO {
            assert_eq!(warned(net, who), [].into(), "{case}: {who}");
        }
    }
}

#[test]
fn a24_o05_each_member_is_shown_another_order_of_two_proposals_and_a_message() {
    let all = orders(3);
    let mut split = 0;
    for (i, alices) in all.iter().enumerate() {
        for bobs in &all {
            for carols in &all {
                let (mut net, events) = three_events(i as u64);
                for (who, order) in TRIO.iter().zip([alices, bobs, carols]) {
                    for place in order {
                        show(&mut net, who, events[*place].clone());
                    }
                }
                let case = format!("{alices:?} {bobs:?} {carols:?}");
                // What is said between two operations changes nothing about them.
                let first = |order: &[usize]| order.iter().find(|place| **place < 2).copied();
                let alike = [bobs, carols].iter().all(|order| first(order) == first(alices));
                judge(&mut net, alike, &case);
                split += usize::from(!alike);
            }
        }
    }
    assert_eq!(split, 162, "three quarters of the orders differ");
}

#[test]
fn a24_a25_each_member_is_shown_some_of_two_proposals_and_a_message_some_twice() {
    for masks in 0..512_usize {
        if masks % 3 == 1 {
            continue; // A sample of two thirds.
        }
        let (mut net, events) = three_events(masks as u64);
        let mut alike = true;
        for (i, who) in TRIO.iter().enumerate() {
            let mask = (masks >> (3 * i)) & 7;
            alike &= mask & 3 == masks & 3;
            for (place, event) in events
                .iter()
                .enumerate()
                .filter(|(place, _)| mask & (1 << place) != 0)
            {
                let times = if (masks + place) % 5 == 0 { 2 } else { 1 };
                for _ in 0..times {
                    show(&mut net, who, event.clone());
                }
            }
        }
        // A proposal that nobody is shown is made again (T-14), so what is shown of the rest does not decide
        // alone.
        judge(&mut net, false, &format!("{masks:#o}"));
        if alike {
            assert!(
                TRIO.iter().all(|who| chain(&net, who) == chain(&net, "alice")),
                "{masks:#o}"
            );
        }
    }
}

/// An operation up to the event that ends it for everybody, which the server keeps.
fn up_to_the_end(inside: usize, joins: bool, seed: u64) -> (Net, ChannelEvent) {
    let begin = || {
        let mut net = group(inside, usize::from(joins), seed);
        let wanted = if joins {
            Change::include([id(NAMES[inside])])
        } else {
            Change::refresh()
        };
        change(&mut net, "alice", wanted);
        net
    };
    let mut dry = begin();
    let mut events = 0;
    while dry.deliver_next().unwrap() {
        events += 1;
    }
    let mut net = begin();
    for _ in 1..events {
        assert!(net.deliver_next().unwrap());
    }
    let who = &NAMES[..inside + usize::from(joins)];
    let last = who
        .iter()
        .map(|who| withdraw(&mut net, who))
        .fold(Vec::new(), |_, events| events);
    assert!(
        matches!(&last[..], [ChannelEvent::Packet { bytes, .. }] if is_operation(bytes)),
        "{last:?}"
    );
    (net, last.into_iter().next().unwrap())
}

#[test]
fn a25_m01_the_final_packet_reaches_every_subset() {
    let mut cases = 0;
    for n in 2..=4 {
        for joins in [true, false] {
            let inside = n - usize::from(joins);
            let old: Vec<&str> = NAMES[..inside].to_vec();
            for mask in 0..1 << n {
                let (mut net, last) = up_to_the_end(inside, joins, 25 + n as u64);
                let reached = subset(&NAMES[..n], mask);
                let missed = subset(&NAMES[..n], !mask);
                for who in &reached {
                    show(&mut net, who, last.clone());
                }
                let case = format!("{n}, joins {joins}, reached {reached:?}");
                for who in &reached {
                    let members: MemberSet = NAMES[..n].iter().map(|name| id(name)).collect();
                    assert_eq!(
                        net.session(&id(who)).unwrap().members(),
                        &members,
                        "{case}: it ended for {who}"
                    );
                }
                // M-1: what those say who missed it is still read by those who did not.
                let behind = missed
                    .iter()
                    .find(|who| old.contains(*who) && inside > 1)
                    .copied();
                if let Some(behind) = behind {
                    net.talk(behind, "still here");
                    net.settle().unwrap();
                    for who in &old {
                        assert!(
                            net.log(who).contains(&"still here".to_owned()),
                            "{case}: {who} reads it"
                        );
                    }
                }
                net.run(MINUTE * 4).unwrap();
                all_who_are_deceived_are_warned(&net, &NAMES[..n], &case);
                let split = !reached.is_empty() && !missed.is_empty();
                let kinds: Vec<_> = NAMES[..n].iter().map(|who| (*who, warned(&net, who))).collect();
                let warned: Vec<&str> = kinds
                    .iter()
                    .filter(|(_, kinds)| !kinds.is_empty())
                    .map(|(who, _)| *who)
                    .collect();
                if split {
                    assert!(!warned.is_empty(), "{case}");
                } else {
                    // Where the server kept it from everybody, the operation came to nothing for all.
                    let accuses = |kind: &WarningKind| kind.severity() == Severity::Security;
                    let accused = kinds.iter().any(|(_, kinds)| kinds.iter().any(accuses));
                    assert!(
                        !accused && (warned.is_empty() || reached.is_empty()),
                        "{case}: {kinds:?}"
                    );
                }
                // Whoever was in the session before and saw another end than others is warned, on either
                // side.
                let on = |side: &[&str]| side.iter().any(|who| old.contains(who));
                if on(&reached) && on(&missed) {
                    assert!(old.iter().all(|who| warned.contains(who)), "{case}: {warned:?}");
                }
                if !split && !old.is_empty() && (joins || !reached.is_empty()) {
                    let together = if reached.is_empty() { &old[..] } else { &NAMES[..n] };
                    assert!(together.len() < 2 || same(&net, together), "{case}");
                }
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 2 * (4 + 8 + 16));
}

/// An insider says something and says goodbye, neither after the other, and readers are shown them in
/// different orders.
#[test]
fn a35_data_beside_its_authors_finish_is_noticed_in_any_order() {
    let mut net = group(3, 0, 35);
    let now = net.now();
    let mut speaking = copy(&net, "alice");
    let mut parting = copy(&net, "alice");
    let said = speaking.send(b"beside", &mut Context::new(now, &mut seeded(1)));
    let said = said.unwrap();
    let data = sent_by(&mut speaking).remove(0);
    parting.part(&mut Context::new(now, &mut seeded(2))).unwrap();
    let finish = sent_by(&mut parting).remove(0);
    for (who, packets) in [("bob", [&data, &finish]), ("carol", [&finish, &data])] {
        for packet in packets {
            show(&mut net, who, packet_of("alice", packet.clone()));
        }
    }
    // Whoever has read the one first finds that alice goes two ways; whoever has read her goodbye takes
    // nothing more.
    assert!(net.session(&id("bob")).unwrap().message(&said).is_some());
    assert!(warned(&net, "bob").contains(&WarningKind::AuthorFork));
    assert!(net.session(&id("carol")).unwrap().message(&said).is_none());
    assert!(warned(&net, "carol").contains(&WarningKind::BadMessage));
}
