//! Another cipher: two members talk under ChaCha20-Poly1305 without padding. Only the type changes.
//!
//! `cargo run -p concilium --example swap_cipher`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use concilium::encryptor::{Aead, ChaCha20Poly1305, NoPadding};
use concilium::gka::Cliques;
use concilium::{Change, MemberId, SessionName, Settings};
use concilium_testkit::network::{Conduct, Network};

type Cipher = Aead<ChaCha20Poly1305, NoPadding>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
    let members = [alice.clone(), bob.clone()];
    let name = SessionName::new("tea")?;
    // Sessions over a channel in memory; an application brings its own channel.
    let mut network = Network::<_, Cipher>::new(
        members,
        name,
        Settings::default(),
        Cliques::new,
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
