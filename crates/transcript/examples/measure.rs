//! Prints what an insertion costs in time, for small and large transcripts: `cargo run --release --example
//! measure`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::error::Error;
use std::time::Instant;

use concilium_core::{FramedHash, MemberId, MessageId, Time};
use concilium_transcript::{Entry, Transcript};

/// Everybody in turn, each having seen all but the last few messages.
fn run(members: usize, messages: usize) -> Result<f64, Box<dyn Error>> {
    let names = (0..members)
        .map(|i| MemberId::new(format!("member-{i:04}")))
        .collect::<Result<Vec<_>, _>>()?;
    let mut transcript = Transcript::new(names.iter().cloned().collect());
    let mut nanos = 0;
    for (i, author) in names.iter().cycle().take(messages).enumerate() {
        let hash = FramedHash::new("concilium example 2026 message");
        let entry = Entry {
            id: MessageId::from_bytes(hash.number(i as u64).finish()),
            author: author.clone(),
            parents: transcript.heads().copied().collect(),
            ack_only: false,
            shown: true,
            weight: 0,
            body: (),
        };
        let start = Instant::now();
        let _ = transcript.insert(entry, Time::ZERO)?;
        nanos += start.elapsed().as_nanos();
    }
    Ok(nanos as f64 / messages as f64)
}

fn main() -> Result<(), Box<dyn Error>> {
    for members in [10, 100] {
        for messages in [1_000, 10_000, 100_000, 1_000_000] {
            println!(
                "{members:4} members {messages:8} messages: {:7.0} ns a message",
                run(members, messages)?
            );
        }
    }
    Ok(())
}
