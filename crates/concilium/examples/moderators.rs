//! A policy: Alice alone decides who comes and who goes. Everybody has to have the same.
//!
//! `cargo run -p concilium --example moderators`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use concilium::encryptor::DefaultEncryptor;
use concilium::gka::Cliques;
use concilium::{ActionError, Change, MemberId, MemberSet, Moderators, SessionName, Settings};
use concilium_testkit::network::{Conduct, Network};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (alice, bob, carol) = (
        MemberId::new("alice")?,
        MemberId::new("bob")?,
        MemberId::new("carol")?,
    );
    let mut settings = Settings::default();
    settings.policy = Arc::new(Moderators::new([alice.clone()]));

    // Sessions over a channel in memory; an application brings its own channel.
    let members = [alice.clone(), bob.clone(), carol.clone()];
    let name = SessionName::new("lecture")?;
    let mut network =
        Network::<_, DefaultEncryptor>::new(members, name, settings, Cliques::new, 1, Conduct::default());

    network.command(&alice, |session, cx| session.join(cx))??;
    network.settle()?;
    network.command(&alice, |session, cx| {
        session.change(Change::include([bob.clone()]), cx)
    })??;
    network.settle()?;

    // Bob may talk and refresh the keys, but not bring Carol in. Were his program to try, nobody's would follow.
    let refused = network.command(&bob, |session, cx| {
        session.change(Change::include([carol.clone()]), cx)
    })?;
    match &refused {
        Err(ActionError::Forbidden(forbidden)) => println!("bob: {forbidden}"),
        other => return Err(format!("this should be forbidden: {other:?}").into()),
    }
    network.command(&alice, |session, cx| {
        session.change(Change::include([carol.clone()]), cx)
    })??;
    network.settle()?;

    let together = MemberSet::from_iter([alice.clone(), bob.clone(), carol]);
    assert_eq!(*network.session(&bob)?.members(), together);
    println!("alice may: {together} are in the session");
    Ok(())
}
