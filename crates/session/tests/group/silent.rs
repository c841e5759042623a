//! Members who hold up operations, and packets of operations that are lost, bent or late.

use concilium_core::Change;
use concilium_core::channel::ChannelEvent;

use crate::common::{Net, id};
use crate::{MINUTE, NAMES, all_talk, change, group, is_operation, same, show};

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    Bent,
    Late,
    /// And nothing comes from its sender from then on.
    Silent,
}

/// Plays an operation with one of its packets meeting its fate; false if it has no such packet. Tells who
/// sent it.
fn play(net: &mut Net, number: usize, fate: Fate) -> Option<String> {
    let mut seen = 0;
    loop {
        let position = net.channel().first_pending()?;
        let mut hit = Vec::new();
        if let Some((from, bytes)) = operation_at(net, position) {
            if seen == number {
                for name in NAMES
                    .iter()
                    .filter(|name| net.channel().is_next(&id(name), position))
                    .copied()
                    .collect::<Vec<_>>()
                {
                    let _ = net.channel_mut().take(&id(name));
                    hit.push(name);
                }
                let mut event = ChannelEvent::Packet {
                    from: from.clone(),
                    bytes,
                };
                match fate {
                    Fate::Lost => {}
                    Fate::Silent => net.channel_mut().drop_from(&from, usize::MAX / 2),
                    Fate::Bent | Fate::Late => {
                        if fate == Fate::Late {
                            net.run(MINUTE * 3).unwrap();
                        } else if let ChannelEvent::Packet { bytes, .. } = &mut event {
                            let middle = bytes.len() / 2;
                            bytes[middle] ^= 4;
                        }
                        for name in hit {
                            show(net, name, event.clone());
                        }
                    }
                }
                return Some(from.to_string());
            }
            seen += 1;
        }
        net.deliver_next().unwrap();
    }
}

/// The packet of an operation that the server has at this place.
fn operation_at(net: &Net, position: u64) -> Option<(concilium_core::MemberId, Vec<u8>)> {
    let packet = net
        .channel()
        .packets()
        .iter()
        .find(|packet| packet.position == Some(position))?;
    is_operation(&packet.bytes).then(|| (packet.from.clone(), packet.bytes.clone()))
}

#[test]
fn a28_o11_t14_every_packet_of_an_operation_is_lost_bent_late_or_its_senders_last() {
    type Wanted = (&'static str, fn() -> Change);
    let wanted: [Wanted; 4] = [
        ("include", || Change::include([id("dave"), id("erin")])),
        ("exclude", || Change::exclude([id("carol")])),
        ("refresh", Change::refresh),
        ("mixture", || Change {
            include: [id("dave")].into_iter().collect(),
            exclude: [id("carol")].into_iter().collect(),
        }),
    ];
    let mut met = Vec::new();
    for (what, wanted) in wanted {
        for fate in [Fate::Lost, Fate::Bent, Fate::Late, Fate::Silent] {
            for number in 0.. {
                let mut net = group(3, 2, 28 + number as u64);
                change(&mut net, "alice", wanted());
                let Some(sender) = play(&mut net, number, fate) else {
                    met.push(number);
                    break;
                };
                let case = format!("{what}: packet {number} of {sender} is {fate:?}");
                net.run(MINUTE * 15).unwrap();
                let honest: Vec<&str> = ["alice", "bob"]
                    .into_iter()
                    .filter(|name| *name != sender || fate != Fate::Silent)
                    .collect();
                for who in &honest {
                    let session = net.session(&id(who)).unwrap();
                    assert_eq!(session.operation(), None, "{case}: {who} is held up");
                    assert!(
                        session.members().is_superset_of(&honest),
                        "{case}: {who} sees {}",
                        session.members()
                    );
                    let accused: Vec<_> = session
                        .warnings()
                        .ever()
                        .iter()
                        .filter(|kind| kind.severity() == concilium_session::Severity::Security)
                        .collect();
                    assert!(accused.is_empty(), "{case}: {who} is told {accused:?}");
                }
                assert!(same(&net, &honest), "{case}");
                // Whoever is silent can be put out, without a packet of theirs.
                if fate == Fate::Silent
                    && net
                        .session(&id(honest[0]))
                        .unwrap()
                        .members()
                        .contains(&id(&sender))
                {
                    change(&mut net, honest[0], Change::exclude([id(&sender)]));
                    net.run(MINUTE * 5).unwrap();
                    assert!(
                        !net.session(&id(honest[0]))
                            .unwrap()
                            .members()
                            .contains(&id(&sender)),
                        "{case}"
                    );
                    assert!(same(&net, &honest), "{case}: without {sender}");
                }
                if honest.len() > 1 {
                    all_talk(&mut net, &honest, &case);
                }
            }
        }
    }
    // An initial packet, the upflow, the downflow, and what each member confirms; one packet where nobody
    // comes.
    assert!(
        met[0] >= 5 && met[4] == 1 && met[8] == 1 && met[12] >= 3,
        "{met:?}"
    );
}

trait Superset {
    fn is_superset_of(&self, names: &[&str]) -> bool;
}

impl Superset for concilium_core::MemberSet {
    fn is_superset_of(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.contains(&id(name)))
    }
}

/// Each member in turn says nothing from the first packet on: the operation ends at its deadline, the session
/// goes on.
#[test]
fn a28_k10_each_member_in_turn_is_silent_through_an_operation_and_can_be_put_out() {
    for silent in ["bob", "carol", "dave"] {
        let mut net = group(3, 1, 31);
        net.channel_mut().drop_from(&id(silent), usize::MAX / 2);
        change(&mut net, "alice", Change::include([id("dave")]));
        net.run(MINUTE * 3).unwrap();
        let others: Vec<&str> = ["alice", "bob", "carol"]
            .into_iter()
            .filter(|name| *name != silent)
            .collect();
        for who in &others {
            assert_eq!(
                net.session(&id(who)).unwrap().operation(),
                None,
                "{silent} holds {who} up"
            );
        }
        assert!(same(&net, &others), "{silent}");
        all_talk(&mut net, &others, &format!("silence of {silent}"));
        if silent != "dave" {
            change(&mut net, others[0], Change::exclude([id(silent)]));
            net.run(MINUTE * 5).unwrap();
            assert!(same(&net, &others), "without {silent}");
            assert!(!net.channel().members().contains(&id(silent)));
            change(&mut net, others[0], Change::include([id("dave")]));
            net.run(MINUTE).unwrap();
            assert!(
                net.session(&id("dave")).unwrap().members().contains(&id("dave")),
                "and operations succeed again"
            );
        }
    }
}
