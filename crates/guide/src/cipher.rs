//! A cipher for concilium: AES-256-GCM-SIV, and a padding policy to go with it.

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use concilium_encryptor::{Aead, Cipher, KEY_BYTES, NONCE_BYTES, Padding, TAG_BYTES, TagError};

/// AES-256 in GCM-SIV mode (RFC 8452): a nonce that comes twice tells that a message came twice, and nothing
/// else.
#[derive(Debug)]
pub struct Aes256GcmSiv(());

impl Cipher for Aes256GcmSiv {
    const NAME: &'static str = "aes256gcmsiv";

    #[expect(
        clippy::expect_used,
        reason = "fails only beyond the cipher's own limit of 64 GiB"
    )]
    fn encrypt(
        key: &[u8; KEY_BYTES],
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        aes_gcm_siv::Aes256GcmSiv::new(key.into())
            .encrypt_inout_detached(nonce.into(), associated_data, buffer.into())
            .expect("buffers are short")
            .into()
    }

    fn decrypt(
        key: &[u8; KEY_BYTES],
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), TagError> {
        aes_gcm_siv::Aes256GcmSiv::new(key.into())
            .decrypt_inout_detached(nonce.into(), associated_data, buffer.into(), tag.into())
            .map_err(|_| TagError)
    }
}

/// To 256 bytes, or to the next quarter of a power of two: a long packet is at most a quarter longer than
/// what it holds.
#[derive(Debug)]
pub struct Quarters(());

impl Padding for Quarters {
    const NAME: &'static str = "quarters";

    fn padded(len: usize) -> usize {
        /// A short message with a few parents fits the smallest packet.
        const SMALLEST: usize = 256;
        let len = len.max(SMALLEST);
        let step = (1 << len.ilog2()) / 4;
        len.next_multiple_of(step)
    }
}

/// What a session takes as its second type parameter.
pub type SivEncryptor = Aead<Aes256GcmSiv, Quarters>;

#[cfg(test)]
mod conformance {
    concilium_encryptor::encryptor_conformance!(super::SivEncryptor);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::error::Error;
    use std::sync::Arc;

    use super::*;
    use concilium::gka::{Cliques, Identity};
    use concilium::memory::Room;
    use concilium::{Change, Context, MemberId, MessageEncryptor as _, Session, SessionName, Settings, Time};
    use concilium_core::testing::rng::seeded;

    #[test]
    fn it_is_the_cipher_of_rfc_8452() {
        // Appendix C.2, the second vector.
        let (mut key, mut nonce, mut buffer) = ([0; 32], [0; 12], [0; 8]);
        (key[0], nonce[0], buffer[0]) = (1, 3, 1);
        let tag = Aes256GcmSiv::encrypt(&key, &nonce, &[], &mut buffer);
        assert_eq!(u64::from_be_bytes(buffer), 0xc2ef_328e_5c71_c83b);
        assert_eq!(
            u128::from_be_bytes(tag),
            0x8431_2213_0f73_64b7_61e0_b974_27e3_df28
        );
    }

    #[test]
    fn quarters_only_grow_and_waste_little() {
        let mut last = 0;
        for len in 0..100_000 {
            let padded = Quarters::padded(len);
            assert!(padded >= len.max(last), "{len}");
            assert!(padded <= (len + len / 4).max(256), "{len}");
            last = padded;
        }
    }

    #[test]
    fn two_talk_under_it() -> Result<(), Box<dyn Error>> {
        assert_eq!(SivEncryptor::SUITE, "aes256gcmsiv+quarters");
        let mut random = seeded(1);
        let people = ["alice", "bob"].map(|name| {
            let me = MemberId::new(name).unwrap();
            Identity::generate(me, &mut Context::new(Time::ZERO, &mut random)).unwrap()
        });
        let trusted = people
            .each_ref()
            .map(|who| (who.member().clone(), *who.verifying_key()));
        let trusted = Arc::new(BTreeMap::from(trusted));
        let [mut alice, mut bob] = people.map(|who| {
            let gka = Cliques::new(who, trusted.clone());
            Session::<_, SivEncryptor>::new(gka, SessionName::new("tea").unwrap(), Settings::default())
        });

        let mut room = Room::new(Time::ZERO);
        alice.join(&mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob], &mut random);
        bob.join(&mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob], &mut random);
        let change = Change::include([bob.me().clone()]);
        alice.change(change, &mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob], &mut random);
        alice.send(b"hello", &mut Context::new(room.now, &mut random))?;
        room.settle(&mut [&mut alice, &mut bob], &mut random);
        let heard: Vec<_> = bob.messages().map(|message| message.body.to_vec()).collect();
        assert_eq!(heard, [b"hello".to_vec()]);
        Ok(())
    }
}
