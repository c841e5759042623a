//! The kit's checks of forward secrecy must fail where a ratchet is broken: each against ratchets that break
//! its rule.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use concilium_core::keys::SubsessionKeys;
use concilium_core::{Context, MemberId, MessageId};
use concilium_encryptor::conformance::forward_secrecy;
use concilium_encryptor::{
    Aead, Aes256Gcm, Content, Decrypted, MessageEncryptor, NoPadding, OpenError, Ratchet, RatchetStep,
    RestoreError, SealError, Sealed,
};
use zeroize::Zeroizing;

type Inner = Ratchet<Aes256Gcm, NoPadding>;
type Unratcheted = Aead<Aes256Gcm, NoPadding>;

/// The ratchet, broken in one way.
#[derive(Debug)]
struct Faulty<F> {
    inner: Inner,
    /// What it was when it was new.
    first: Zeroizing<Vec<u8>>,
    fault: PhantomData<F>,
}

/// The packet goes along, for faults that need it.
#[derive(Debug)]
struct Step {
    inner: RatchetStep,
    packet: Vec<u8>,
}

/// A way to be broken: what it does not override is sound.
trait Fault: Sized + fmt::Debug {
    fn open(e: &Faulty<Self>, packet: &[u8]) -> Result<Decrypted<RatchetStep>, OpenError> {
        e.inner.open(packet)
    }

    fn commit(e: &mut Faulty<Self>, step: Step) {
        e.inner.commit(step.inner);
    }

    fn recognise(e: &Faulty<Self>, packet: &[u8]) -> Option<MessageId> {
        e.inner.recognise(packet)
    }

    fn fully_acked(e: &mut Faulty<Self>, packet: &[u8]) {
        e.inner.fully_acked(packet);
    }

    fn export(e: &Faulty<Self>) -> Zeroizing<Vec<u8>> {
        e.inner.export()
    }
}

impl<F: Fault> MessageEncryptor for Faulty<F> {
    const SUITE: &'static str = "ratchet";
    type Step = Step;

    fn new(me: &MemberId, keys: &SubsessionKeys) -> Result<Self, RestoreError> {
        let inner = Inner::new(me, keys)?;
        Ok(Self {
            first: inner.export(),
            inner,
            fault: PhantomData,
        })
    }

    fn seal(&mut self, content: &Content, cx: &mut Context<'_>) -> Result<Sealed, SealError> {
        self.inner.seal(content, cx)
    }

    fn open(&self, packet: &[u8]) -> Result<Decrypted<Step>, OpenError> {
        F::open(self, packet).map(|opened| Decrypted {
            id: opened.id,
            author: opened.author,
            content: opened.content,
            signer: opened.signer,
            retires: opened.retires,
            step: Step {
                inner: opened.step,
                packet: packet.to_vec(),
            },
        })
    }

    fn commit(&mut self, step: Step) {
        F::commit(self, step);
    }

    fn recognise(&self, packet: &[u8]) -> Option<MessageId> {
        F::recognise(self, packet)
    }

    fn fully_acked(&mut self, packet: &[u8]) {
        F::fully_acked(self, packet);
    }

    fn export(&self) -> Zeroizing<Vec<u8>> {
        F::export(self)
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        Ok(Self {
            inner: Inner::restore(bytes)?,
            first: bytes.to_vec().into(),
            fault: PhantomData,
        })
    }
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident { $($item:item)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            struct $name;
            impl Fault for $name { $($item)* }
        )*
    };
}

faults! {
    /// Sound: every check must pass, or the others prove nothing.
    Sound {}
    /// Erases when it is told to, and stores what it was before all the same.
    ExportsTheBeginning {
        fn export(e: &Faulty<Self>) -> Zeroizing<Vec<u8>> {
            e.first.clone()
        }
    }
    ErasesNothing {
        fn fully_acked(_: &mut Faulty<Self>, _: &[u8]) {}
    }
    /// As soon as a message is taken: its key, and those that it skipped.
    ErasesAtOnce {
        fn commit(e: &mut Faulty<Self>, step: Step) {
            e.inner.commit(step.inner);
            e.inner.fully_acked(&step.packet);
        }
    }
    NeverWinds {
        fn commit(_: &mut Faulty<Self>, _: Step) {}
    }
    RecognisesNothing {
        fn recognise(_: &Faulty<Self>, _: &[u8]) -> Option<MessageId> {
            None
        }
    }
    /// Whatever it is.
    RecognisesAnything {
        fn recognise(e: &Faulty<Self>, packet: &[u8]) -> Option<MessageId> {
            e.inner.recognise(packet).or(Some(MessageId::from_bytes([0; 32])))
        }
    }
    /// In order only.
    SkipsNothing {
        fn open(e: &Faulty<Self>, packet: &[u8]) -> Result<Decrypted<RatchetStep>, OpenError> {
            let before = e.inner.export();
            let opened = e.inner.open(packet)?;
            let mut after = Inner::restore(&before).map_err(|_| OpenError::Malformed)?;
            after.commit(e.inner.open(packet)?.step);
            // One key more, or none if it came before.
            if after.export().len() > before.len() + 40 { Err(OpenError::NotDecryptable) } else { Ok(opened) }
        }
    }
}

fn fails(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

/// For each check, the faults that it must find; and that it finds nothing in the sound one.
macro_rules! proofs {
    ($($check:ident: $($broken:ty),+;)+) => {
        const PROVEN: &[&str] = &[$(stringify!($check)),+];

        mod proofs {
            use super::*;
            $(
                #[test]
                fn $check() {
                    forward_secrecy::$check::<Faulty<Sound>>();
                    $(
                        assert!(
                            fails(forward_secrecy::$check::<$broken>),
                            "passes: {}",
                            stringify!($broken)
                        );
                    )+
                }
            )+
        }
    };
}

proofs! {
    m08_a18_what_is_refused_erases_nothing: Faulty<ErasesAtOnce>;
    m08_a19_skips_are_bounded: Unratcheted, Faulty<NeverWinds>;
    m08_a20_what_everybody_has_opens_from_no_export:
        Unratcheted, Faulty<ExportsTheBeginning>, Faulty<ErasesNothing>, Faulty<ErasesAtOnce>;
    m08_messages_open_in_any_order: Faulty<ErasesAtOnce>, Faulty<SkipsNothing>;
    m08_skipped_messages_open_until_everybody_is_past_them:
        Unratcheted, Faulty<ErasesNothing>, Faulty<ErasesAtOnce>, Faulty<SkipsNothing>;
    m08_two_stories_are_both_readable: Faulty<ErasesAtOnce>;
    m08_what_everybody_has_is_recognised:
        Unratcheted, Faulty<ErasesNothing>, Faulty<RecognisesNothing>, Faulty<RecognisesAnything>;
}

#[test]
fn every_check_is_proven_and_runs() {
    let source = include_str!("../src/conformance/forward_secrecy.rs");
    let checks = source.split("\npub fn ").skip(1);
    let mut checks: Vec<_> = checks.filter_map(|rest| rest.split('<').next()).collect();
    checks.sort_unstable();
    assert_eq!(checks, PROVEN, "a check without a proof, or the other way round");
    let list = include_str!("../src/conformance.rs");
    for check in checks {
        assert!(
            list.lines()
                .any(|line| line.trim().trim_end_matches(',') == check),
            "encryptor_conformance! leaves out {check}"
        );
    }
}
