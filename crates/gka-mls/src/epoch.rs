//! The library's group at one epoch, and what the contract wants to know of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use concilium_core::keys::{SigningKey, VerifyingKey};
use concilium_core::{FramedHash, MemberId, MemberSet, Secret, SubsessionId, wire};
use concilium_gka::{AssociatedData, Directory, Identity, Reason};
use hkdf::Hkdf;
use mls_rs::client_builder::{
    BaseConfig, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider, WithKeyPackageRepo,
    WithMlsRules,
};
use mls_rs::error::MlsError;
use mls_rs::extension::ExtensionType;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::BasicCredential;
use mls_rs::time::MlsTime;
use mls_rs::{Extension, ExtensionList};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::{CIPHER_SUITE, Suite};
use crate::desk::{Desk, Things};
use crate::policy::{Rules, Trust, member_of};

/// The library's settings, as a type.
type Config = WithMlsRules<
    Rules,
    WithCryptoProvider<
        Suite,
        WithIdentityProvider<Trust, WithKeyPackageRepo<Desk, WithGroupStateStorage<Desk, BaseConfig>>>,
    >,
>;

/// The library's client: makes key packages, founds groups, joins them.
pub type Client = mls_rs::Client<Config>;

/// The library's group.
pub type Group = mls_rs::Group<Config>;

/// The library, set up for the member with this identity.
pub fn client(identity: &Identity, directory: Arc<dyn Directory>, desk: &Desk) -> Client {
    let credential = BasicCredential::new(identity.member().as_bytes().to_vec()).into_credential();
    let verifying = identity.verifying_key().as_bytes().to_vec();
    mls_rs::Client::builder()
        .group_state_storage(desk.clone())
        .key_package_repo(desk.clone())
        .identity_provider(Trust(directory))
        .crypto_provider(Suite::new(identity.clone(), desk.clone()))
        .mls_rules(Rules)
        .extension_type(SIGNING_KEY)
        .key_package_lifetime(UNLIMITED)
        .signing_identity(
            SigningIdentity::new(credential, verifying.into()),
            Suite::signer(identity),
            CIPHER_SUITE,
        )
        .build()
}

/// The lifetime in a key package: the longest possible. It is really valid while its owner is in the channel
/// (K-14). Half of the largest value, so that no sum overflows.
const UNLIMITED: Duration = Duration::from_secs(u64::MAX / 2);

/// The library's time, in every call. Nothing here has a lifetime: a key package is valid until it was used
/// or its owner has left the channel.
pub fn no_time() -> MlsTime {
    MlsTime::from(0_u64)
}

/// The extension of a leaf that holds the member's verifying key for messages: 32 bytes. From the range for
/// private use (RFC 9420, section 17.3).
pub(crate) const SIGNING_KEY: ExtensionType = ExtensionType::new(0xFC0D);

/// The extensions of a leaf whose member will sign with this key.
pub fn leaf_extensions(key: &VerifyingKey) -> ExtensionList {
    let mut extensions = ExtensionList::new();
    extensions.set(Extension::new(SIGNING_KEY, key.as_bytes().to_vec()));
    extensions
}

/// The key in the extensions of a leaf.
pub(crate) fn verifying_key(extensions: &ExtensionList) -> Result<VerifyingKey, Reason> {
    let extension = extensions.get(SIGNING_KEY).ok_or(Reason::BadKey)?;
    let bytes = <&[u8; 32]>::try_from(extension.extension_data()).map_err(|_| Reason::BadKey)?;
    VerifyingKey::from_bytes(bytes).map_err(|_| Reason::BadKey)
}

/// The members of the group.
pub(crate) fn members(group: &Group) -> MemberSet {
    let roster = group.roster();
    roster.member_identities_iter().filter_map(member_of).collect()
}

/// The member at a leaf.
pub(crate) fn member_at(group: &Group, leaf: u32) -> Option<MemberId> {
    member_of(&group.member_at_index(leaf)?.signing_identity)
}

/// The verifying keys of all members (K-11: no two are equal, and no member is in twice). `known` are keys
/// read earlier from leaves that have not changed: to read a key costs a square root.
fn verifying_keys(
    group: &Group,
    known: impl Fn(&MemberId) -> Option<VerifyingKey>,
) -> Result<BTreeMap<MemberId, VerifyingKey>, Reason> {
    let (mut keys, mut distinct) = (BTreeMap::new(), BTreeSet::new());
    for identity in group.roster().member_identities_iter() {
        let who = member_of(identity).ok_or(Reason::WrongMembers)?;
        let key = match known(&who) {
            Some(key) => key,
            None => {
                let member = group.member_with_identity(who.as_bytes());
                verifying_key(&member.map_err(|_| Reason::WrongMembers)?.extensions)?
            }
        };
        if !distinct.insert(key) || keys.insert(who, key).is_some() {
            return Err(Reason::Duplicate);
        }
    }
    Ok(keys)
}

const DATA: &str = "concilium 2026-11 v1 gka-mls associated data";

/// The associated data in MLS: the authenticated data of the commit, and the context of exports (K-6).
pub(crate) fn digest(data: &AssociatedData) -> [u8; 32] {
    FramedHash::new(DATA).field(&wire::encode(data)).finish()
}

/// The label under which the library exports.
const EXPORTER: &[u8] = b"concilium 2026-11 v1 gka-mls exporter";
/// The values made from its exports.
const CHECK: &[u8] = b"concilium 2026-11 v1 gka-mls check";
const GROUP_SECRET: &[u8] = b"concilium 2026-11 v1 gka-mls group secret";
const SUBSESSION: &[u8] = b"concilium 2026-11 v1 gka-mls subsession id";

/// What an epoch yields for the subsession.
pub(crate) struct Derived {
    /// Stands in the packet in the clear. Two members that derive the same check have the same exporter
    /// secret and associated data, or have found a collision of HMAC with SHA-256 (K-7).
    pub(crate) check: [u8; 32],
    pub(crate) secret: Secret<32>,
    pub(crate) subsession: SubsessionId,
}

impl Derived {
    pub(crate) fn of(group: &Group, digest: &[u8; 32]) -> Result<Self, MlsError> {
        let exported = group.export_secret(EXPORTER, digest, 32)?;
        let hkdf = Hkdf::<Sha256>::from_prk(exported.as_bytes()).map_err(|_| MlsError::ExporterDeleted)?;
        let expand = |label: &[u8], bytes: &mut [u8; 32]| {
            hkdf.expand(label, bytes).map_err(|_| MlsError::ExporterDeleted)
        };
        let (mut check, mut subsession, mut secret) = ([0; 32], [0; 32], Secret::zeroed());
        expand(CHECK, &mut check)?;
        expand(SUBSESSION, &mut subsession)?;
        expand(GROUP_SECRET, secret.expose_mut())?;
        Ok(Self {
            check,
            secret,
            subsession: SubsessionId::from_bytes(subsession),
        })
    }
}

/// The group at the epoch that an operation leads to, seen through.
pub(crate) struct Epoch {
    pub(crate) group: Box<Group>,
    pub(crate) signing: SigningKey,
    pub(crate) verifying: BTreeMap<MemberId, VerifyingKey>,
    pub(crate) derived: Derived,
}

impl Epoch {
    /// Checks a group that an operation with these data has led to. `known` are the verifying keys of members
    /// whose leaves the operation has not changed.
    pub(crate) fn new(
        mut group: Box<Group>,
        signing: SigningKey,
        me: &MemberId,
        data: &AssociatedData,
        digest: &[u8; 32],
        known: impl Fn(&MemberId) -> Option<VerifyingKey>,
    ) -> Result<Self, Reason> {
        let verifying = verifying_keys(&group, known)?;
        // K-6: MLS and the associated data agree on the members.
        if verifying.len() != data.after.len() || !verifying.keys().eq(data.after.iter()) {
            return Err(Reason::WrongMembers);
        }
        if verifying.get(me) != Some(signing.verifying_key()) {
            return Err(Reason::ContributionChanged);
        }
        let derived = Derived::of(&group, digest).map_err(|_| Reason::KeyMismatch)?;
        // The subsession keeps or forgets the derived keys; the state for the next operation does not reveal
        // them.
        group.delete_exporter();
        Ok(Self {
            group,
            signing,
            verifying,
            derived,
        })
    }
}

/// The group as the library stores it.
pub(crate) fn store(group: &Group, desk: &Desk) -> Zeroizing<Vec<u8>> {
    let mut group = group.clone();
    let (written, things) = desk.with(Things::default(), || group.write_to_storage());
    // The desk accepts every value, and a group in memory can be encoded. If either failed, the export would
    // be empty and would not restore.
    let stored = things.group.filter(|_| written.is_ok());
    stored.unwrap_or_default()
}

/// Reads it back.
pub(crate) fn load(client: &Client, desk: &Desk, stored: Zeroizing<Vec<u8>>) -> Result<Box<Group>, MlsError> {
    let things = Things {
        group: Some(stored),
        ..Things::default()
    };
    // The desk holds one group, and gives it by any name.
    let (group, _) = desk.with(things, || client.load_group(&[]));
    group.map(Box::new)
}
