//! Every kind of attack succeeds where it has the secrets that it takes. So none fails only because it is
//! badly made.

use std::sync::Arc;

use concilium_test_parts::{Cipher, Gka, Parts};

use crate::attacker::{Attacker, counterfeit, made_up};
use crate::course::{Course, Moment, VICTIM};
use crate::facts::{Attempt, Facts};
use crate::join::{Impostor, join, propose, take_seat};
use crate::loot::Loot;
use crate::speak::{FORGED, is_believed, made_with, shown_from};
use crate::stage::{Process, Stage, directory, identity};

const PAIRS: [(Gka, Cipher); 3] = [
    (Gka::Cliques, Cipher::Aead),
    (Gka::BurmesterDesmedt, Cipher::ChaCha20Poly1305),
    (Gka::Mls, Cipher::Ratchet),
];

fn courses() -> impl Iterator<Item = Course> {
    PAIRS
        .into_iter()
        .map(|(gka, cipher)| Course::run(Parts { gka, cipher }))
}

/// A member's session in other hands.
fn taken(stage: &Stage, who: &str) -> Process {
    let snapshot = stage.session(who).snapshot();
    Process::stolen(stage.parts, identity(who), stage.directory(), &snapshot, 2001)
}

#[test]
fn s1_what_is_sealed_by_hand_is_believed_if_the_key_is_its_authors() {
    for course in courses() {
        let stage = course.at(Moment::Acknowledged);
        for author in ["bob", VICTIM] {
            // The first is signed with the key of the subsession, the last is made by the session itself.
            let made = made_with(stage, Attacker::Session, author, &mut taken(stage, author));
            assert!(made.len() >= 5);
            for (place, packet) in made.iter().enumerate() {
                let believed = is_believed(
                    stage,
                    Attacker::Session,
                    author,
                    &shown_from(std::slice::from_ref(packet), &[author]),
                );
                let good = place == 0 || place + 1 == made.len();
                assert_eq!(believed, good, "{:?}: {place} of {author}", course.parts);
            }
        }
    }
}

#[test]
fn s1_whoever_is_shown_something_new_believes_it() {
    for course in courses() {
        let (now, later) = (course.at(Moment::Acknowledged), course.at(Moment::AtHand));
        let packets = &later.channel.packets()[now.channel.packets().len()..];
        let packets: Vec<Vec<u8>> = packets.iter().map(|sent| sent.bytes.clone()).collect();
        for author in ["alice", "bob", VICTIM] {
            let packets = shown_from(&packets, &[author]);
            assert!(is_believed(now, Attacker::Network, author, &packets), "{author}");
            assert!(!is_believed(now, Attacker::Network, author, &[]), "{author}");
        }
        assert!(!is_believed(
            now,
            Attacker::Network,
            "dave",
            &shown_from(&packets, &["dave"])
        ));
    }
}

#[test]
fn s1_whoever_has_the_key_of_a_name_joins_under_it() {
    for course in courses() {
        let stage = course.at(Moment::Acknowledged);
        let impostor = |accomplice| Impostor {
            identity: identity("bob"),
            directory: Arc::clone(stage.directory()),
            accomplice,
        };
        assert!(join(stage, impostor(None), "alice", 2002), "{:?}", course.parts);
        assert!(join(stage, impostor(None), VICTIM, 2003), "{:?}", course.parts);
        let accomplice = Some(taken(stage, VICTIM));
        assert!(
            join(stage, impostor(accomplice), VICTIM, 2004),
            "{:?}",
            course.parts
        );
        let stolen = Some(taken(stage, "bob"));
        assert!(
            take_seat(stage, &impostor(None), stolen, 2005),
            "{:?}",
            course.parts
        );
        assert!(
            !take_seat(stage, &impostor(None), None, 2006),
            "{:?}",
            course.parts
        );
        let followed = course.at(Moment::Followed);
        assert!(
            propose(stage, followed, "bob", &identity("bob")),
            "{:?}",
            course.parts
        );
        assert!(propose(
            followed,
            course.at(Moment::Renewed),
            VICTIM,
            &identity(VICTIM)
        ));
    }
}

/// An accomplice that trusts an impostor includes it while no other member is there. So it is the honest
/// members that refuse.
#[test]
fn s1_an_accomplice_does_let_an_impostor_in() {
    for course in courses() {
        let parts = course.parts;
        let names = ["alice", "bob", "carol", "dave", VICTIM];
        let fake = made_up("bob");
        let keys: Vec<_> = names
            .map(identity)
            .into_iter()
            .filter(|key| *key.member() != *fake.member())
            .collect();
        let trusting = Arc::new(directory(keys.iter().chain([&fake])));
        let mut stage = Stage::new(parts, &names);
        for (seed, name) in (3000..).zip(["alice", "carol", VICTIM]) {
            stage.replace(Process::fresh(parts, identity(name), &trusting, seed));
        }
        stage.act("alice", |session, cx| session.join(cx)).unwrap();
        stage.run(std::time::Duration::from_secs(20));
        let others: concilium_core::MemberSet = ["carol", VICTIM].map(crate::stage::id).into_iter().collect();
        stage.change("alice", concilium_core::Change::include(others));
        let impostor = Impostor {
            identity: fake,
            directory: Arc::clone(&trusting),
            accomplice: None,
        };
        assert!(join(&stage, impostor, VICTIM, 3010), "{parts:?}");
    }
}

#[test]
fn s1_keys_taken_by_hand_read_what_the_session_reads() {
    for cipher in [Cipher::Aead, Cipher::ChaCha20Poly1305, Cipher::Ratchet] {
        let parts = Parts {
            gka: Gka::Cliques,
            cipher,
        };
        let course = Course::run(parts);
        let (now, later) = (course.at(Moment::Acknowledged), course.at(Moment::AtHand));
        let taken = taken(now, VICTIM);
        let loot = Loot::of(parts, &taken.session.snapshot());
        let recomputed = loot.recomputed(
            cipher,
            taken.session.name(),
            now.channel.packets(),
            &**now.directory(),
        );
        // The subsessions before have closed, and with them went their keys.
        assert_eq!(loot.subsessions.len(), 1, "{cipher}");
        // Of the two subsessions since T's last contribution.
        assert_eq!(recomputed.len(), 2, "{cipher}");
        let mut read = 0;
        for sent in &later.channel.packets()[now.channel.packets().len()..] {
            let Some(body) = taken.session.reads(&sent.bytes) else {
                continue;
            };
            read += 1;
            for keys in [&loot.subsessions[0], &recomputed[1]] {
                assert_eq!(keys.open(&sent.bytes).unwrap().body(), body, "{cipher}");
            }
        }
        assert!(read >= 4, "{cipher}: {read}");
    }
}

#[test]
fn s1_where_nothing_is_secret_everybody_reads() {
    let facts = Facts::measure(Parts {
        gka: Gka::Plain,
        cipher: Cipher::Plain,
    });
    for moment in Moment::ALL {
        assert!(
            facts
                .successes
                .contains(&(Attacker::Network, Attempt::Read, moment)),
            "{moment:?}"
        );
    }
}

#[test]
fn s1_what_the_attacker_makes_up_is_good_among_its_own() {
    for (gka, cipher) in PAIRS {
        for attacker in [Attacker::Network, Attacker::Identity] {
            let made_up = counterfeit(attacker, Parts { gka, cipher });
            for who in ["alice", "bob", "carol", VICTIM] {
                let heard = made_up.session(who).messages();
                assert_eq!(
                    heard.filter(|message| message.body == FORGED.as_bytes()).count(),
                    4
                );
            }
        }
    }
}
