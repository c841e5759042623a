//! Attacks and faults that a whole session has to withstand, by their ids in `docs/security.md`.

mod common;

use std::time::Duration;

use common::{Net, Talk, id, set, trio};
use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::testing::rng::{Broken, seeded};
use concilium_core::{Change, Context, MemberId, SessionName, Time};
use concilium_encryptor::DefaultEncryptor;
use concilium_gka_bd::BurmesterDesmedt;
use concilium_gka_cliques::Cliques;
use concilium_session::{ActionError, Event, Output, SendError, Session, Settings, WarningKind};
use concilium_testkit::network::{Conduct, EPOCH, Network};

#[test]
fn a04_with_a_broken_random_source_nothing_is_sent_and_nothing_changes() {
    let net = trio(1);
    let alice = id("alice");
    let before = net.session(&alice).unwrap().snapshot();
    let now = net.now();
    for broken in Broken::ALL {
        let mut session = net.copy(&alice, &before).unwrap();
        let mut source = broken;
        let sent = session.send(b"hello", &mut Context::new(now, &mut source));
        assert!(
            matches!(sent, Err(SendError::Randomness(_))),
            "{broken:?}: {sent:?}"
        );
        let mut source = broken;
        let changed = session.change(Change::refresh(), &mut Context::new(now, &mut source));
        assert!(
            matches!(changed, Err(ActionError::Propose(_))),
            "{broken:?}: {changed:?}"
        );
        assert_eq!(session.drain().unsaved().next(), None, "{broken:?}");
        assert_eq!(session.snapshot(), before, "{broken:?}");
    }
}

/// In this key agreement each member draws a random number in each operation.
#[test]
fn a04_a_member_whose_random_source_fails_in_an_operation_accuses_nobody() {
    let (alice, bob) = (id("alice"), id("bob"));
    let name = SessionName::new("s").unwrap();
    let members = [alice.clone(), bob.clone()];
    let settings = Settings::default();
    let mut net: Network<BurmesterDesmedt, DefaultEncryptor> = Network::new(
        members,
        name,
        settings,
        BurmesterDesmedt::new,
        3,
        Conduct::default(),
    );
    for who in [&alice, &bob] {
        net.command(who, |session, cx| session.join(cx)).unwrap().unwrap();
        net.settle().unwrap();
    }
    for change in [Change::include([bob.clone()]), Change::refresh()] {
        net.settle().unwrap();
        net.command(&alice, |session, cx| session.change(change, cx))
            .unwrap()
            .unwrap();
    }
    let (now, initial) = (net.now(), net.channel().packets().last().unwrap().clone());
    for broken in Broken::ALL {
        let mut session = net.last_saved(&bob).unwrap();
        let event = ChannelEvent::Packet {
            from: initial.from.clone(),
            bytes: initial.bytes.clone(),
        };
        let mut source = broken;
        session.handle(event, &mut Context::new(now, &mut source));
        assert!(
            session.operation().is_some(),
            "{broken:?}: it runs for the others"
        );
        let outputs: Vec<_> = session.drain().unsaved().collect();
        let asks = |output: &&Output| matches!(output, Output::Channel(_));
        assert_eq!(outputs.iter().filter(asks).count(), 1, "{broken:?}: it aborts");
        assert!(
            session.warnings().is_empty(),
            "{broken:?}: {:?}",
            session.warnings()
        );
    }
}

#[test]
fn a10_a18_a45_replayed_and_tampered_operation_packets_leave_the_session_as_it_was() {
    let mut net = trio(2);
    net.command(&id("bob"), |session, cx| session.change(Change::refresh(), cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let now = net.now();
    let packets: Vec<_> = net.channel().packets().to_vec();
    assert!(packets.len() >= 5, "an establishment and a refresh");
    for who in ["alice", "bob", "carol"] {
        let before = net.session(&id(who)).unwrap().snapshot();
        for packet in &packets {
            for tamper in [
                None,
                Some(3),
                Some(packet.bytes.len() / 2),
                Some(packet.bytes.len() - 1),
            ] {
                // A-10 for the untouched ones: replayed, each fits no place any more.
                let mut bytes = packet.bytes.clone();
                if let Some(at) = tamper {
                    bytes[at] ^= 0x10;
                }
                for from in ["alice", "bob", "carol", "mallory"] {
                    let mut session = net.copy(&id(who), &before).unwrap();
                    let event = ChannelEvent::Packet {
                        from: id(from),
                        bytes: bytes.clone(),
                    };
                    session.handle(event, &mut Context::new(now, &mut seeded(9)));
                    let mut skipped = 0;
                    for output in session.drain().unsaved() {
                        assert!(
                            matches!(output, Output::Event(Event::Skipped { .. })),
                            "{output:?}"
                        );
                        skipped += 1;
                    }
                    assert!(skipped > 0, "it is reported");
                    assert_eq!(session.snapshot(), before, "{who} given {tamper:?} from {from}");
                }
            }
        }
    }
}

#[test]
fn a41_unknown_kinds_and_versions_are_reported_and_stall_nothing() {
    let mut net = trio(3);
    for bytes in [
        vec![],
        vec![1],
        vec![9, 1, 2, 3],
        vec![1, 99, 1],
        vec![1, 1],
        vec![1, 3, 0],
        vec![1, 2],
    ] {
        net.channel_mut().forge(&id("bob"), bytes, EPOCH);
    }
    net.settle().unwrap();
    net.talk("alice", "hello");
    net.settle().unwrap();
    assert_eq!(net.log("carol"), ["hello"]);
    let told = net.take_records();
    let skipped = told
        .iter()
        .filter(|record| format!("{:?}", record.what).contains("Skipped"))
        .count();
    assert!(skipped >= 6 * 3, "each is reported by each member: {skipped}");
    assert!(net.session(&id("alice")).unwrap().warnings().ever().is_empty());
}

#[test]
fn a46_made_up_initial_packets_start_nothing_and_block_nothing() {
    // Real packets of another group under the same names, but with other identity keys.
    let mut strangers = Net::trio_of(SessionName::new("s").unwrap(), 77);
    strangers.settle().unwrap();
    let forged: Vec<_> = strangers
        .channel()
        .packets()
        .iter()
        .map(|packet| (packet.from.clone(), packet.bytes.clone()))
        .collect();

    let mut net = Net::outside(["alice", "bob", "carol"], 4);
    net.command(&id("alice"), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    net.command(&id("alice"), |session, cx| {
        session.change(Change::include(set("bob carol")), cx)
    })
    .unwrap()
    .unwrap();
    for (from, bytes) in forged.iter().cycle().take(60) {
        let now = net.now();
        net.channel_mut().forge(from, bytes.clone(), now);
        net.deliver_next().unwrap();
    }
    net.settle().unwrap();
    net.talk("bob", "here");
    net.settle().unwrap();
    for who in ["alice", "bob", "carol"] {
        assert_eq!(
            net.session(&id(who)).unwrap().members(),
            &set("alice bob carol"),
            "{who}"
        );
        assert_eq!(net.log(who), ["here"]);
        assert!(
            net.session(&id(who)).unwrap().warnings().ever().is_empty(),
            "{who}"
        );
    }
}

#[test]
fn a48_odd_names_and_bodies_are_carried_exactly() {
    let long = vec![b'x'; 255];
    let odd: [&[u8]; 5] = [
        b"a b\n",
        b"__proto__",
        b"\xff\xfe\x00",
        &long,
        "\u{202e}evil".as_bytes(),
    ];
    let members: Vec<MemberId> = odd.iter().map(|name| MemberId::new(name).unwrap()).collect();
    let name = SessionName::new(b"\0\n\xff").unwrap();
    let mut net: Net = Net::of(members.clone(), name, Settings::default(), 5, Conduct::default());
    net.command(&members[0], |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let others = members[1..].iter().cloned();
    net.command(&members[0], |session, cx| {
        session.change(Change::include(others), cx)
    })
    .unwrap()
    .unwrap();
    net.settle().unwrap();
    let body = b"\x1b[31m\0\xff\n";
    net.command(&members[3], |session, cx| session.send(body, cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    for member in &members {
        let session = net.session(member).unwrap();
        assert_eq!(session.members().len(), 5);
        let seen: Vec<_> = session
            .messages()
            .map(|message| (message.author.clone(), message.body.to_vec()))
            .collect();
        assert_eq!(seen, [(members[3].clone(), body.to_vec())]);
    }
}

#[test]
fn a40_no_event_or_command_panics_in_any_state() {
    let mut rng = seeded(6);
    let net = trio(6);
    let packets: Vec<_> = net
        .channel()
        .packets()
        .iter()
        .map(|packet| packet.bytes.clone())
        .collect();
    for who in ["alice", "bob"] {
        let start = net.session(&id(who)).unwrap().snapshot();
        for round in 0..60_u64 {
            let mut session = net.copy(&id(who), &start).unwrap();
            for step in 0..40_u64 {
                let now = Time::from_millis(EPOCH.as_millis().wrapping_add(round * step * 977 % 5_000_000));
                let mut cx = Context::new(now, &mut rng);
                let pick = cx.random::<8>().unwrap();
                let member = id(["alice", "bob", "carol", "dave"][usize::from(pick[1] % 4)]);
                let mut bytes = packets[usize::from(pick[2]) % packets.len()].clone();
                let at = usize::from(pick[3]) % bytes.len();
                bytes[at] ^= pick[4] & 1;
                match pick[0] % 13 {
                    0 => session.handle(
                        ChannelEvent::Entered {
                            members: set("alice bob"),
                        },
                        &mut cx,
                    ),
                    1 => session.handle(ChannelEvent::Left, &mut cx),
                    2 => session.handle(ChannelEvent::MemberEntered { member }, &mut cx),
                    3 => session.handle(ChannelEvent::MemberLeft { member }, &mut cx),
                    4..=6 => session.handle(ChannelEvent::Packet { from: member, bytes }, &mut cx),
                    7 => drop(session.join(&mut cx)),
                    8 => drop(session.part(&mut cx)),
                    9 => drop(session.change(Change::include([member]), &mut cx)),
                    10 => drop(session.change(Change::exclude([member]), &mut cx)),
                    11 => drop(session.send(&pick, &mut cx)),
                    _ => session.handle_timeout(&mut cx),
                }
                let _ = session.drain().unsaved().count();
            }
        }
    }
}

#[test]
fn a42_clocks_that_jump_and_run_back_change_nothing_but_warnings() {
    let mut net = trio(7);
    net.talk("alice", "one");
    net.settle().unwrap();
    let (bob, ten_years) = (id("bob"), Duration::from_secs(10 * 365 * 24 * 3600));
    for now in [EPOCH.after(ten_years), Time::ZERO, Time::NEVER, EPOCH] {
        net.command(&bob, |session, _| {
            session.handle_timeout(&mut Context::new(now, &mut seeded(1)))
        })
        .unwrap();
    }
    net.talk("bob", "two");
    net.settle().unwrap();
    for who in ["alice", "bob", "carol"] {
        assert_eq!(net.log(who), ["one", "two"]);
        assert_eq!(net.session(&id(who)).unwrap().members(), &set("alice bob carol"));
    }
}

/// What a session sends when it gets these events, one after the other, at one moment and in the hours after.
fn bytes_sent(session: &mut Session<Cliques, DefaultEncryptor>, events: &[ChannelEvent], now: Time) -> usize {
    let mut rng = seeded(36);
    for event in events {
        session.handle(event.clone(), &mut Context::new(now, &mut rng));
    }
    let end = now.after(Duration::from_secs(4 * 3600));
    while let Some(at) = session.next_timeout().filter(|at| *at <= end) {
        session.handle_timeout(&mut Context::new(at, &mut rng));
    }
    let outputs = session.drain().unsaved();
    let sent = outputs.map(|output| match output {
        Output::Channel(ChannelAction::Send { bytes }) => bytes.len(),
        _ => 0,
    });
    sent.sum()
}

#[test]
fn a36_l08_what_is_replayed_calls_forth_no_storm() {
    let mut net = trio(36);
    let (alice, bob) = (id("alice"), id("bob"));
    for round in 0..5 {
        net.talk("alice", &format!("message {round}"));
        net.run(Duration::from_secs(60)).unwrap();
    }
    let now = net.now();
    let snapshot = net.session(&bob).unwrap().snapshot();
    let quiet = bytes_sent(&mut net.copy(&bob, &snapshot).unwrap(), &[], now);
    // Everything that was ever on the channel, a hundred times over, as from its sender and as from others.
    let mut events = Vec::new();
    for _ in 0..100 {
        for packet in net.channel().packets() {
            for from in [&packet.from, &alice, &id("carol")] {
                events.push(ChannelEvent::Packet {
                    from: from.clone(),
                    bytes: packet.bytes.clone(),
                });
            }
        }
    }
    let got = 100
        * 3
        * net
            .channel()
            .packets()
            .iter()
            .map(|packet| packet.bytes.len())
            .sum::<usize>();
    let sent = bytes_sent(&mut net.copy(&bob, &snapshot).unwrap(), &events, now);
    // L-4 answers each message once in a while, whatever number of times it comes.
    assert!(sent > quiet, "acknowledgements are sent again");
    assert!(
        sent - quiet <= got / 100,
        "{sent} bytes after {got}, {quiet} in silence"
    );
}

#[test]
fn a36_l08_resends_to_somebody_who_never_answers_die_away() {
    let mut net = trio(37);
    net.channel_mut().drop_from(&id("carol"), usize::MAX / 2);
    net.talk("alice", "is anybody there?");
    let mut sent = Vec::new();
    for _ in 0..8 {
        let before = net.channel().sent().packets;
        net.run(Duration::from_secs(3600)).unwrap();
        sent.push(net.channel().sent().packets - before);
    }
    // Waits double up to 64 half intervals; what is sent in an hour falls to the same few packets.
    assert!(sent[0] <= 60, "{sent:?}");
    assert!(sent[1..].iter().all(|sent| *sent <= 20), "{sent:?}");
}

#[test]
fn a33_a_message_withheld_from_any_subset_is_noticed_in_time_and_comes_again() {
    let names = ["alice", "bob", "carol"];
    for mask in 1_u32..8 {
        let victims: Vec<_> = (0..3)
            .filter(|i| mask & (1 << i) != 0)
            .map(|i| id(names[i]))
            .collect();
        for forever in [false, true] {
            let mut net = trio(u64::from(mask));
            net.run(Duration::from_secs(120)).unwrap();
            for victim in &victims {
                net.channel_mut()
                    .drop_to(victim, if forever { usize::MAX / 2 } else { 1 });
            }
            net.talk("alice", "withheld");
            net.run(Duration::from_secs(180)).unwrap();
            for name in names {
                let missed = forever && name != "alice" && victims.contains(&id(name));
                assert_eq!(
                    net.log(name).is_empty(),
                    missed,
                    "{name} of {victims:?}, {forever}"
                );
            }
            // Alice knows her own words: what is withheld from her are the answers.
            let session = net.session(&id("alice")).unwrap();
            let late = session
                .warnings()
                .iter()
                .any(|warning| warning.kind == WarningKind::NotFullyAcked);
            assert_eq!(late, forever, "{victims:?}");
            assert_eq!(
                session.messages().all(|message| message.fully_acked),
                !forever,
                "{victims:?}"
            );
        }
    }
}

#[test]
fn l05_the_summary_says_what_is_missing_and_who() {
    let mut net = trio(5);
    net.run(Duration::from_secs(120)).unwrap();
    let lines = |net: &Net, who: &str| net.session(&id(who)).unwrap().summary().lines();
    let well = [
        "not missing any message",
        "everyone has seen what we have seen",
        "everyone is here",
    ];
    assert_eq!(lines(&net, "alice"), well);
    net.channel_mut().drop_to(&id("carol"), 1);
    net.talk("alice", "lost for carol");
    net.settle().unwrap();
    assert_eq!(
        lines(&net, "alice")[1],
        "not seen by everyone, as far as we know: 1"
    );
    assert_eq!(net.session(&id("alice")).unwrap().presence(), set(""));
    net.talk("bob", "an answer");
    net.settle().unwrap();
    assert_eq!(lines(&net, "carol")[0], "missing messages: 1 wait for them");
    assert_eq!(net.session(&id("alice")).unwrap().presence(), set("bob"));
    net.run(Duration::from_secs(180)).unwrap();
    assert_eq!(
        (lines(&net, "alice"), lines(&net, "carol")),
        (well.map(String::from), well.map(String::from))
    );
    net.channel_mut().drop_from(&id("carol"), usize::MAX / 2);
    net.talk("alice", "carol?");
    net.run(Duration::from_secs(600)).unwrap();
    assert_eq!(lines(&net, "alice")[2], "not here: carol");
    assert!(!net.session(&id("alice")).unwrap().summary().is_well());
}
