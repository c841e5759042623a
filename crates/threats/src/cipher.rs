//! The ciphers once more, after `docs/spec/encryptor.md`, for an attacker that has keys and keeps to no rule.
//! They open without verifying, and seal in any name, with any signature.

use std::collections::BTreeMap;

use blake3::Hasher;
use concilium_core::keys::{Signature, SigningKey, VerifyingKey};
use concilium_core::{FramedHash, MemberId, Secret, SubsessionId, packet, wire};
use concilium_encryptor::{
    Aes256Gcm, Buckets, ChaCha20Poly1305, Cipher as _, MessageEncryptor, Padding as _,
};
use concilium_parts::UseCipher;
use concilium_test_parts::Cipher;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const SALT_BYTES: usize = 12;
const SIGNATURE_BYTES: usize = 64;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 38;
const CHECKSUM_BYTES: usize = 32;

/// The most messages of one author that a run has; chains are wound no further.
const MAX_GENERATIONS: u32 = 512;

type Salt = [u8; SALT_BYTES];

/// The part of an exported state that every cipher has.
#[derive(Serialize, Deserialize)]
struct Party {
    me: MemberId,
    subsession: SubsessionId,
    #[serde(with = "wire::list")]
    members: Vec<(MemberId, VerifyingKey)>,
    signing: SigningKey,
    control: Option<SigningKey>,
    retired: bool,
    controls: BTreeMap<u16, VerifyingKey>,
    message_id: Secret<32>,
    salt: Secret<32>,
    exporter: Secret<32>,
    commitment: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct KeptKey {
    secret: Secret<32>,
    used: bool,
}

/// One author's chain of the ratchet.
#[derive(Serialize, Deserialize)]
struct Chain {
    secret: Secret<32>,
    next: u32,
    kept: BTreeMap<u32, KeptKey>,
}

/// What message keys come from.
enum Roots {
    Message(Secret<32>),
    Ratchet { header: Secret<32>, chains: Vec<Chain> },
}

/// The secrets that sign and name messages. An attacker with only the group secret of a subsession lacks
/// them.
struct Pen {
    members: Vec<(MemberId, VerifyingKey)>,
    signing: SigningKey,
    message_id: Secret<32>,
    binding: [u8; 32],
}

/// The keys of one subsession, as a member holds them.
pub(crate) struct SubsessionLoot {
    cipher: Cipher,
    roots: Roots,
    pen: Option<Pen>,
}

/// What a packet says.
pub(crate) struct Text {
    pub(crate) signature: [u8; SIGNATURE_BYTES],
    /// The author's place, kind, parents, body: as it is signed.
    pub(crate) bytes: Vec<u8>,
}

impl Text {
    /// The author's place among the members.
    pub(crate) fn author(&self) -> usize {
        self.bytes[0].into()
    }

    /// The body, of members up to the 250th and messages of few parents.
    pub(crate) fn body(&self) -> &[u8] {
        let confirmed = if self.bytes[1] & 0x80 == 0 { 0 } else { 64 };
        &self.bytes[3 + 32 * usize::from(self.bytes[2]) + confirmed..]
    }

    /// The same with another author and another body.
    pub(crate) fn retold(&self, author: usize, body: &[u8]) -> Vec<u8> {
        let kept = self.bytes.len() - self.body().len();
        let mut bytes = [&self.bytes[..kept], body].concat();
        bytes[0] = u8::try_from(author).unwrap();
        bytes
    }
}

/// The name of a cipher's suite.
struct SuiteName;

impl UseCipher for SuiteName {
    type Output = &'static str;

    fn with<E: MessageEncryptor + Send + 'static>(self) -> &'static str {
        E::SUITE
    }
}

fn keyed<const N: usize>(key: &Secret<32>, input: &[u8]) -> [u8; N] {
    let mut output = [0; N];
    Hasher::new_keyed(key.expose())
        .update(input)
        .finalize_xof()
        .fill(&mut output);
    output
}

fn halves(bytes: [u8; 64]) -> (Secret<32>, Secret<32>) {
    let (first, last) = bytes.split_at(32);
    (
        Secret::new(first.try_into().unwrap()),
        Secret::new(last.try_into().unwrap()),
    )
}

impl Chain {
    /// The secret of a generation, if it has not gone.
    fn secret(&self, generation: u32) -> Option<Secret<32>> {
        if generation < self.next {
            return self.kept.get(&generation).map(|kept| kept.secret.clone());
        }
        if generation > self.next + MAX_GENERATIONS {
            return None;
        }
        let mut chain = self.secret.clone();
        for _ in self.next..generation {
            chain = halves(keyed(&chain, b"ratchet")).1;
        }
        Some(halves(keyed(&chain, b"ratchet")).0)
    }
}

impl SubsessionLoot {
    /// Everything that an encryptor's export holds, if these bytes are one.
    pub(crate) fn of_export(cipher: Cipher, bytes: &[u8]) -> Option<Self> {
        let suite = cipher.with(SuiteName);
        let (exported, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
        let hash = FramedHash::new("concilium 2026-11 v1 encryptor export")
            .field(suite.as_bytes())
            .field(exported)
            .finish();
        if hash != *checksum {
            return None;
        }
        let state = &exported[1..];
        let (party, roots) = if cipher == Cipher::Ratchet {
            #[derive(Serialize, Deserialize)]
            struct State(Party, Secret<32>, #[serde(with = "wire::list")] Vec<Chain>);
            let State(party, header, chains) = wire::decode(state, state.len()).unwrap();
            (party, Roots::Ratchet { header, chains })
        } else {
            let (party, message) = wire::decode::<(Party, Secret<32>)>(state, state.len()).unwrap();
            (party, Roots::Message(message))
        };
        let binding = party.members.iter().fold(
            FramedHash::new("concilium 2026-11 v1 encryptor binding")
                .field(suite.as_bytes())
                .field(party.subsession.as_bytes())
                .field(&party.commitment)
                .number(party.members.len() as u64),
            |hash, (member, key)| hash.field(member.as_bytes()).field(key.as_bytes()),
        );
        Some(Self {
            cipher,
            roots,
            pen: Some(Pen {
                members: party.members,
                signing: party.signing,
                message_id: party.message_id,
                binding: binding.finish(),
            }),
        })
    }

    /// The reader of a subsession with this many members, from its group secret.
    pub(crate) fn of_group_secret(
        cipher: Cipher,
        subsession: &SubsessionId,
        secret: &Secret<32>,
        members: usize,
    ) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(subsession.as_bytes()), secret.expose());
        let expand = |label: &str| {
            let mut output = [0; 32];
            let info = format!(
                "concilium 2026-11 v1 encryptor/{}/{label}",
                cipher.with(SuiteName)
            );
            hkdf.expand(info.as_bytes(), &mut output).unwrap();
            Secret::new(output)
        };
        let roots = if cipher == Cipher::Ratchet {
            let root = expand("ratchet root");
            let chain = |author: usize| Chain {
                secret: Secret::new(keyed(&root, &u16::try_from(author).unwrap().to_le_bytes())),
                next: 0,
                kept: BTreeMap::new(),
            };
            Roots::Ratchet {
                header: expand("header key"),
                chains: (0..members).map(chain).collect(),
            }
        } else {
            Roots::Message(expand("message key"))
        };
        Self {
            cipher,
            roots,
            pen: None,
        }
    }

    /// What a member's packet, frame and all, says; without verifying anything but the tag.
    pub(crate) fn open(&self, bytes: &[u8]) -> Option<Text> {
        let Ok((packet::PacketKind::Message, body)) = packet::read(bytes) else {
            return None;
        };
        let (salt, rest) = body.split_first_chunk::<SALT_BYTES>()?;
        let (header, secret, rest) = match &self.roots {
            Roots::Message(secret) => (&[][..], secret.clone(), rest),
            Roots::Ratchet { header: key, chains } => {
                let (masked, rest) = rest.split_at_checked(HEADER_BYTES)?;
                let header = mask(key, salt, masked);
                let author = u16::from_le_bytes(header[..2].try_into().unwrap());
                let generation = u32::from_le_bytes(header[2..6].try_into().unwrap());
                (masked, chains.get(usize::from(author))?.secret(generation)?, rest)
            }
        };
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut plain = ciphertext.to_vec();
        self.decrypt(&secret, salt, header, &mut plain, tag)?;
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        let (signature, text) = plain[..end].split_first_chunk()?;
        Some(Text {
            signature: *signature,
            bytes: text.to_vec(),
        })
    }

    fn decrypt(
        &self,
        secret: &Secret<32>,
        salt: &Salt,
        header: &[u8],
        plain: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Option<()> {
        let (key, nonce) = message_key(secret, salt);
        let associated = associated(header);
        match self.cipher {
            Cipher::ChaCha20Poly1305 => ChaCha20Poly1305::decrypt(&key, &nonce, &associated, plain, tag).ok(),
            _ => Aes256Gcm::decrypt(&key, &nonce, &associated, plain, tag).ok(),
        }
    }

    /// The members of the subsession, by their places.
    pub(crate) fn place(&self, who: &MemberId) -> Option<usize> {
        self.pen
            .as_ref()?
            .members
            .iter()
            .position(|(member, _)| member == who)
    }

    /// The key that the owner of these keys signs with.
    pub(crate) fn signing(&self) -> Option<&SigningKey> {
        self.pen.as_ref().map(|pen| &pen.signing)
    }

    /// Seals a text in its author's name: framed, at the author's next place if there are chains, under a
    /// signature that may depend on the bytes to be signed.
    pub(crate) fn seal(
        &self,
        text: &[u8],
        salt: Salt,
        sign: impl Fn(&[u8; SIGNATURE_BYTES]) -> Signature,
    ) -> Option<Vec<u8>> {
        let pen = self.pen.as_ref()?;
        let author = u16::from(text[0]);
        let (secret, generation) = match &self.roots {
            Roots::Message(secret) => (secret.clone(), None),
            Roots::Ratchet { chains, .. } => {
                let chain = chains.get(usize::from(author))?;
                (chain.secret(chain.next)?, Some(chain.next))
            }
        };
        let signed = generation.map(u32::to_le_bytes);
        let mut digest = [0; SIGNATURE_BYTES];
        Hasher::new_derive_key("concilium 2026-11 v1 encryptor message signature")
            .update(text)
            .update(&pen.binding)
            .update(signed.as_ref().map_or(&[], |bytes| bytes))
            .update(&salt)
            .finalize_xof()
            .fill(&mut digest);
        let signature = sign(&digest);
        let mut plain = [signature.as_bytes(), text, &[0x80]].concat();
        plain.resize(Buckets::padded(plain.len()), 0);
        let header = match (&self.roots, generation) {
            (Roots::Ratchet { header: key, .. }, Some(generation)) => {
                let length = SALT_BYTES + HEADER_BYTES + plain.len() + TAG_BYTES;
                let named = [
                    &salt[..],
                    &digest,
                    signature.as_bytes(),
                    &(length as u64).to_le_bytes(),
                ];
                let id: [u8; 32] = keyed(&pen.message_id, &named.concat());
                let clear = [&author.to_le_bytes()[..], &generation.to_le_bytes(), &id].concat();
                mask(key, &salt, &clear)
            }
            _ => Vec::new(),
        };
        let (key, nonce) = message_key(&secret, &salt);
        let associated = associated(&header);
        let tag = match self.cipher {
            Cipher::ChaCha20Poly1305 => ChaCha20Poly1305::encrypt(&key, &nonce, &associated, &mut plain),
            _ => Aes256Gcm::encrypt(&key, &nonce, &associated, &mut plain),
        };
        let body = [&salt[..], &header, &plain, &tag].concat();
        Some(packet::frame(packet::PacketKind::Message, &body))
    }
}

fn message_key(secret: &Secret<32>, salt: &Salt) -> ([u8; 32], [u8; 12]) {
    let bytes: [u8; 44] = keyed(secret, salt);
    let (key, nonce) = bytes.split_at(32);
    (key.try_into().unwrap(), nonce.try_into().unwrap())
}

fn associated(header: &[u8]) -> Vec<u8> {
    [&packet::header(packet::PacketKind::Message)[..], header].concat()
}

fn mask(key: &Secret<32>, salt: &Salt, bytes: &[u8]) -> Vec<u8> {
    let mask: [u8; HEADER_BYTES] = keyed(key, salt);
    bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}
