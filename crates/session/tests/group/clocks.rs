//! Clocks that are wrong.

use concilium_core::{Change, Time};
use concilium_testkit::network::{EPOCH, ProcessClock};

use crate::common::{Net, Talk, id};
use crate::{MINUTE, change, group, same};

const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 3600 * 1000;

/// What somebody who looks at a session sees, warnings left out: the members, what was said in which order,
/// and how many operations came to which end.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    members: String,
    log: Vec<String>,
    operations: Vec<String>,
}

fn seen(net: &Net, who: &str) -> Seen {
    let session = net.session(&id(who)).unwrap();
    let operations = session.history().iter().map(|record| {
        format!(
            "{} +{} -{} {:?}",
            record.author, record.include, record.exclude, record.outcome
        )
    });
    Seen {
        members: session.members().to_string(),
        log: net.log(who),
        operations: operations.collect(),
    }
}

/// A conversation with changes of members; `meanwhile` is called between any two steps, while no operation
/// runs: whoever believes that one has taken years gives it up (O-11), and may.
fn live(mut meanwhile: impl FnMut(&mut Net, usize)) -> Net {
    let mut net = group(3, 1, 42);
    let mut step = 0;
    let mut pause = |net: &mut Net| {
        net.run(MINUTE / 2).unwrap();
        meanwhile(net, step);
        step += 1;
    };
    pause(&mut net);
    net.talk("alice", "one");
    pause(&mut net);
    net.talk("bob", "two");
    pause(&mut net);
    change(&mut net, "alice", Change::include([id("dave")]));
    pause(&mut net);
    net.talk("dave", "three");
    pause(&mut net);
    change(&mut net, "bob", Change::refresh());
    pause(&mut net);
    net.talk("carol", "four");
    pause(&mut net);
    net.talk("bob", "five");
    pause(&mut net);
    change(&mut net, "carol", Change::exclude([id("dave")]));
    pause(&mut net);
    net.talk("alice", "six");
    net.settle().unwrap();
    net
}

fn clocks() -> Vec<(&'static str, ProcessClock)> {
    vec![
        ("ten years ahead", ProcessClock::Off(TEN_YEARS_MS)),
        ("ten years behind", ProcessClock::Off(-TEN_YEARS_MS)),
        ("at the beginning of time", ProcessClock::Frozen(Time::ZERO)),
        ("stopped", ProcessClock::Frozen(EPOCH)),
        ("stopped at the end of time", ProcessClock::Frozen(Time::NEVER)),
        ("running back", ProcessClock::Backwards(EPOCH.after(MINUTE * 2))),
    ]
}

/// Everybody's clock in turn, and everybody's at once, wrong in every way from the beginning.
#[test]
fn a42_l01_wrong_clocks_change_nothing_but_warnings() {
    let trio = ["alice", "bob", "carol"];
    let expected = live(|_, _| {});
    for (how, clock) in clocks() {
        for whose in [
            vec!["alice"],
            vec!["bob"],
            vec!["carol"],
            vec!["dave"],
            trio.to_vec(),
        ] {
            let net = live(|net, step| {
                if step == 0 {
                    for who in &whose {
                        net.set_clock(&id(who), clock).unwrap();
                    }
                }
            });
            let case = format!("the clock of {whose:?} is {how}");
            assert!(
                same(&net, &trio),
                "{case}: one session, one history, one set of keys"
            );
            for who in trio {
                assert_eq!(seen(&net, who), seen(&expected, who), "{case}: {who}");
            }
        }
    }
}

/// Clocks that jump between any two steps: ahead, back, and to a standstill.
#[test]
fn a42_l01_clocks_that_jump_between_any_two_steps_change_nothing_but_warnings() {
    let trio = ["alice", "bob", "carol"];
    let expected = live(|_, _| {});
    for who in trio {
        for at in 0..9 {
            for (how, clock) in clocks() {
                let net = live(|net, step| {
                    if step == at {
                        net.set_clock(&id(who), clock).unwrap();
                    } else if step == at + 1 {
                        net.set_clock(&id(who), ProcessClock::Right).unwrap();
                    }
                });
                let case = format!("the clock of {who} is {how} in step {at}");
                assert!(
                    same(&net, &trio),
                    "{case}: one session, one history, one set of keys"
                );
                for reader in trio {
                    assert_eq!(seen(&net, reader), seen(&expected, reader), "{case}: {reader}");
                }
            }
        }
    }
}
