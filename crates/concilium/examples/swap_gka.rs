//! Another key agreement: two members talk with keys that one of them dictates, in one packet for each operation. (A
//! teaching piece of the testkit, as unlike the default as can be.) Only the type and its constructor change.
//!
//! `cargo run -p concilium --example swap_gka`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use concilium::encryptor::DefaultEncryptor;
use concilium::{Change, MemberId, SessionName, Settings};
use concilium_testkit::gka::Dictator;
use concilium_testkit::network::{Conduct, Network};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
    let members = [alice.clone(), bob.clone()];
    let name = SessionName::new("tea")?;
    // Sessions over a channel in memory; an application brings its own channel.
    let mut network = Network::<_, DefaultEncryptor>::new(
        members,
        name,
        Settings::default(),
        Dictator::new,
        1,
        Conduct::default(),
    );

    network.command(&alice, |session, cx| session.join(cx))??;
    network.settle()?;
    network.command(&alice, |session, cx| {
        session.change(Change::include([bob.clone()]), cx)
    })??;
    network.settle()?;
    network.command(&bob, |session, cx| session.send(b"hello", cx))??;
    network.settle()?;

    let session = network.session(&alice)?;
    let heard: Vec<_> = session
        .messages()
        .map(|message| String::from_utf8_lossy(message.body))
        .collect();
    assert_eq!(heard, ["hello"]);
    println!("{} heard {:?}", session.me(), heard);
    Ok(())
}
