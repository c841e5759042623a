//! What publishing a signing key is for (M-9): a member writes a transcript that nobody ever wrote, and no
//! check tells it from the real one.
//!
//! `cargo run -p concilium-encryptor --example forge`

#![allow(clippy::print_stdout, reason = "an example shows what comes of it")]

use std::collections::BTreeMap;
use std::error::Error;

use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{Context, MemberId, Secret, SubsessionId, Time};
use concilium_encryptor::{Content, DefaultEncryptor, Kind, MessageEncryptor};

/// What every member of a subsession knows of it.
struct Known {
    subsession: SubsessionId,
    secret: Secret<32>,
    verifying: BTreeMap<MemberId, VerifyingKey>,
}

impl Known {
    /// An encryptor for whoever has this signing key, by right or because it was published.
    fn speak_as(&self, who: &MemberId, signing: SigningKey) -> Result<DefaultEncryptor, Box<dyn Error>> {
        let keys = SubsessionKeys {
            subsession: self.subsession,
            secret: self.secret.clone(),
            signing,
            verifying: self.verifying.clone().into(),
        };
        Ok(DefaultEncryptor::new(who, &keys)?)
    }
}

/// Seals each line after the one before.
fn write(
    author: &mut DefaultEncryptor,
    lines: &[&str],
    cx: &mut Context<'_>,
) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let (mut packets, mut parents) = (Vec::new(), Vec::new());
    for line in lines {
        let content = Content {
            kind: Kind::DATA,
            parents,
            confirmation: None,
            body: line.as_bytes().to_vec(),
        };
        let sealed = author.seal(&content, cx)?;
        parents = vec![sealed.id];
        packets.push(sealed.packet);
    }
    Ok(packets)
}

/// What a judge reads who is given packets and all the keys: who said what, each message verified.
fn read(judge: &DefaultEncryptor, packets: &[Vec<u8>]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut transcript = Vec::new();
    for packet in packets {
        let opened = judge.open(packet)?;
        let says = String::from_utf8(opened.content.body)?;
        transcript.push(format!("{}: {says}", opened.author));
    }
    Ok(transcript)
}

/// The real transcript and the false one, as the judge reads them.
pub(crate) fn run() -> Result<[Vec<String>; 2], Box<dyn Error>> {
    let mut random = concilium_core::testing::rng::seeded(1); // a program takes the system's
    let cx = &mut Context::new(Time::ZERO, &mut random);
    let (alice, bob) = (MemberId::new("alice")?, MemberId::new("bob")?);
    let [of_alice, of_bob] = [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32])));
    let known = Known {
        subsession: SubsessionId::from_bytes([7; 32]),
        secret: Secret::new([8; 32]),
        verifying: BTreeMap::from([
            (alice.clone(), *of_alice.verifying_key()),
            (bob.clone(), *of_bob.verifying_key()),
        ]),
    };

    // Alice talks, finishes, and publishes what she signed with.
    let mut alices = known.speak_as(&alice, of_alice)?;
    let real = write(&mut alices, &["I like tea", "and nothing else"], cx)?;
    let control = alices.control_key(cx)?.ok_or("this encryptor signs")?;
    let finish = Content {
        kind: Kind::FINISH,
        parents: vec![],
        confirmation: None,
        body: control.as_bytes().to_vec(),
    };
    alices.seal(&finish, cx)?;
    let published = alices.retired_key().ok_or("she has finished")?;

    // Bob was there, so he has the group's secret. With the published key he is Alice, to whoever asks
    // afterwards.
    let mut forger = known.speak_as(&alice, SigningKey::from_seed(&published))?;
    let forged = write(&mut forger, &["I like coffee", "and nothing else"], cx)?;

    let judge = known.speak_as(&bob, of_bob)?;
    Ok([read(&judge, &real)?, read(&judge, &forged)?])
}

#[allow(dead_code, reason = "the test runs the rest")]
fn main() -> Result<(), Box<dyn Error>> {
    let [real, forged] = run()?;
    println!("One of these Alice wrote; the other Bob did, after she had published her key:\n");
    println!("{real:#?}\n{forged:#?}");
    println!(
        "\nEvery signature verifies. What Bob shows of this subsession proves to nobody that Alice wrote it, since he\n\
         could have made all of it. To Bob himself, who took each message before her finish, it was authentic. Making it\n\
         takes the group's secret: that some member wrote it is still shown."
    );
    Ok(())
}
