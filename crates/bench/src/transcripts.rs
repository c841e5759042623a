//! Inserting into a transcript and asking it.

use std::hint::black_box;
use std::time::Duration;

use concilium_core::{FramedHash, MemberId, MemberSet, MessageId, Time};
use concilium_transcript::{Entry, Transcript};
use peak_alloc::PeakAlloc;

use crate::measure::{Effort, elapsed, in_turn, least};
use crate::report::Row;

/// Cost per message from a thousand to a million messages, with 10 and 100 members; memory per message; and
/// questions about ancestors.
pub fn rows(effort: Effort, sizes: &[usize], memory: &PeakAlloc, report: &mut dyn FnMut(Row)) {
    for members in [10, 100] {
        let mut first = None;
        for &n in sizes {
            // As many messages in all for every size, so that small transcripts are measured as well as large
            // ones.
            let repeats = (sizes.last().copied().unwrap_or(n) / n).clamp(1, 50);
            let chats: Vec<_> = (0..repeats).map(|seed| chat(members, n, seed as u64)).collect();
            let mut costs: Vec<Duration> = Vec::new();
            let mut bytes = 0;
            for chat in chats {
                let entries = chat.clone();
                let mut transcript = Transcript::new(names(members));
                let before = memory.current_usage();
                let mut drained = entries.into_iter();
                let time = elapsed(|| {
                    for entry in drained.by_ref() {
                        drop(black_box(transcript.insert(entry, Time::ZERO).unwrap()));
                    }
                });
                // Each entry's list of parents moved in and was freed or kept; the entries' own array is
                // still here.
                let parents: usize = chat
                    .iter()
                    .map(|entry| entry.parents.capacity() * size_of::<MessageId>())
                    .sum();
                bytes = (memory.current_usage() + parents).saturating_sub(before);
                costs.push(time / u32::try_from(n).unwrap_or(u32::MAX));
                assert_eq!(transcript.len(), n);
                if Some(&n) == sizes.last() && costs.len() == 1 {
                    ancestors(effort, members, &transcript, &chat, report);
                }
            }
            let cost = least(costs);
            let base = *first.get_or_insert(cost);
            let name = format!("insert one of {n}, {members} members");
            report(Row::time(name, cost, base, format!("one of {}", sizes[0])).at_most(1.5));
            if n >= 10_000 {
                let name = format!("memory per message, {n}, {members} members");
                report(
                    Row::new(
                        name,
                        bytes as f64 / n as f64,
                        300.0,
                        "B",
                        "300 bytes beyond the body",
                    )
                    .at_most(1.0),
                );
            }
        }
    }
}

fn ancestors(
    effort: Effort,
    members: usize,
    transcript: &Transcript<()>,
    chat: &[Entry<()>],
    report: &mut dyn FnMut(Row),
) {
    let near = (chat[chat.len() - 5].id, chat[chat.len() - 1].id);
    let far = (chat[0].id, chat[chat.len() - 1].id);
    let [far, near] = in_turn(
        effort,
        [
            &mut || {
                black_box(
                    transcript
                        .is_ancestor(black_box(&far.0), black_box(&far.1))
                        .unwrap(),
                );
            },
            &mut || {
                black_box(
                    transcript
                        .is_ancestor(black_box(&near.0), black_box(&near.1))
                        .unwrap(),
                );
            },
        ],
    );
    let name = format!("ancestor query over {} messages, {members} members", chat.len());
    report(Row::time(name, far, near, "the same over 5"));
}

fn names(members: usize) -> MemberSet {
    (0..members).map(member).collect()
}

fn member(n: usize) -> MemberId {
    MemberId::new(format!("m{n:03}")).unwrap()
}

/// A conversation: a random member speaks next. It has seen all messages or, one time in four, not the last
/// one, so that the graph branches and merges.
fn chat(members: usize, messages: usize, seed: u64) -> Vec<Entry<()>> {
    let mut model = Transcript::new(names(members));
    let mut random = Lcg(seed.wrapping_add(1));
    let mut heads_before: Vec<MessageId> = Vec::new();
    let mut chat = Vec::with_capacity(messages);
    for n in 0..messages {
        let author = member(random.below(members));
        let heads = model.next_parents(&author);
        let own = model.last_of(&author).copied();
        let stale_fits = own.is_none_or(|own| {
            heads_before
                .iter()
                .any(|head| *head == own || model.is_ancestor(&own, head).unwrap_or(false))
        });
        let stale = random.below(4) == 0 && stale_fits;
        let parents = if stale {
            heads_before.clone()
        } else {
            heads.clone()
        };
        let id = FramedHash::new("concilium bench chat")
            .number(seed)
            .number(n as u64)
            .finish();
        let entry = Entry {
            id: MessageId::from_bytes(id),
            author,
            parents,
            ack_only: false,
            shown: true,
            weight: 0,
            body: (),
        };
        heads_before = heads;
        let _ = model.insert(entry.clone(), Time::ZERO).unwrap();
        chat.push(entry);
    }
    chat
}

/// A small generator: which member speaks need not be a secret, and must cost nothing.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}
