//! Processes that start again in the middle of a deniable parting (M-9, A-29).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use concilium_core::testing::rng::seeded;
use concilium_core::{Context, MessageId, Time};
use concilium_gka_cliques::Cliques;
use concilium_session::{Event, Session, SessionState, Settings, WarningKind};
use concilium_testkit::network::{Conduct, Happening};
use zeroize::Zeroizing;

use crate::common::{Net, Talk as _, id, set};
use crate::insider::{Lying, OPENED, PARENTS};
use crate::{MINUTE, Process, group_with, packet_of, same, sent_by, warned};

const TRIO: [&str; 3] = ["alice", "bob", "carol"];

/// Those who stay.
const STAY: [&str; 2] = ["alice", "bob"];

type Snapshot = Zeroizing<Vec<u8>>;

/// How Carol has parted.
struct Parting {
    net: Net,
    begun: Time,
    /// What each of [`TRIO`] held then.
    before: Vec<Snapshot>,
    /// What each of [`STAY`] held when it was told of Carol's key.
    told: Vec<Option<Snapshot>>,
    seeds: BTreeSet<[u8; 32]>,
    /// How many packets Carol had sent when the process to be restarted was, if it came to that.
    restarted_at: Option<usize>,
    /// What Carol has sent since she was told to part.
    sent: Vec<Vec<u8>>,
}

/// Carol parts. If it is named, a process starts again, in place, from what it has saved last, when it has
/// saved so many times: all that it asked for since is asked for again.
fn part(conduct: Conduct, restart: Option<(&str, usize)>) -> Parting {
    let mut settings = Settings::default();
    settings.deniable = true;
    let mut net = group_with(3, 0, 9, settings, conduct);
    net.talk("carol", "said");
    net.settle().unwrap();
    let begun = net.now();
    let snapshot = |net: &Net, who: &str| net.session(&id(who)).unwrap().snapshot();
    let before: Vec<_> = TRIO.iter().map(|who| snapshot(&net, who)).collect();
    let saves = restart.map(|(who, after)| net.saves(&id(who)).unwrap() + after);
    let (mut told, mut seeds, mut restarted_at) = (vec![None, None], BTreeSet::new(), None);
    let earlier = net.channel().packets().len();
    let sent = |net: &Net| {
        let packets = net.channel().packets().iter().skip(earlier);
        let carols = packets.filter(|packet| packet.from == id("carol"));
        carols.map(|packet| packet.bytes.clone()).collect::<Vec<_>>()
    };

    net.command(&id("carol"), Session::part).unwrap().unwrap();
    net.talk("alice", "crosses the finish");
    let end = net.now().after(MINUTE * 3);
    while net.now() < end {
        if let (Some((who, _)), Some(saves)) = (restart, saves)
            && restarted_at.is_none()
            && net.saves(&id(who)).unwrap() >= saves
        {
            restarted_at = Some(sent(&net).len());
            net.restore(&id(who)).unwrap();
        }
        if !net.deliver_next().unwrap() {
            net.advance(Duration::from_millis(250)).unwrap();
        }
        for record in net.take_records() {
            let Happening::Told { member, event } = record.what else {
                continue;
            };
            if let Event::KeyPublished { member: of, seed, .. } = event {
                assert_eq!(of, id("carol"));
                seeds.insert(seed);
                let place = STAY.iter().position(|who| id(who) == member).unwrap();
                told[place] = Some(snapshot(&net, STAY[place]));
            }
        }
    }
    Parting {
        begun,
        before,
        told,
        seeds,
        restarted_at,
        sent: sent(&net),
        net,
    }
}

impl Parting {
    fn copy(&self, who: &str, snapshot: &Snapshot) -> Process {
        self.net.copy(&id(who), snapshot).unwrap()
    }

    /// Which of these packets publish the key, as Alice reads them who has been told of it.
    fn publishing(&self, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let alice = self.copy("alice", self.told[0].as_ref().unwrap());
        let publishes = |packet: &&Vec<u8>| {
            let body = alice.reads(packet);
            body.is_some_and(|body| self.seeds.iter().any(|seed| *body == *seed))
        };
        packets.iter().filter(publishes).cloned().collect()
    }

    /// All ended as it should; the key was published in this packet, and in no other.
    fn assert_good(&self, case: &str) -> Vec<u8> {
        for who in TRIO {
            assert_eq!(warned(&self.net, who), BTreeSet::new(), "{case}: {who} is warned");
        }
        let carol = self.net.session(&id("carol")).unwrap();
        assert_eq!(carol.state(), SessionState::Parted, "{case}");
        assert!(same(&self.net, &STAY), "{case}: the others are together");
        assert_eq!(
            *self.net.session(&id("alice")).unwrap().members(),
            set("alice bob")
        );
        assert_eq!(self.seeds.len(), 1, "{case}: one key");
        let published: BTreeSet<_> = self.publishing(&self.sent).into_iter().collect();
        assert_eq!(published.len(), 1, "{case}: published once, or again the same");
        let published = published.into_iter().next().unwrap();
        self.assert_forgeries_are_refused(&published, case);
        published
    }

    /// Data that the published key signs, in place of Carol: after these messages, or as if nothing had been
    /// said since.
    fn forged(&self, parents: Option<Vec<MessageId>>) -> Vec<u8> {
        let mut forger = self.lying("carol", &self.before[2]);
        let mut random = seeded(10);
        PARENTS.set(parents);
        let sent = forger.send(b"forged", &mut Context::new(self.begun, &mut random));
        sent.unwrap();
        let mut packets = sent_by(&mut forger);
        assert_eq!(packets.len(), 1);
        packets.remove(0)
    }

    fn lying(&self, who: &str, snapshot: &Snapshot) -> Session<Cliques, Lying> {
        let identity = self.net.identity(&id(who)).unwrap().clone();
        let gka = Cliques::new(identity, Arc::clone(self.net.directory()));
        let copy = self.copy(who, snapshot);
        Session::restore(gka, copy.name().clone(), copy.settings().clone(), snapshot).unwrap()
    }

    /// What the published key signs is refused by those who were told of it when they start again, be it said
    /// to come before the finish or after all that Carol has said.
    fn assert_forgeries_are_refused(&self, published: &[u8], case: &str) {
        let alice = self.lying("alice", self.told[0].as_ref().unwrap());
        assert!(alice.reads(published).is_some());
        let forgeries = [self.forged(None), self.forged(Some(vec![OPENED.take().unwrap()]))];
        for (place, who) in STAY.iter().enumerate() {
            let reads = |snapshot: &Snapshot, forged: &Vec<u8>| {
                let mut session = self.copy(who, snapshot);
                let mut random = seeded(11);
                let mut cx = Context::new(self.net.now(), &mut random);
                session.handle(packet_of("carol", forged.clone()), &mut cx);
                let reads = session.messages().any(|message| message.body == b"forged");
                let warned = session.warnings().ever().contains(&WarningKind::BadMessage);
                (reads, warned)
            };
            let well_made = reads(&self.before[place], &forgeries[0]);
            assert_eq!(well_made, (true, false), "{case}: {who} would have taken it");
            let told = self.told[place].as_ref();
            let told = told.unwrap_or_else(|| panic!("{case}: {who} is told of the key"));
            for forged in &forgeries {
                assert_eq!(reads(told, forged), (false, true), "{case}: {who} refuses it");
            }
        }
    }
}

/// At each step of a deniable parting the one who parts, or one of the others, starts again and goes on to
/// the same end: nobody is warned, the key is published once, or again in the same packet, and what it signs
/// from then on is refused.
#[test]
fn m09_a15_a29_a_restart_at_every_step_of_a_deniable_parting_ends_the_same() {
    let undisturbed = part(Conduct::default(), None);
    undisturbed.assert_good("no restart");
    assert_eq!(undisturbed.publishing(&undisturbed.sent).len(), 1);

    for who in TRIO {
        let (mut early, mut late) = (0, 0);
        for saves in 1.. {
            let parting = part(Conduct::default(), Some((who, saves)));
            let Some(restarted_at) = parting.restarted_at else {
                break;
            };
            let case = format!("{who} starts again after save {saves}");
            let published = parting.assert_good(&case);
            assert_eq!(parting.seeds, undisturbed.seeds, "{case}: the same key");
            // The finish is out and the key is not; then it is.
            let at = parting.sent.iter().position(|packet| *packet == published);
            if (1..=at.unwrap()).contains(&restarted_at) {
                early += 1;
            } else {
                late += 1;
            }
        }
        assert!(early > 2 && late > 2, "{who}: {early} early, {late} late");
    }
}

/// All processes start again whenever they have saved something, before anything that follows from it has
/// left: among that is the moment when the finish is fully acknowledged and the key is not out yet.
#[test]
fn m09_k13_a_restart_before_anything_leaves_ends_a_deniable_parting_the_same() {
    let published = part(Conduct::default(), None).assert_good("no restart");
    let restarted = part(
        Conduct {
            keep_history: true,
            restart_always: true,
            never_save: false,
        },
        None,
    );
    assert_eq!(restarted.assert_good("restarts"), published);
    assert_eq!(restarted.publishing(&restarted.sent).len(), 1);

    // That moment, as Carol has saved it: everything is as before but that the key is about to leave.
    let about_to_publish = restarted.net.held(&id("carol")).iter().filter(|held| {
        let packets = sent_by(&mut restarted.copy("carol", &held.snapshot));
        restarted.publishing(&packets) == [published.clone()]
    });
    assert_eq!(about_to_publish.count(), 1);
}
