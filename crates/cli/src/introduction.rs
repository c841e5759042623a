//! How members of a chat show each other their identity keys.
//!
//! The relay is not trusted and knows no keys, and a session takes its keys from a directory that the
//! application fills. So the chat sends an *introduction* into the channel when it enters, and when someone
//! else enters: its name and its public identity key, signed by that key over the name of the session. An
//! introduction proves little: its maker holds the key. Only the user can say whether that is the claimed
//! person, by comparing fingerprints over another way. So a key seen for the first time is asked about, and a
//! key that differs from the known one is refused, loudly.
//!
//! On the wire an introduction is a packet like any other, with an outer frame that differs from the
//! session's: [`MARK`] and a version of its own. A session's frame begins with the version of the protocol,
//! which counts up from 1 and is far from the mark; programs that know no introductions skip and report them
//!
//!
//! Each introduction is sent before the packets that need it, as the channel keeps the order. A newcomer
//! introduces itself before any member can propose to include it. The others introduce themselves when they
//! hear of the enter.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use concilium::gka::Identity;
use concilium::keys::{Signature, VerifyingKey};
use concilium::{FramedHash, MemberId, SessionName, Time, wire};
use serde::{Deserialize, Serialize};

use crate::known_keys::{ChangedKeyError, KnownKeys, KnownKeysError, Standing};

/// The first byte of an introduction.
const MARK: u8 = 0xa9;

/// The second byte: the version of introductions that we speak.
const VERSION: u8 = 1;

/// The longest introduction: frame, longest name with its length, key, signature.
const MAX_BYTES: usize = 2 + (MemberId::MAX_BYTES + 3) + 32 + 64;

const CONTEXT: &str = "concilium 2026-11 v1 cli introduction of an identity key";

/// The most keys that wait for the user's word. A flood of names gets no more questions asked.
const MAX_CLAIMS: usize = 64;

/// The most introductions that we send within [`WINDOW`]. A relay that reports enter after enter must not
/// make us answer each. A group of this many can still come together at once.
const MAX_SENT: usize = 128;

/// See [`MAX_SENT`].
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize)]
struct Wire {
    member: MemberId,
    key: VerifyingKey,
    signature: Signature,
}

/// Why an introduction does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IntroductionError {
    /// Of another version.
    #[error("an introduction of version {0}, this program reads version 1; updating may help")]
    UnknownVersion(u8),
    /// Not what any program of ours writes.
    #[error("an introduction that cannot be read")]
    Malformed,
    /// The channel names another sender.
    #[error("an introduction that claims another name than its sender's")]
    WrongSender,
    /// Not signed by the key, or for another session.
    #[error("an introduction that is not signed by its key for this session")]
    BadSignature,
}

fn signed_bytes(session: &SessionName, member: &MemberId, key: &VerifyingKey) -> [u8; 64] {
    let mut digest = [0; 64];
    FramedHash::new(CONTEXT)
        .field(session.as_bytes())
        .field(member.as_bytes())
        .field(key.as_bytes())
        .finish_into(&mut digest);
    digest
}

/// Our introduction.
fn write(identity: &Identity, session: &SessionName) -> Vec<u8> {
    let (member, key) = (identity.member().clone(), *identity.verifying_key());
    let signature = identity.sign(&signed_bytes(session, &member, &key));
    let mut packet = vec![MARK, VERSION];
    packet.extend(wire::encode(&Wire {
        member,
        key,
        signature,
    }));
    packet
}

/// The key that `from` shows in a packet.
fn read(packet: &[u8], from: &MemberId, session: &SessionName) -> Result<VerifyingKey, IntroductionError> {
    let [_, version, body @ ..] = packet else {
        return Err(IntroductionError::Malformed);
    };
    if *version != VERSION {
        return Err(IntroductionError::UnknownVersion(*version));
    }
    let Wire {
        member,
        key,
        signature,
    } = wire::decode(body, MAX_BYTES).map_err(|_| IntroductionError::Malformed)?;
    // channel sender, claimed name and key must be one.
    if member != *from {
        return Err(IntroductionError::WrongSender);
    }
    key.verify(&signed_bytes(session, &member, &key), &signature)
        .map_err(|_| IntroductionError::BadSignature)?;
    Ok(key)
}

/// What came of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is no introduction, but the session's to read.
    NotForUs,
    /// It told nothing new.
    Nothing,
    /// A key seen for the first time: the user is to be asked.
    Ask {
        /// Whose it claims to be.
        member: MemberId,
        /// The key.
        key: VerifyingKey,
    },
    /// A key that was new, and is trusted now, because the user wants all new keys trusted.
    TrustedOnFirstUse {
        /// Whose it claims to be.
        member: MemberId,
        /// The key.
        key: VerifyingKey,
    },
    /// Not the known key. Told once for each such key.
    Changed(ChangedKeyError),
    /// The same name with a second key, before the user has said anything about the first: the first one
    /// stays.
    TwoKeys {
        /// Whose name.
        member: MemberId,
    },
    /// It does not count.
    Bad(IntroductionError),
}

/// What to do about a key that is seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstUse {
    /// Ask the user.
    Ask,
    /// Trust it.
    Trust,
}

/// Introductions in one channel: ours to others, and theirs to us.
#[derive(Debug)]
pub(crate) struct Introductions {
    session: SessionName,
    me: MemberId,
    ours: Vec<u8>,
    known: KnownKeys,
    first_use: FirstUse,
    /// Keys shown by unknown members: the user has been asked, and may have said no.
    claims: BTreeMap<MemberId, VerifyingKey>,
    /// The keys last told of as changed, or as the second of a name.
    told: BTreeMap<MemberId, VerifyingKey>,
    sent: VecDeque<Time>,
}

impl Introductions {
    /// No key has been shown yet.
    pub(crate) fn new(
        identity: &Identity,
        session: &SessionName,
        known: KnownKeys,
        first_use: FirstUse,
    ) -> Self {
        Self {
            session: session.clone(),
            me: identity.member().clone(),
            ours: write(identity, session),
            known,
            first_use,
            claims: BTreeMap::new(),
            told: BTreeMap::new(),
            sent: VecDeque::new(),
        }
    }

    /// Our introduction, to be sent now; none if we have sent too many of late.
    pub(crate) fn ours(&mut self, now: Time) -> Option<Vec<u8>> {
        while self.sent.front().is_some_and(|sent| now.since(*sent) >= WINDOW) {
            self.sent.pop_front();
        }
        if self.sent.len() >= MAX_SENT {
            return None;
        }
        self.sent.push_back(now);
        Some(self.ours.clone())
    }

    /// Takes a packet from the channel.
    ///
    /// # Errors
    /// A key was to be trusted on first use, but the file of known keys cannot be used.
    pub(crate) fn receive(&mut self, from: &MemberId, packet: &[u8]) -> Result<Heard, KnownKeysError> {
        if packet.first() != Some(&MARK) {
            return Ok(Heard::NotForUs);
        }
        if *from == self.me {
            return Ok(Heard::Nothing);
        }
        let (member, key) = match read(packet, from, &self.session) {
            Ok(key) => (from.clone(), key),
            Err(error) => return Ok(Heard::Bad(error)),
        };
        Ok(match self.known.standing(&member, &key) {
            Standing::Trusted => Heard::Nothing,
            Standing::Changed(error) => {
                if self.tell(&member, &key) {
                    Heard::Changed(error)
                } else {
                    Heard::Nothing
                }
            }
            Standing::Unknown if self.first_use == FirstUse::Trust => {
                self.known.trust(&member, &key)?;
                Heard::TrustedOnFirstUse { member, key }
            }
            Standing::Unknown => match self.claims.get(&member).copied() {
                Some(claimed) if claimed == key => Heard::Nothing,
                Some(_) if self.tell(&member, &key) => Heard::TwoKeys { member },
                Some(_) => Heard::Nothing,
                None if self.claims.len() >= MAX_CLAIMS => Heard::Nothing,
                None => {
                    self.claims.insert(member.clone(), key);
                    Heard::Ask { member, key }
                }
            },
        })
    }

    /// The user trusts the key that this member has shown; gives that key, or none if it has shown none.
    ///
    /// # Errors
    /// It cannot be written down, and is not trusted then.
    pub(crate) fn trust(&mut self, member: &MemberId) -> Result<Option<VerifyingKey>, KnownKeysError> {
        let Some(key) = self.claims.get(member).copied() else {
            return Ok(None);
        };
        self.known.trust(member, &key)?;
        self.claims.remove(member);
        Ok(Some(key))
    }

    /// Forgets the key of a member that is gone, so that its next introduction is asked about again, and
    /// names cannot fill our memory.
    pub(crate) fn forget(&mut self, member: &MemberId) {
        self.claims.remove(member);
        self.told.remove(member);
    }

    /// Whether the user has not been told of this key yet.
    fn tell(&mut self, member: &MemberId, key: &VerifyingKey) -> bool {
        let room = self.told.len() < MAX_CLAIMS || self.told.contains_key(member);
        room && self.told.insert(member.clone(), *key) != Some(*key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concilium::Secret;
    use concilium::gka::Directory as _;
    use proptest::prelude::*;

    fn member(name: &str) -> MemberId {
        MemberId::new(name).unwrap()
    }

    fn session(name: &str) -> SessionName {
        SessionName::new(name).unwrap()
    }

    fn identity(name: &str, seed: u8) -> Identity {
        Identity::new(member(name), &Secret::new([seed; 32]))
    }

    struct Alice {
        introductions: Introductions,
        known: KnownKeys,
        _directory: tempfile::TempDir,
    }

    fn alice(first_use: FirstUse) -> Alice {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownKeys::load(&directory.path().join("known-keys")).unwrap();
        let introductions =
            Introductions::new(&identity("alice", 1), &session("s"), known.clone(), first_use);
        Alice {
            introductions,
            known,
            _directory: directory,
        }
    }

    impl Alice {
        fn hears(&mut self, from: &str, packet: &[u8]) -> Heard {
            self.introductions.receive(&member(from), packet).unwrap()
        }
    }

    #[test]
    fn a_new_key_is_asked_about_once_and_trusted_on_the_users_word_only() {
        let mut alice = alice(FirstUse::Ask);
        let bob = identity("bob", 2);
        let packet = write(&bob, &session("s"));
        let ask = Heard::Ask {
            member: member("bob"),
            key: *bob.verifying_key(),
        };
        assert_eq!(alice.hears("bob", &packet), ask);
        assert_eq!(alice.hears("bob", &packet), Heard::Nothing);
        assert_eq!(alice.known.identity_key(&member("bob")), None);
        assert_eq!(alice.introductions.trust(&member("carol")).unwrap(), None);
        let trusted = alice.introductions.trust(&member("bob")).unwrap();
        assert_eq!(trusted.as_ref(), Some(bob.verifying_key()));
        assert_eq!(alice.known.identity_key(&member("bob")), trusted);
        assert_eq!(alice.hears("bob", &packet), Heard::Nothing);
    }

    #[test]
    fn a_user_who_wants_it_trusts_the_first_key_but_no_second() {
        let mut alice = alice(FirstUse::Trust);
        let packet = write(&identity("bob", 2), &session("s"));
        assert!(matches!(
            alice.hears("bob", &packet),
            Heard::TrustedOnFirstUse { .. }
        ));
        let other = write(&identity("bob", 3), &session("s"));
        assert!(matches!(alice.hears("bob", &other), Heard::Changed(_)));
        assert_eq!(alice.hears("bob", &other), Heard::Nothing, "told once");
        let key = *identity("bob", 2).verifying_key();
        assert_eq!(alice.known.identity_key(&member("bob")), Some(key));
    }

    #[test]
    fn a_second_key_before_the_answer_does_not_replace_the_first() {
        let mut alice = alice(FirstUse::Ask);
        let first = write(&identity("bob", 2), &session("s"));
        let second = write(&identity("bob", 3), &session("s"));
        assert!(matches!(alice.hears("bob", &first), Heard::Ask { .. }));
        assert!(matches!(alice.hears("bob", &second), Heard::TwoKeys { .. }));
        assert_eq!(alice.hears("bob", &second), Heard::Nothing, "told once");
        let trusted = alice.introductions.trust(&member("bob")).unwrap();
        assert_eq!(trusted.as_ref(), Some(identity("bob", 2).verifying_key()));
    }

    #[test]
    fn a14_a12_sender_name_key_and_session_must_agree() {
        let mut alice = alice(FirstUse::Trust);
        let packet = write(&identity("bob", 2), &session("s"));
        let bad = Heard::Bad;
        assert_eq!(alice.hears("carol", &packet), bad(IntroductionError::WrongSender));
        let elsewhere = write(&identity("bob", 2), &session("t"));
        assert_eq!(
            alice.hears("bob", &elsewhere),
            bad(IntroductionError::BadSignature)
        );
        let mut swapped = packet.clone();
        swapped[6..38].copy_from_slice(identity("bob", 3).verifying_key().as_bytes());
        assert_eq!(alice.hears("bob", &swapped), bad(IntroductionError::BadSignature));
        // stripped, empty.
        assert_eq!(
            alice.hears("bob", &packet[..38]),
            bad(IntroductionError::Malformed)
        );
        let empty = [&packet[..38], &[0; 64]].concat();
        assert_eq!(alice.hears("bob", &empty), bad(IntroductionError::BadSignature));
        assert!(matches!(
            alice.hears("bob", &packet),
            Heard::TrustedOnFirstUse { .. }
        ));
    }

    #[test]
    fn a41_other_packets_are_the_sessions_and_newer_introductions_are_named() {
        let mut alice = alice(FirstUse::Ask);
        for kind in [
            concilium::packet::PacketKind::Operation,
            concilium::packet::PacketKind::Message,
            concilium::packet::PacketKind::Announcement,
        ] {
            let packet = concilium::packet::frame(kind, b"body");
            assert_eq!(alice.hears("bob", &packet), Heard::NotForUs);
        }
        assert_eq!(alice.hears("bob", &[]), Heard::NotForUs);
        assert_eq!(
            alice.hears("bob", &[MARK]),
            Heard::Bad(IntroductionError::Malformed)
        );
        let newer = Heard::Bad(IntroductionError::UnknownVersion(2));
        assert_eq!(alice.hears("bob", &[MARK, 2, 0]), newer);
        // And a session skips introductions.
        let packet = write(&identity("bob", 2), &session("s"));
        assert!(concilium::packet::read(&packet).is_err());
    }

    #[test]
    fn a39_a_flood_of_names_or_enters_is_bounded() {
        let mut alice = alice(FirstUse::Ask);
        let asked = (0..200_u8).filter(|seed| {
            let name = format!("stranger {seed}");
            let packet = write(&identity(&name, *seed), &session("s"));
            matches!(alice.hears(&name, &packet), Heard::Ask { .. })
        });
        assert_eq!(asked.count(), MAX_CLAIMS);
        alice.introductions.forget(&member("stranger 7"));
        let packet = write(&identity("bob", 2), &session("s"));
        assert!(matches!(alice.hears("bob", &packet), Heard::Ask { .. }));

        let sent = (0..1000).filter(|_| alice.introductions.ours(Time::ZERO).is_some());
        assert_eq!(sent.count(), MAX_SENT);
        assert!(alice.introductions.ours(Time::ZERO.after(WINDOW)).is_some());
    }

    proptest! {
        #[test]
        fn a40_no_bytes_panic_and_no_flipped_bit_counts(noise: Vec<u8>, bit in 0_usize..8 * 102) {
            let mut alice = alice(FirstUse::Trust);
            alice.hears("bob", &[&[MARK, VERSION], noise.as_slice()].concat());
            let mut packet = write(&identity("bob", 2), &session("s"));
            prop_assert_eq!(packet.len(), 102);
            packet[bit / 8] ^= 1 << (bit % 8);
            let heard = alice.hears("bob", &packet);
            prop_assert!(matches!(heard, Heard::Bad(_) | Heard::NotForUs), "{:?}", heard);
        }

        #[test]
        fn a48_every_name_introduces_itself(name in proptest::collection::vec(any::<u8>(), 1..=255)) {
            let mut alice = alice(FirstUse::Trust);
            let name = MemberId::new(name).unwrap();
            let packet = write(&Identity::new(name.clone(), &Secret::new([2; 32])), &session("s"));
            prop_assert!(packet.len() <= MAX_BYTES);
            let heard = alice.introductions.receive(&name, &packet).unwrap();
            let trusted = matches!(heard, Heard::TrustedOnFirstUse { .. });
            prop_assert!(trusted);
        }
    }
}
