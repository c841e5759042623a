//! Somebody in the channel whom nobody can include.

use concilium_core::Change;
use concilium_core::channel::ChannelEvent;
use concilium_gka::ProposeError;
use concilium_session::{Event, Settings};
use concilium_testkit::network::{Conduct, Happening};

use crate::common::{Net, id};
use crate::{MINUTE, NAMES, change, group_with, same, show};

/// All of these are told that somebody is there whose identity key none of them knows.
fn show_stranger(net: &mut Net, names: &[&str]) {
    for name in names {
        let member = id("mallory");
        show(net, name, ChannelEvent::MemberEntered { member });
    }
}

#[test]
fn a50_t01_whom_nobody_knows_keeps_nobody_else_out_and_nobody_in() {
    let mut settings = Settings::default();
    settings.auto_include = true;
    let mut net = group_with(2, 2, 31, settings, Conduct::default());
    show_stranger(&mut net, &NAMES[..2]);
    net.run(MINUTE).unwrap();
    let mut records = net.take_records();
    net.command(&id("carol"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.deliver_next_to(&id("carol")).unwrap();
    show_stranger(&mut net, &["carol"]);
    net.run(MINUTE).unwrap();
    assert!(same(&net, &NAMES[..3]), "carol is in");

    // What the user asks for is done all the same, and whoever leaves is excluded.
    change(&mut net, "alice", Change::refresh());
    net.run(MINUTE).unwrap();
    assert!(same(&net, &NAMES[..3]));
    let _ = net.command(&id("bob"), |session, cx| session.part(cx)).unwrap();
    net.run(MINUTE * 3).unwrap();
    assert!(same(&net, &["alice", "carol"]), "bob is out");

    records.extend(net.take_records());
    for name in &NAMES[..3] {
        let told = records.iter().filter(|record| {
            let cause = ProposeError::UnknownIdentity(id("mallory"));
            record.what
                == Happening::Told {
                    member: id(name),
                    event: Event::CannotPropose { cause },
                }
        });
        assert_eq!(
            told.count(),
            1,
            "{name} is told once whom it cannot include, and why"
        );
    }
}
