//! Key packages: ours with its private part, and those that others announced (K-14).

use std::collections::BTreeMap;
use std::fmt;

use concilium_core::keys::{Signature, SigningKey, VerifyingKey};
use concilium_core::{FramedHash, MemberId, SessionName, wire};
use concilium_gka::{Directory, Identity, MAX_MEMBERS, OpenError, Reason};
use mls_rs::MlsMessage;
use mls_rs::mls_rs_codec::{MlsDecode as _, MlsEncode as _};
use mls_rs_core::key_package::KeyPackageData;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::CIPHER_SUITE;
use crate::export::secret;
use crate::packet::{MAX_ANNOUNCEMENT_BYTES, read_message};
use crate::policy::member_of;

const CONTEXT: &str = "concilium 2026-11 v1 gka-mls announcement signature";

/// What is announced: a key package, for one session.
#[derive(Serialize, Deserialize)]
struct WireAnnouncement {
    #[serde(with = "wire::bytes")]
    key_package: Vec<u8>,
    /// As in the key package's leaf, which the library does not show: what its owner will sign messages with.
    signing: VerifyingKey,
    signature: Signature,
}

fn signed_bytes(
    session: &SessionName,
    from: &MemberId,
    key_package: &[u8],
    signing: &VerifyingKey,
) -> [u8; 64] {
    let mut bytes = [0; 64];
    FramedHash::new(CONTEXT)
        .field(session.as_bytes())
        .field(from.as_bytes())
        .field(key_package)
        .field(signing.as_bytes())
        .finish_into(&mut bytes);
    bytes
}

/// An announcement of ours.
pub(crate) fn announcement(
    identity: &Identity,
    session: &SessionName,
    key_package: Vec<u8>,
    signing: VerifyingKey,
) -> Vec<u8> {
    let signature = identity.sign(&signed_bytes(session, identity.member(), &key_package, &signing));
    wire::encode(&WireAnnouncement {
        key_package,
        signing,
        signature,
    })
}

/// All that was announced in one session.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Announcements {
    session: Option<SessionName>,
    own: Option<Own>,
    /// One each, the last; at most [`MAX_MEMBERS`].
    known: BTreeMap<MemberId, Known>,
}

/// Without the private part.
impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements")
            .field("known", &self.known.keys())
            .finish_non_exhaustive()
    }
}

/// Our key package, until a member has included us by it.
#[derive(Serialize, Deserialize)]
struct Own {
    #[serde(with = "wire::bytes")]
    announcement: Vec<u8>,
    #[serde(with = "wire::bytes")]
    reference: Vec<u8>,
    /// As the library encodes it, private keys included.
    #[serde(with = "secret")]
    data: Zeroizing<Vec<u8>>,
    signing: SigningKey,
}

/// Another member's key package.
#[derive(Serialize, Deserialize)]
struct Known {
    #[serde(with = "wire::bytes")]
    key_package: Vec<u8>,
    /// Tells whether it was used.
    signing: VerifyingKey,
}

/// What it takes to join by our key package.
pub(crate) struct Invitation {
    pub(crate) reference: Vec<u8>,
    pub(crate) data: KeyPackageData,
    pub(crate) signing: SigningKey,
}

impl Announcements {
    /// Our announcement in this session that no member has used.
    pub(crate) fn announced(&self, session: &SessionName) -> Option<Vec<u8>> {
        let own = self
            .own
            .as_ref()
            .filter(|_| self.session.as_ref() == Some(session));
        own.map(|own| own.announcement.clone())
    }

    /// Signs and keeps a new key package of ours. Returns the announcement.
    pub(crate) fn publish(
        &mut self,
        identity: &Identity,
        session: &SessionName,
        key_package: &MlsMessage,
        (reference, data): (Vec<u8>, KeyPackageData),
        signing: SigningKey,
    ) -> Option<Vec<u8>> {
        let key_package = key_package.to_bytes().ok()?;
        let announcement = announcement(identity, session, key_package, *signing.verifying_key());
        let data = Zeroizing::new(data.mls_encode_to_vec().ok()?);
        self.enter(session);
        self.own = Some(Own {
            announcement: announcement.clone(),
            reference,
            data,
            signing,
        });
        Some(announcement)
    }

    /// What was announced in another session is of no use in this one.
    fn enter(&mut self, session: &SessionName) {
        if self.session.as_ref() != Some(session) {
            *self = Self {
                session: Some(session.clone()),
                ..Self::default()
            };
        }
    }

    /// Takes note of another member's announcement.
    pub(crate) fn learn(
        &mut self,
        directory: &dyn Directory,
        session: &SessionName,
        from: &MemberId,
        announcement: &[u8],
    ) -> Result<(), OpenError> {
        let WireAnnouncement {
            key_package,
            signing,
            signature,
        } = wire::decode(announcement, MAX_ANNOUNCEMENT_BYTES)?;
        let identity = directory
            .identity_key(from)
            .ok_or_else(|| OpenError::UnknownIdentity(from.clone()))?;
        identity
            .verify(&signed_bytes(session, from, &key_package, &signing), &signature)
            .map_err(|_| OpenError::BadSignature(from.clone()))?;
        let message = read_message(&key_package).map_err(OpenError::Invalid)?;
        let package = message
            .as_key_package()
            .filter(|package| package.cipher_suite == CIPHER_SUITE)
            .ok_or(OpenError::Invalid(Reason::Malformed))?;
        if member_of(package.signing_identity()).as_ref() != Some(from) {
            return Err(OpenError::Invalid(Reason::WrongMembers));
        }
        self.enter(session);
        if self.known.len() >= MAX_MEMBERS && !self.known.contains_key(from) {
            return Err(OpenError::Invalid(Reason::Limit));
        }
        self.known.insert(from.clone(), Known { key_package, signing });
        Ok(())
    }

    /// The key package of a member to be included.
    pub(crate) fn of(&self, session: &SessionName, who: &MemberId) -> Option<MlsMessage> {
        let known = self
            .known
            .get(who)
            .filter(|_| self.session.as_ref() == Some(session))?;
        read_message(&known.key_package).ok()
    }

    /// What it takes to join by one of the key packages with these references.
    pub(crate) fn invitation<'a>(
        &self,
        session: &SessionName,
        mut references: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Invitation> {
        let own = self
            .own
            .as_ref()
            .filter(|_| self.session.as_ref() == Some(session))?;
        references
            .any(|reference| reference == own.reference)
            .then_some(())?;
        Some(Invitation {
            reference: own.reference.clone(),
            data: KeyPackageData::mls_decode(&mut own.data.as_slice()).ok()?,
            signing: own.signing.clone(),
        })
    }

    /// Erases used key packages: those by which these members, which sign with these keys now, were included.
    pub(crate) fn settle(&mut self, me: &MemberId, members: &BTreeMap<MemberId, VerifyingKey>) {
        self.known
            .retain(|who, known| members.get(who) != Some(&known.signing));
        let used = |own: &Own| members.get(me) == Some(own.signing.verifying_key());
        self.own = self.own.take().filter(|own| !used(own));
    }

    /// Forgets what a member announced that has left.
    pub(crate) fn forget(&mut self, who: &MemberId) {
        self.known.remove(who);
    }
}
