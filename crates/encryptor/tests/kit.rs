//! The encryptor kit must fail where an encryptor is broken: each check against an encryptor that breaks its
//! rule.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::testing::rng::seeded;
use concilium_core::{Context, MemberId, MessageId, RandomnessError, Secret, SubsessionId, Time};
use concilium_encryptor::conformance::{Group, checks};
use concilium_encryptor::{
    Content, Decrypted, DefaultEncryptor, Kind, MAX_BODY_BYTES, MessageEncryptor, Naming, OpenError,
    RestoreError, SealError, Sealed,
};
use rand_core::Rng as _;
use zeroize::Zeroizing;

/// The default encryptor, broken in one way.
struct Faulty<F> {
    inner: DefaultEncryptor,
    me: MemberId,
    /// Exported with the rest, so that what moves it changes the state.
    moved: Cell<u64>,
    restored: bool,
    fault: PhantomData<F>,
}

type Unsealed = Result<Decrypted<Naming>, OpenError>;

/// A way to be broken: what it does not override is sound.
trait Fault: Sized {
    const SUITE: &'static str = "sound";

    fn keys(_me: &MemberId, _keys: &mut SubsessionKeys) {}

    fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        e.inner.seal(content, cx)
    }

    fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
        e.inner.open(packet)
    }

    fn commit(e: &mut Faulty<Self>, naming: Naming) {
        e.inner.commit(naming);
    }

    fn retired_key(e: &Faulty<Self>) -> Option<Secret<32>> {
        e.inner.retired_key()
    }

    fn export(e: &Faulty<Self>) -> Vec<u8> {
        [
            e.inner.export().as_slice(),
            &e.moved.get().to_le_bytes(),
            &check(e),
        ]
        .concat()
    }

    fn restore(bytes: &[u8]) -> Option<Faulty<Self>> {
        let (rest, sum) = bytes.split_last_chunk::<32>()?;
        let (inner, moved) = rest.split_last_chunk::<8>()?;
        let e = Faulty {
            inner: DefaultEncryptor::restore(inner).ok()?,
            me: Group::id("unknown"),
            moved: Cell::new(u64::from_le_bytes(*moved)),
            restored: true,
            fault: PhantomData,
        };
        (check(&e) == *sum).then_some(e)
    }

    fn print(e: &Faulty<Self>) -> String {
        format!("{:?}", e.inner)
    }
}

fn check<F>(e: &Faulty<F>) -> [u8; 32] {
    concilium_core::FramedHash::new("test")
        .number(e.moved.get())
        .finish()
}

impl<F: Fault> MessageEncryptor for Faulty<F> {
    const SUITE: &'static str = F::SUITE;
    type Step = Naming;

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        let mut keys = keys.clone();
        F::keys(me, &mut keys);
        Ok(Self {
            inner: DefaultEncryptor::new(me, &keys)?,
            me: me.clone(),
            moved: Cell::new(0),
            restored: false,
            fault: PhantomData,
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        F::seal(self, content, cx)
    }

    fn open(&self, packet: &[u8]) -> Unsealed {
        F::open(self, packet)
    }

    fn commit(&mut self, naming: Naming) {
        F::commit(self, naming);
    }

    fn control_key(&mut self, cx: &mut Context<'_>) -> Result<Option<VerifyingKey>, RandomnessError> {
        self.inner.control_key(cx)
    }

    fn retired_key(&self) -> Option<Secret<32>> {
        F::retired_key(self)
    }

    fn export(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(F::export(self))
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        F::restore(bytes).ok_or(RestoreError)
    }
}

impl<F: Fault> fmt::Debug for Faulty<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&F::print(self))
    }
}

/// The packet without its last byte, which a fault has added.
fn without_last(packet: &[u8]) -> Result<&[u8], OpenError> {
    packet
        .split_last()
        .map(|(_, rest)| rest)
        .ok_or(OpenError::NotDecryptable)
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident { $($item:item)* })*) => {
        $(
            $(#[$doc])*
            struct $name;
            impl Fault for $name { $($item)* }
        )*
    };
}

faults! {
    /// Sound: every check must pass, or the others prove nothing.
    Sound {}
    LosesParents {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            let mut opened = e.inner.open(packet)?;
            opened.content.parents.pop();
            Ok(opened)
        }
    }
    ShowsAuthor {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut sealed = e.inner.seal(content, cx)?;
            sealed.packet.extend_from_slice(e.me.as_bytes());
            Ok(sealed)
        }
    }
    ShowsBody {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut sealed = e.inner.seal(content, cx)?;
            sealed.packet.extend_from_slice(&content.body);
            Ok(sealed)
        }
    }
    ShowsLength {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut sealed = e.inner.seal(content, cx)?;
            sealed.packet.extend(content.body.iter().map(|_| 0));
            Ok(sealed)
        }
    }
    CutsLongBodies {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut content = content.clone();
            content.body.truncate(MAX_BODY_BYTES);
            e.inner.seal(&content, cx)
        }
    }
    SortsParents {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut content = content.clone();
            content.parents.sort();
            content.parents.dedup();
            e.inner.seal(&content, cx)
        }
    }
    /// The same salt for the same text: no randomness at all.
    Deterministic {
        fn seal(e: &mut Faulty<Self>, content: &Content, _: &mut Context<'_>) -> Result<Sealed, SealError> {
            e.inner.seal(content, &mut Context::new(Time::ZERO, &mut seeded(1)))
        }
    }
    /// A counter in place of randomness, which a crash sets back.
    Counts {
        fn seal(e: &mut Faulty<Self>, content: &Content, _: &mut Context<'_>) -> Result<Sealed, SealError> {
            e.moved.set(e.moved.get() + 1);
            let mut counted = seeded(e.moved.get());
            e.inner.seal(content, &mut Context::new(Time::ZERO, &mut counted))
        }
    }
    /// A key stream that follows from the randomness alone.
    SharesKeystream {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut stream = vec![0; content.body.len()];
            seeded(u64::from_le_bytes(cx.random::<8>()?)).fill_bytes(&mut stream);
            let mut sealed = e.inner.seal(content, cx)?;
            sealed.packet.extend(stream.iter().zip(&content.body).map(|(a, b)| a ^ b));
            Ok(sealed)
        }
    }
    IgnoresSubsession {
        fn keys(_: &MemberId, keys: &mut SubsessionKeys) {
            keys.subsession = SubsessionId::from_bytes([0; 32]);
        }
    }
    IgnoresSecret {
        fn keys(_: &MemberId, keys: &mut SubsessionKeys) {
            keys.secret = Secret::new([0; 32]);
        }
    }
    /// Ids that follow from the body alone.
    NamesBodies {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut sealed = e.inner.seal(content, cx)?;
            sealed.id = Self::name(content);
            Ok(sealed)
        }
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            let mut opened = e.inner.open(packet)?;
            opened.id = Self::name(&opened.content);
            Ok(opened)
        }
    }
    MovesWhenItRefuses {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            e.inner.open(packet).inspect_err(|_| e.moved.set(e.moved.get() + 1))
        }
    }
    MovesWhenItOpens {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            e.inner.open(packet).inspect(|_| e.moved.set(e.moved.get() + 1))
        }
    }
    KnownKindsOnly {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            let opened = e.inner.open(packet)?;
            if opened.content.kind.is_known() { Ok(opened) } else { Err(OpenError::Malformed) }
        }
    }
    GoesOnWithoutRandomness {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let fallback = &mut seeded(1);
            e.inner
                .seal(content, cx)
                .or_else(|_| e.inner.seal(content, &mut Context::new(Time::ZERO, fallback)))
        }
    }
    MovesWithoutRandomness {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            e.moved.set(e.moved.get() + 1);
            e.inner.seal(content, cx)
        }
    }
    /// Two contents of the same bytes become one.
    ConfusesFields {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            let mut opened = e.inner.open(packet)?;
            if opened.content.parents.len() == 3 && let Some(last) = opened.content.parents.pop() {
                opened.content.body.splice(..0, *last.as_bytes());
            }
            Ok(opened)
        }
    }
    /// One signing key for all, which everyone with the group secret knows.
    GroupSignature {
        fn keys(me: &MemberId, keys: &mut SubsessionKeys) {
            if keys.verifying.get(me) == Some(keys.signing.verifying_key()) {
                keys.signing = SigningKey::from_seed(&keys.secret);
                for key in keys.verifying.values_mut() {
                    *key = *keys.signing.verifying_key();
                }
            }
        }
    }
    /// Takes whoever has the group secret, whatever the members are.
    AnyAuthor {
        fn keys(me: &MemberId, keys: &mut SubsessionKeys) {
            if keys.verifying.get(me) == Some(keys.signing.verifying_key()) {
                for name in ["alice", "anna", "bob", "carol", "eve"] {
                    keys.verifying.insert(Group::id(name), *Group::signing(name).verifying_key());
                }
            }
        }
    }
    AdmitsAnyone {
        fn keys(me: &MemberId, keys: &mut SubsessionKeys) {
            keys.verifying.insert(me.clone(), *keys.signing.verifying_key());
        }
    }
    PrintsSecrets {
        fn print(e: &Faulty<Self>) -> String {
            e.inner.export().iter().map(|byte| format!("{byte:02x}")).collect()
        }
    }
    PrintsSecretsAsList {
        fn print(e: &Faulty<Self>) -> String {
            format!("{:?}", e.inner.export().as_slice())
        }
    }
    PanicsOnShortPackets {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            let _salt = packet.split_at(12);
            e.inner.open(packet)
        }
    }
    /// A byte at the end that nothing authenticates.
    LooseByte {
        fn seal(e: &mut Faulty<Self>, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
            let mut sealed = e.inner.seal(content, cx)?;
            sealed.packet.push(0);
            Ok(sealed)
        }
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            e.inner.open(without_last(packet)?)
        }
    }
    TakesTrailingBytes {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            e.inner.open(packet).or_else(|_| e.inner.open(without_last(packet)?))
        }
    }
    ForgetsWhenRestored {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            if e.restored { Err(OpenError::NotDecryptable) } else { e.inner.open(packet) }
        }
    }
    UncheckedExport {
        fn export(e: &Faulty<Self>) -> Vec<u8> {
            [e.inner.export().as_slice(), &[0; 8], &check(e), &[0]].concat()
        }
        fn restore(bytes: &[u8]) -> Option<Faulty<Self>> {
            let sound = Sound::restore(bytes.split_last()?.1)?;
            Some(Faulty { inner: sound.inner, me: sound.me, moved: sound.moved, restored: true, fault: PhantomData })
        }
    }
    LearnsNoKey {
        fn commit(_: &mut Faulty<Self>, _: Naming) {}
    }
    RetiresNothing {
        fn retired_key(_: &Faulty<Self>) -> Option<Secret<32>> {
            None
        }
    }
    HidesSigner {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            e.inner.open(packet).map(|opened| Decrypted { signer: None, ..opened })
        }
    }
    RetiresWithoutNaming {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Unsealed {
            e.inner.open(packet).map(|opened| Decrypted { retires: opened.content.kind == Kind::FINISH, ..opened })
        }
    }
    NamedWithSlash {
        const SUITE: &'static str = "aes/256";
    }
    Nameless {
        const SUITE: &'static str = "";
    }
}

impl NamesBodies {
    fn name(content: &Content) -> MessageId {
        MessageId::from_bytes(
            concilium_core::FramedHash::new("test")
                .field(&content.body)
                .finish(),
        )
    }
}

fn fails(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

/// For each check, the faults that it must find; and that it finds nothing in the sound one.
macro_rules! proofs {
    ($($check:ident: $($fault:ident)+;)+) => {
        const PROVEN: &[&str] = &[$(stringify!($check)),+];

        mod proofs {
            use super::*;
            $(
                #[test]
                fn $check() {
                    checks::$check::<Faulty<Sound>>();
                    $(assert!(fails(checks::$check::<Faulty<$fault>>), "passes: {}", stringify!($fault));)+
                }
            )+
        }
    };
}

proofs! {
    a04_broken_randomness_is_an_error_and_changes_nothing: GoesOnWithoutRandomness MovesWithoutRandomness;
    a09_contents_are_never_confused: ConfusesFields LosesParents;
    a14_a45_an_insider_cannot_write_as_another: GroupSignature;
    a18_every_flipped_bit_is_refused: LooseByte;
    a18_every_truncation_and_extension_is_refused: TakesTrailingBytes;
    a21_nothing_printed_holds_a_secret: PrintsSecrets PrintsSecretsAsList;
    a29_damaged_exports_are_refused: UncheckedExport;
    a29_exports_restore: ForgetsWhenRestored;
    a35_only_members_get_an_encryptor: AdmitsAnyone;
    a35_strangers_and_other_readers_are_refused: AnyAuthor;
    a40_a41_garbage_is_refused: PanicsOnShortPackets;
    m03_every_member_opens_what_is_sealed: LosesParents ShowsBody;
    m03_lengths_tell_only_a_bucket: ShowsLength;
    m03_limits_are_kept: CutsLongBodies SortsParents;
    m03_packets_show_nothing_of_what_they_say: ShowsBody ShowsAuthor;
    m04_a16_members_with_the_same_randomness_share_no_key: SharesKeystream;
    m04_a16_nothing_repeats: Deterministic;
    m04_a16_nothing_repeats_after_a_crash: Counts Deterministic;
    m04_a17_no_packet_opens_in_another_subsession: IgnoresSecret IgnoresSubsession;
    m05_ids_name_one_message: NamesBodies;
    m06_a18_rejected_packets_change_nothing: MovesWhenItRefuses;
    m06_opening_changes_nothing_before_the_commit: MovesWhenItOpens;
    m07_unknown_kinds_are_carried: KnownKindsOnly;
    m09_a15_a_published_key_signs_nothing_as_the_control_key: LearnsNoKey HidesSigner RetiresNothing;
    m09_a_finish_names_the_key_that_signs_from_then_on:
        LearnsNoKey HidesSigner RetiresNothing RetiresWithoutNaming;
    suites_have_names: NamedWithSlash Nameless;
}

/// The names that follow `before` in a source, up to `end`.
fn names<'a>(source: &'a str, before: &str, end: char) -> BTreeSet<&'a str> {
    let after = source.split(before).skip(1);
    after.filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn every_check_is_proven_and_runs() {
    let written = names(include_str!("../src/conformance/checks.rs"), "\npub fn ", '<');
    let proven: BTreeSet<&str> = PROVEN.iter().copied().collect();
    assert_eq!(written, proven, "a check without a proof, or the other way round");
    let list = include_str!("../src/conformance.rs");
    for check in written {
        let runs = list
            .lines()
            .any(|line| line.trim().trim_end_matches(',') == check || line.contains(&format!("; {check})")));
        assert!(runs, "encryptor_conformance! leaves out {check}");
    }
}
