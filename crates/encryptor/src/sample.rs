//! What the tests within this crate start from.

use concilium_core::keys::{SigningKey, SubsessionKeys};
use concilium_core::testing::rng::seeded;
use concilium_core::{Context, MemberId, MemberMap, MessageId, Secret, SubsessionId, Time};

use crate::{Content, Kind, MessageEncryptor, Sealed, layout};

pub(crate) fn name(number: usize) -> MemberId {
    MemberId::new(format!("m{number:03}")).unwrap()
}

fn signing(number: usize) -> SigningKey {
    let mut seed = [7; 32];
    seed[0] = number as u8;
    seed[1] = (number >> 8) as u8;
    SigningKey::from_seed(&Secret::new(seed))
}

/// Everyone in a group of `size`, in subsession `subsession` with the group secret `secret`.
pub(crate) fn group<E: MessageEncryptor>(size: usize, subsession: u8, secret: u8) -> Vec<E> {
    let verifying = (0..size).map(|i| (name(i), *signing(i).verifying_key()));
    let verifying = verifying.collect::<MemberMap<_>>();
    let keys = |i| SubsessionKeys {
        subsession: SubsessionId::from_bytes([subsession; 32]),
        secret: Secret::new([secret; 32]),
        signing: signing(i),
        verifying: verifying.clone(),
    };
    (0..size).map(|i| E::new(&name(i), &keys(i)).unwrap()).collect()
}

pub(crate) fn ids(count: usize) -> Vec<MessageId> {
    (0..count)
        .map(|i| {
            let mut id = [9; 32];
            id[..2].copy_from_slice(&(i as u16).to_be_bytes());
            MessageId::from_bytes(id)
        })
        .collect()
}

pub(crate) fn content(parents: usize, body: &[u8]) -> Content {
    Content {
        kind: Kind::DATA,
        parents: ids(parents),
        confirmation: None,
        body: body.to_vec(),
    }
}

pub(crate) fn seal<E: MessageEncryptor>(by: &mut E, content: &Content, seed: u64) -> Sealed {
    by.seal(content, &mut Context::new(Time::ZERO, &mut seeded(seed)))
        .unwrap()
}

pub(crate) fn text(author: u16, content: &Content) -> Vec<u8> {
    let mut text = Vec::new();
    layout::write(author, false, content, &mut text);
    text
}
