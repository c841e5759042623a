//! A policy: Alice alone decides who comes and who goes. Everybody has to have the same.
//!
//! `cargo run -p concilium --example moderators`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use concilium::gka::{Cliques, Identity};
use concilium::memory::Room;
use concilium::{
    ActionError, Change, Context, DefaultSession, MemberId, Moderators, SessionName, Settings, Time,
};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut random, mut room) = (getrandom::SysRng, Room::new(Time::ZERO));
    let mut people = Vec::new();
    for name in ["alice", "bob", "carol"] {
        people.push(Identity::generate(
            MemberId::new(name)?,
            &mut Context::new(room.now, &mut random),
        )?);
    }
    let trusted = people
        .iter()
        .map(|who| (who.member().clone(), *who.verifying_key()));
    let trusted: Arc<BTreeMap<_, _>> = Arc::new(trusted.collect());
    let (lecture, policy) = (
        SessionName::new("lecture")?,
        Moderators::new([MemberId::new("alice")?]),
    );
    let settings = Settings::default().policy(policy);
    let mut sessions = people.into_iter().map(|who| {
        let gka = Cliques::new(who, trusted.clone());
        DefaultSession::new(gka, lecture.clone(), settings.clone())
    });
    let (Some(mut alice), Some(mut bob), Some(mut carol)) =
        (sessions.next(), sessions.next(), sessions.next())
    else {
        return Err("there are three of them".into());
    };

    // They meet in a channel in memory; an application brings its own channel.
    for who in 0..3 {
        let all = [&mut alice, &mut bob, &mut carol];
        if let Some(session) = all.into_iter().nth(who) {
            session.join(&mut Context::new(room.now, &mut random))?;
        }
        room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);
    }
    let change = Change::include([bob.me().clone()]);
    alice.change(change, &mut Context::new(room.now, &mut random))?;
    room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);

    // Bob may talk and refresh the keys, but not bring Carol in. Were his program to try, nobody's would
    // follow.
    let change = Change::include([carol.me().clone()]);
    match bob.change(change.clone(), &mut Context::new(room.now, &mut random)) {
        Err(ActionError::Forbidden(forbidden)) => println!("bob: {forbidden}"),
        other => return Err(format!("this should be forbidden: {other:?}").into()),
    }
    alice.change(change, &mut Context::new(room.now, &mut random))?;
    room.settle(&mut [&mut alice, &mut bob, &mut carol], &mut random);
    assert_eq!(bob.members().to_string(), "alice bob carol");
    println!("alice may: {} are in the session", bob.members());
    Ok(())
}
