//! Another key agreement: two members talk with keys from Messaging Layer Security. Only the type and its
//! constructor change.
//!
//! `cargo run -p concilium --example swap_gka`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use concilium::encryptor::DefaultEncryptor;
use concilium::gka::Identity;
use concilium::memory::Room;
use concilium::mls::Mls;
use concilium::{Change, Context, MemberId, Session, SessionName, Settings, Time};

type Swapped = Session<Mls, DefaultEncryptor>;

fn main() -> Result<(), Box<dyn Error>> {
    // Who they are, and whose identity keys they trust.
    let (mut random, mut room) = (getrandom::SysRng, Room::new(Time::ZERO));
    let mut cx = Context::new(room.now, &mut random);
    let alice = Identity::generate(MemberId::new("alice")?, &mut cx)?;
    let bob = Identity::generate(MemberId::new("bob")?, &mut cx)?;
    let trusted = [&alice, &bob].map(|who| (who.member().clone(), *who.verifying_key()));
    let trusted = Arc::new(BTreeMap::from(trusted));
    let tea = SessionName::new("tea")?;
    let mut alice = Swapped::new(Mls::new(alice, trusted.clone()), tea.clone(), Settings::default());
    let mut bob = Swapped::new(Mls::new(bob, trusted), tea, Settings::default());

    // They meet in a channel in memory; an application brings its own channel.
    alice.join(&mut Context::new(room.now, &mut random))?;
    room.settle(&mut [&mut alice, &mut bob], &mut random);
    bob.join(&mut Context::new(room.now, &mut random))?;
    room.settle(&mut [&mut alice, &mut bob], &mut random);
    let change = Change::include([bob.me().clone()]);
    alice.change(change, &mut Context::new(room.now, &mut random))?;
    room.settle(&mut [&mut alice, &mut bob], &mut random);

    bob.send(b"hello", &mut Context::new(room.now, &mut random))?;
    room.settle(&mut [&mut alice, &mut bob], &mut random);
    let heard = alice
        .messages()
        .map(|message| String::from_utf8_lossy(message.body));
    let heard: Vec<_> = heard.collect();
    assert_eq!(heard, ["hello"]);
    println!("{} heard {heard:?}", alice.me());
    Ok(())
}
