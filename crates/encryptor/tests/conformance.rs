//! The conformance kit (M-3, M-4, M-5, M-6, M-7, M-8) over every combination of cipher and padding that the
//! crate has.

use concilium_encryptor::{Aead, Aes256Gcm, Buckets, ChaCha20Poly1305, DefaultEncryptor, NoPadding, Ratchet};

mod default {
    use super::*;
    concilium_encryptor::encryptor_conformance!(DefaultEncryptor);
}

mod aes_unpadded {
    use super::*;
    concilium_encryptor::encryptor_conformance!(Aead<Aes256Gcm, NoPadding>, unpadded);
}

mod chacha {
    use super::*;
    concilium_encryptor::encryptor_conformance!(Aead<ChaCha20Poly1305, Buckets>);
}

mod chacha_unpadded {
    use super::*;
    concilium_encryptor::encryptor_conformance!(Aead<ChaCha20Poly1305, NoPadding>, unpadded);
}

mod ratchet {
    use super::*;
    concilium_encryptor::encryptor_conformance!(Ratchet<Aes256Gcm, Buckets>, forward_secret);
}

mod ratchet_chacha_unpadded {
    use super::*;
    concilium_encryptor::encryptor_conformance!(Ratchet<ChaCha20Poly1305, NoPadding>, unpadded, forward_secret);
}
