//! decoding uses memory in proportion to its input, whatever lengths the input announces.
//!
//! One test, because the allocator counts for the whole process.

use concilium_core::channel::ChannelEvent;
use concilium_core::testing::memory::{PeakAlloc, peak};
use concilium_core::{Change, MemberId, MemberSet, wire};
use serde::{Deserialize, Serialize};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[derive(Serialize, Deserialize)]
struct Everything {
    #[serde(with = "wire::text")]
    text: String,
    #[serde(with = "wire::bytes")]
    bytes: Vec<u8>,
    #[serde(with = "wire::list")]
    list: Vec<[u8; 32]>,
    members: MemberSet,
}

/// For errors and other things that do not grow.
const SMALL: usize = 1024;

#[test]
fn a37_memory_is_at_most_a_constant_times_the_input() {
    // Lengths of a byte, two, four and eight bytes, each as great as it can be, in every place that has one.
    let lengths: [&[u8]; 4] = [
        &[250],
        &[251, 255, 255],
        &[252, 255, 255, 255, 255],
        &[253, 255, 255, 255, 255, 255, 255, 255, 127],
    ];
    for length in lengths {
        for place in 0..4 {
            let bomb: Vec<u8> = [vec![0; place], length.to_vec(), vec![1; 40]].concat();
            let held = [
                peak(&MEMORY, || wire::decode::<Everything>(&bomb, bomb.len()).is_err()),
                peak(&MEMORY, || wire::decode::<MemberSet>(&bomb, bomb.len()).is_err()),
                peak(&MEMORY, || wire::decode::<Change>(&bomb, bomb.len()).is_err()),
                peak(&MEMORY, || wire::decode::<MemberId>(&bomb, bomb.len()).is_err()),
                peak(&MEMORY, || {
                    wire::decode::<ChannelEvent>(&bomb, bomb.len()).is_err()
                }),
            ];
            let bound = 16 * bomb.len() + SMALL;
            assert!(
                held.iter().all(|held| *held <= bound),
                "{held:?} bytes for {length:?} at {place}"
            );
        }
    }

    let members: MemberSet = (0..1000_u32)
        .map(|n| MemberId::new(n.to_be_bytes()).unwrap())
        .collect();
    let everything = Everything {
        text: "x".repeat(5000),
        bytes: vec![2; 5000],
        list: vec![[3; 32]; 500],
        members,
    };
    let bytes = wire::encode(&everything);
    let held = peak(&MEMORY, || {
        wire::decode::<Everything>(&bytes, bytes.len()).is_ok()
    });
    assert!(held <= 16 * bytes.len() + SMALL, "{held} for {}", bytes.len());
}
