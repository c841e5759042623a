//! One crate alone: the transcript, in a program that has its own messages and its own cryptography.
//!
//! `cargo run -p concilium --example transcript_alone`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use concilium_core::{MemberId, MemberSet, MessageId, Time};
use concilium_transcript::{Entry, Transcript};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
    let mut transcript = Transcript::new(MemberSet::from_iter([alice.clone(), bob.clone()]));
    let (hello, hi) = (MessageId::from_bytes([1; 32]), MessageId::from_bytes([2; 32]));
    let entry = |id, author: &MemberId, parents, body: &'static str| Entry {
        id,
        author: author.clone(),
        parents,
        ack_only: false,
        shown: true,
        weight: body.len(),
        body,
    };

    // The answer comes first, and waits for what it answers.
    let _ = transcript.insert(entry(hi, &bob, vec![hello], "hi alice"), Time::ZERO)?;
    assert!(!transcript.contains(&hi));
    let _ = transcript.insert(entry(hello, &alice, vec![], "hello"), Time::ZERO)?;
    assert!(
        transcript.is_fully_acked(&hello)?,
        "bob answered, so bob has seen it"
    );
    for message in transcript.iter() {
        println!("{}: {}", message.author, message.body);
    }
    Ok(())
}
