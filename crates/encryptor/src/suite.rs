//! The names of suites, put together while compiling.

use crate::{Cipher, Padding};

/// The longest suite name, in bytes; longer ones do not compile.
const MAX_BYTES: usize = 64;

/// The name of a cipher and a padding together: `cipher+padding`.
pub(crate) struct Name<C, P>(std::marker::PhantomData<(C, P)>);

impl<C: Cipher, P: Padding> Name<C, P> {
    const BYTES: ([u8; MAX_BYTES], usize) = joined(&[C::NAME, "+", P::NAME]);

    pub(crate) const TEXT: &'static str = match std::str::from_utf8(Self::BYTES.0.split_at(Self::BYTES.1).0) {
        Ok(text) => text,
        Err(_) => "",
    };
}

/// The name of a ratchet with them: `ratchet+cipher+padding`.
pub(crate) struct RatchetName<C, P>(std::marker::PhantomData<(C, P)>);

impl<C: Cipher, P: Padding> RatchetName<C, P> {
    const BYTES: ([u8; MAX_BYTES], usize) = joined(&["ratchet+", C::NAME, "+", P::NAME]);

    pub(crate) const TEXT: &'static str = match std::str::from_utf8(Self::BYTES.0.split_at(Self::BYTES.1).0) {
        Ok(text) => text,
        Err(_) => "",
    };
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs while compiling: an index out of range is an error there"
)]
const fn joined(parts: &[&str]) -> ([u8; MAX_BYTES], usize) {
    let (mut bytes, mut len, mut part) = ([0; MAX_BYTES], 0, 0);
    while part < parts.len() {
        let text = parts[part].as_bytes();
        let mut at = 0;
        while at < text.len() {
            assert!(
                text[at].is_ascii_graphic() && text[at] != b'/',
                "names of ciphers and paddings are printable ASCII without a slash"
            );
            bytes[len] = text[at];
            (len, at) = (len + 1, at + 1);
        }
        part += 1;
    }
    (bytes, len)
}
