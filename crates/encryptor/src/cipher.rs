//! The cipher underneath, and how to swap it.

use std::fmt;

use aes_gcm::aead::consts::{U12, U16, U32};
use aes_gcm::aead::{AeadInOut, KeyInit};

/// Bytes of a cipher's key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a cipher's nonce.
pub const NONCE_BYTES: usize = 12;

/// Bytes of a cipher's tag.
pub const TAG_BYTES: usize = 16;

/// The tag is not the one of this ciphertext under this key and nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext was not made with this key")]
pub struct TagError;

/// Authenticated encryption with a 256-bit key, a 96-bit nonce and a 128-bit tag, in place.
///
/// [`Aead`](crate::Aead) gives every message a key and a nonce of its own, so a cipher may rely on no pair
/// being used twice. It need not commit to its key; see `docs/decisions/0005-key-commitment.md`.
pub trait Cipher {
    /// The cipher's name, a part of the suite's: printable ASCII without a slash.
    const NAME: &'static str;

    /// Encrypts the buffer in place and returns the tag over it and the associated data. Buffers are at most
    /// a few hundred kilobytes long.
    fn encrypt(
        key: &[u8; KEY_BYTES],
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> [u8; TAG_BYTES];

    /// Checks the tag, in constant time, and decrypts the buffer in place.
    ///
    /// # Errors
    /// The tag is another one. What is in the buffer then must not be used.
    fn decrypt(
        key: &[u8; KEY_BYTES],
        nonce: &[u8; NONCE_BYTES],
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), TagError>;
}

/// AES-256 in Galois/counter mode (NIST SP 800-38D): the default, fastest where the processor has AES.
pub struct Aes256Gcm(());

/// ChaCha20 with Poly1305 (RFC 8439): for processors without AES, fast and constant-time without tables.
pub struct ChaCha20Poly1305(());

macro_rules! cipher {
    ($name:ident, $suite:literal, $implementation:path) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($suite)
            }
        }

        impl Cipher for $name {
            const NAME: &'static str = $suite;

            fn encrypt(
                key: &[u8; KEY_BYTES],
                nonce: &[u8; NONCE_BYTES],
                associated_data: &[u8],
                buffer: &mut [u8],
            ) -> [u8; TAG_BYTES] {
                encrypt::<$implementation>(key, nonce, associated_data, buffer)
            }

            fn decrypt(
                key: &[u8; KEY_BYTES],
                nonce: &[u8; NONCE_BYTES],
                associated_data: &[u8],
                buffer: &mut [u8],
                tag: &[u8; TAG_BYTES],
            ) -> Result<(), TagError> {
                <$implementation>::new(key.into())
                    .decrypt_inout_detached(nonce.into(), associated_data, buffer.into(), tag.into())
                    .map_err(|_| TagError)
            }
        }
    };
}

cipher!(Aes256Gcm, "aes256gcm", aes_gcm::Aes256Gcm);
cipher!(
    ChaCha20Poly1305,
    "chacha20poly1305",
    chacha20poly1305::ChaCha20Poly1305
);

#[expect(
    clippy::expect_used,
    reason = "fails only beyond the cipher's own limit of 64 GiB or more"
)]
fn encrypt<A: KeyInit<KeySize = U32> + AeadInOut<NonceSize = U12, TagSize = U16>>(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    associated_data: &[u8],
    buffer: &mut [u8],
) -> [u8; TAG_BYTES] {
    A::new(key.into())
        .encrypt_inout_detached(nonce.into(), associated_data, buffer.into())
        .expect("buffers are short")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<C: Cipher>(
        key: [u8; 32],
        nonce: [u8; 12],
        associated: &[u8],
        plain: &[u8],
    ) -> (Vec<u8>, [u8; 16]) {
        let mut buffer = plain.to_vec();
        let tag = C::encrypt(&key, &nonce, associated, &mut buffer);
        let mut back = buffer.clone();
        assert_eq!(C::decrypt(&key, &nonce, associated, &mut back, &tag), Ok(()));
        assert_eq!(back, plain);
        for wrong in 0..16 {
            let mut bad = tag;
            bad[wrong] ^= 1;
            let mut back = buffer.clone();
            assert_eq!(
                C::decrypt(&key, &nonce, associated, &mut back, &bad),
                Err(TagError)
            );
        }
        (buffer, tag)
    }

    #[test]
    fn aes_256_gcm_is_the_one_of_the_gcm_specification() {
        // McGrew and Viega, "The Galois/Counter Mode of Operation", test case 14.
        let (ciphertext, tag) = round_trip::<Aes256Gcm>([0; 32], [0; 12], &[], &[0; 16]);
        assert_eq!(
            u128::from_be_bytes(ciphertext.try_into().unwrap()),
            0xcea7_403d_4d60_6b6e_074e_c5d3_baf3_9d18
        );
        assert_eq!(
            u128::from_be_bytes(tag),
            0xd0d1_c8a7_9999_6bf0_265b_98b5_d48a_b919
        );
    }

    #[test]
    fn chacha20_poly1305_is_the_one_of_rfc_8439() {
        // Section 2.8.2.
        let key = std::array::from_fn(|i| 0x80 + i as u8);
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let associated = [
            0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
        ];
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let (_, tag) = round_trip::<ChaCha20Poly1305>(key, nonce, &associated, plain);
        assert_eq!(
            u128::from_be_bytes(tag),
            0x1ae1_0b59_4f09_e26a_7e90_2ecb_d060_0691
        );
    }
}
