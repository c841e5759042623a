//! A transcript and a naive model of it.

use std::collections::{BTreeMap, BTreeSet};

use concilium_core::{FramedHash, MemberId, MemberSet, MessageId, Time, wire};
use concilium_transcript::{Entry, InsertError, Placement, Transcript};

use super::Seed;
use super::input::Input;

/// Enough to fork, to wait and to merge; the model is quadratic.
const MAX_ENTRIES: usize = 48;

/// Takes the bytes as messages inserted by honest members, by insiders and by a careless channel, and
/// compares the transcript with a naive model: parents come before children, the heads are an antichain,
/// ancestors and acks are those of the graph, refusals change nothing, a snapshot restores, and every
/// other order of arrival leads to the same transcript (G-5, A-34).
///
/// # Panics
/// Where a promise is broken.
pub fn transcript(data: &[u8]) {
    run(data);
}

/// The transcript in the end, and everything that was ever offered to it.
struct Run {
    transcript: Transcript<u8>,
    offered: Vec<Entry<u8>>,
    /// Whether a refusal depended on the order of arrival, as those at a limit do.
    at_limit: bool,
}

fn run(data: &[u8]) -> Run {
    let mut input = Input::new(data);
    let roots = (0..input.below(3)).map(|n| id(1000 + n)).collect();
    let mut run = Run {
        transcript: Transcript::with_roots(members(), roots),
        offered: Vec::new(),
        at_limit: false,
    };
    while let Some(action) = input.next() {
        if run.offered.len() >= MAX_ENTRIES {
            break;
        }
        step(&mut run, action, &mut input);
    }
    check(&run.transcript);
    check_other_order(&run, data);
    run
}

fn step(run: &mut Run, action: u8, input: &mut Input<'_>) {
    let author = author(input.below(4));
    let transcript = &run.transcript;
    // An honest member who has seen all that is here.
    let honest = transcript.next_parents(&author);
    let parents = match action % 9 {
        0..=2 => honest,
        // Parents that are here, that wait, that were refused, that are still to come, that never come.
        3 | 4 => (0..input.below(4))
            .map(|_| id(input.below(run.offered.len() + 4)))
            .collect(),
        // A fork: the author tells the story again from where it told it last.
        5 => match transcript.last_of(&author) {
            Some(last) => transcript
                .parents(last)
                .map_or_else(|_| Vec::new(), |parents| parents.copied().collect()),
            None => honest,
        },
        // Everything that a message must not name: a root, itself, a parent twice.
        6 => {
            let own = id(run.offered.len());
            let odd = [id(1000), own, id(0)];
            let odd = odd[input.below(3)];
            honest.into_iter().chain([odd, id(0)]).collect()
        }
        // Something seen before.
        7 => {
            if let Some(entry) = input.pick(&run.offered).cloned() {
                insert(run, entry);
            }
            return;
        }
        _ => {
            let bytes = wire::encode(transcript);
            run.transcript = wire::decode(&bytes, bytes.len()).expect("a transcript restores");
            return;
        }
    };
    let entry = Entry {
        id: id(run.offered.len()),
        // Now and then somebody who is not in the subsession.
        author: if action >= 192 { member("eve") } else { author },
        parents,
        ack_only: action & 16 != 0,
        shown: action & 16 == 0,
        weight: 10,
        body: action,
    };
    run.offered.push(entry.clone());
    // Some are withheld, until they come as something seen before.
    if action & 32 == 0 {
        insert(run, entry);
    }
}

fn insert(run: &mut Run, entry: Entry<u8>) {
    let before = wire::encode(&run.transcript);
    let waiting = run.transcript.deferred_len();
    let id = entry.id;
    match run.transcript.insert(entry, Time::from_millis(5)) {
        Ok(inserted) => match inserted.outcome {
            Placement::Accepted => {
                assert_eq!(inserted.accepted.first(), Some(&id));
                for accepted in &inserted.accepted {
                    assert!(run.transcript.contains(accepted) && !run.transcript.is_deferred(accepted));
                }
                for rejected in &inserted.rejected {
                    run.at_limit |= is_of_a_limit(&rejected.reason);
                }
                let gone = inserted.accepted.len() - 1 + inserted.rejected.len();
                assert_eq!(run.transcript.deferred_len(), waiting - gone);
            }
            Placement::Deferred => assert!(run.transcript.is_deferred(&id)),
            Placement::Duplicate => assert_eq!(
                wire::encode(&run.transcript),
                before,
                "G-5: duplicates change nothing"
            ),
        },
        Err(error) => {
            run.at_limit |= is_of_a_limit(&error);
            assert_eq!(
                wire::encode(&run.transcript),
                before,
                "A-18: refusals change nothing"
            );
        }
    }
}

fn is_of_a_limit(error: &InsertError) -> bool {
    matches!(
        error,
        InsertError::TooManyBranches(_) | InsertError::QuotaFull(_) | InsertError::Full
    )
}

/// Compares everything that can be asked with what follows from the parents alone.
fn check(transcript: &Transcript<u8>) {
    let mut ancestors: BTreeMap<MessageId, BTreeSet<MessageId>> = BTreeMap::new();
    let mut heads = BTreeSet::new();
    for message in transcript.iter() {
        let parents: Vec<MessageId> = parents(transcript, message.id);
        let mut past = BTreeSet::new();
        for parent in &parents {
            let earlier = ancestors.get(parent).expect("parents come before children");
            past.extend(earlier);
            past.insert(*parent);
            heads.remove(parent);
        }
        for parent in &parents {
            let others = parents.iter().filter(|other| *other != parent);
            for other in others {
                assert!(
                    !ancestors[other].contains(parent),
                    "A-31: parents are an antichain"
                );
            }
        }
        heads.insert(*message.id);
        ancestors.insert(*message.id, past);
    }
    let told: BTreeSet<MessageId> = transcript.heads().copied().collect();
    assert_eq!(told, heads, "the heads are what nobody names");
    let mut unacked = Vec::new();
    for message in transcript.iter() {
        let mut acked_by = MemberSet::new();
        for other in transcript.iter() {
            let is_ancestor = ancestors[other.id].contains(message.id);
            assert_eq!(
                transcript.is_ancestor(message.id, other.id),
                Ok(is_ancestor),
                "ancestors follow from parents"
            );
            if is_ancestor && other.author != message.author {
                acked_by.insert(other.author.clone());
            }
        }
        let mut readers = members();
        readers.remove(message.author);
        let missing = readers.minus(&acked_by);
        assert_eq!(
            transcript.is_fully_acked(message.id),
            Ok(missing.is_empty()),
            "G-6"
        );
        if !missing.is_empty() && !message.ack_only {
            unacked.push(*message.id);
        }
        assert_eq!(
            transcript.acked_by(message.id),
            Ok(acked_by),
            "G-6: whoever wrote a descendant"
        );
        assert_eq!(
            transcript.unacked(message.id),
            Ok(missing),
            "G-6: and nobody else"
        );
    }
    let told: Vec<MessageId> = transcript.unacked_messages().copied().collect();
    assert_eq!(told, unacked, "L-2: acks do not expect to be acked");
    for deferred in transcript.deferred() {
        assert!(!deferred.missing.is_empty() && !transcript.contains(deferred.id));
    }
    for fork in transcript.forks() {
        assert!(
            !ancestors[&fork.second].contains(&fork.first),
            "G-3: a fork is one"
        );
        assert!(
            !ancestors[&fork.first].contains(&fork.second),
            "G-3: a fork is one"
        );
        for id in [&fork.first, &fork.second] {
            assert_eq!(
                transcript.message(id).map(|message| message.author),
                Some(&fork.author)
            );
        }
    }
    let bytes = wire::encode(transcript);
    let restored: Transcript<u8> = wire::decode(&bytes, bytes.len()).expect("a transcript restores");
    assert_eq!(wire::encode(&restored), bytes, "and is the same");
}

fn parents(transcript: &Transcript<u8>, id: &MessageId) -> Vec<MessageId> {
    let parents = transcript.parents(id).expect("it is in the transcript");
    parents.copied().collect()
}

/// All that was ever offered, withheld messages too, in two other orders.
fn check_other_order(run: &Run, data: &[u8]) {
    let mut orders = [run.offered.clone(), run.offered.clone()];
    orders[0].reverse();
    orders[1].sort_by_key(|entry| {
        FramedHash::new("concilium-testkit 2026 fuzz order")
            .field(data)
            .field(entry.id.as_bytes())
            .finish()
    });
    let results = orders.map(|order| {
        let mut other = Run {
            transcript: Transcript::with_roots(members(), run.transcript.roots().to_vec()),
            offered: Vec::new(),
            at_limit: run.at_limit,
        };
        for entry in order {
            insert(&mut other, entry);
        }
        check(&other.transcript);
        other
    });
    let [one, other] = results;
    if one.at_limit || other.at_limit {
        return;
    }
    assert_eq!(
        ids(&one.transcript),
        ids(&other.transcript),
        "G-5: any order of arrival"
    );
    let forked = |run: &Run| -> BTreeSet<MemberId> {
        run.transcript
            .forks()
            .iter()
            .map(|fork| fork.author.clone())
            .collect()
    };
    assert_eq!(
        forked(&one),
        forked(&other),
        "G-3: who forked does not depend on the order"
    );
    assert!(
        ids(&run.transcript).is_subset(&ids(&one.transcript)),
        "G-5: what is accepted with less is accepted with all"
    );
}

fn ids(transcript: &Transcript<u8>) -> BTreeSet<MessageId> {
    transcript.iter().map(|message| *message.id).collect()
}

fn member(name: &str) -> MemberId {
    MemberId::new(name).expect("a short name")
}

fn author(n: usize) -> MemberId {
    member(["alice", "bob", "carol", "dave"][n])
}

fn members() -> MemberSet {
    (0..4).map(author).collect()
}

/// The n-th message's name: in no order, as real ones.
fn id(n: usize) -> MessageId {
    MessageId::from_bytes(
        FramedHash::new("concilium-testkit 2026 fuzz message")
            .number(n as u64)
            .finish(),
    )
}

pub(super) fn seeds() -> Vec<Seed> {
    let talk: Vec<u8> = (0..40).flat_map(|n| [n % 3, n % 4]).collect();
    let acks: Vec<u8> = (0..30)
        .flat_map(|n| [if n % 2 == 0 { 0 } else { 18 }, n])
        .collect();
    let forks = [0, 0, 0, 0, 1, 5, 0, 1, 2, 5, 0, 0, 1, 0, 2];
    // Three withheld, two that build on them, then the withheld ones, the last first.
    let late = [
        0, 36, 0, 36, 1, 36, 2, 0, 3, 3, 1, 2, 1, 2, 7, 0, 2, 7, 0, 1, 7, 0, 0,
    ];
    // Bad parents, an outsider, the names of two that are to come, a parent that never comes.
    let odd = [
        [1, 0, 0, 0].as_slice(),
        &[0, 1, 6, 0, 0, 6, 1, 1, 6, 2, 2],
        &[198, 0],
        &[3, 1, 2, 8, 9, 3, 2, 1, 7, 8, 0, 0, 0],
    ]
    .concat();
    vec![
        Seed::new("acks", acks),
        Seed::new("forks", forks.to_vec()),
        Seed::new("late", late.to_vec()),
        Seed::new("odd", odd),
        Seed::new("talk", [&[0], talk.as_slice()].concat()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g3_g5_seeds_reach_forks_waiting_and_refusals() {
        let runs: Vec<Run> = seeds().iter().map(|seed| run(&seed.bytes)).collect();
        assert!(
            runs.iter().any(|run| run.transcript.len() >= 30),
            "talk that grows"
        );
        assert!(runs.iter().any(|run| !run.transcript.forks().is_empty()), "forks");
        assert!(
            runs.iter().any(|run| run.transcript.deferred_len() > 0),
            "messages that wait"
        );
        let refused = |run: &Run| {
            let waits = |entry: &Entry<u8>| run.transcript.is_deferred(&entry.id);
            run.offered
                .iter()
                .any(|entry| !waits(entry) && !run.transcript.contains(&entry.id))
        };
        assert!(runs.iter().any(refused), "refusals");
    }
}
