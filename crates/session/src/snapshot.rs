//! A session as bytes, and back.
//!
//! A snapshot holds everything, also secrets and undrained outputs. A driver that saves one after every input
//! and command, and drains the outputs only then, sends nothing that it would not remember after a crash. A
//! snapshot is a version byte and a list of byte strings, each the encoding of one part, in the order of
//! [`Session::snapshot`].

use concilium_core::{MemberId, SessionName, wire};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::{Export as _, GroupKeyAgreement};
use concilium_transcript::Transcript;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::course::{Course, CourseOf, Proposal, Running};
use crate::stay::Stay;
use crate::subsession::Subsession;
use crate::{RestoreError, Session, Settings};

/// The version of snapshots that this code writes and reads.
const VERSION: u8 = 2;

/// A byte string on its way into or out of a snapshot; erased when dropped.
#[derive(Serialize, Deserialize)]
struct Bytes(#[serde(with = "wire::bytes")] Vec<u8>);

impl Drop for Bytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Parts(#[serde(with = "wire::list")] Vec<Bytes>);

impl Parts {
    fn push<T: Serialize + ?Sized>(&mut self, part: &T) {
        self.push_bytes(&wire::encode_secret(part));
    }

    fn push_bytes(&mut self, bytes: &[u8]) {
        self.0.push(Bytes(bytes.to_vec()));
    }

    fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        wire::encode_secret(&(VERSION, self))
    }

    fn read(bytes: &[u8]) -> Result<Reader, RestoreError> {
        match wire::decode::<(u8, Self)>(bytes, bytes.len()) {
            Ok((VERSION, parts)) => Ok(Reader(parts.0.into_iter())),
            _ => Err(RestoreError),
        }
    }
}

struct Reader(std::vec::IntoIter<Bytes>);

impl Reader {
    fn bytes(&mut self) -> Result<Bytes, RestoreError> {
        self.0.next().ok_or(RestoreError)
    }

    fn take<T: Serialize + for<'de> Deserialize<'de>>(&mut self) -> Result<T, RestoreError> {
        let bytes = self.bytes()?;
        wire::decode(&bytes.0, bytes.0.len()).map_err(|_| RestoreError)
    }

    /// A part that may be absent, announced by a flag.
    fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RestoreError>,
    ) -> Result<Option<T>, RestoreError> {
        if self.take::<bool>()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// Everything about this session, also secrets and undrained outputs, at any time: for storage that its
    /// owner trusts. Save it after every input and command, and drain the outputs only then.
    #[must_use]
    pub fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        let mut parts = Parts::default();
        parts.push(&(self.gka.me(), &self.name));
        parts.push_bytes(self.settings.policy.name().as_bytes());
        parts.push_bytes(&self.gka.export_announcements());
        parts.push(&(self.clock, self.announced, self.reunions));
        parts.push(&self.actions);
        parts.push(&self.waiting);
        parts.push(&self.log);
        parts.push(&self.warnings);
        parts.push(&self.outputs);
        parts.push(&(self.current.is_some(), self.past.len() as u64));
        for subsession in self.subsessions() {
            parts.push_bytes(&subsession.encryptor.export());
            parts.push(&subsession.transcript);
            parts.push(&subsession.state);
        }
        parts.push(&self.stay.is_some());
        if let Some(stay) = &self.stay {
            Self::push_stay(&mut parts, stay);
        }
        parts.into_bytes()
    }

    fn push_stay(parts: &mut Parts, stay: &Stay<G>) {
        parts.push(&(&stay.channel, stay.entered_at, stay.departure));
        parts.push(&stay.arrival);
        parts.push(&stay.door);
        parts.push(&stay.chain);
        parts.push(&stay.strays);
        let course = &stay.course;
        parts.push(&course.pace);
        parts.push(&course.keys.is_some());
        if let Some(keys) = &course.keys {
            parts.push_bytes(&keys.export());
        }
        parts.push(&(course.proposal.is_some(), course.refused.len() as u64));
        for proposal in course.proposal.iter().chain(&course.refused) {
            parts.push_bytes(&proposal.packet);
            parts.push_bytes(&proposal.private.export());
            parts.push(&(&proposal.wish, proposal.sent_at, proposal.refused));
        }
        parts.push(&course.operation.is_some());
        if let Some(running) = &course.operation {
            parts.push(&(
                running.initial,
                running.for_action,
                &running.latest,
                running.deadline,
            ));
            parts.push(&running.part.is_some());
            if let Some(part) = &running.part {
                parts.push_bytes(&part.export());
            }
        }
    }

    /// The session of a snapshot, to go on from there. `gka` must act for the same member, and the name and
    /// the settings' policy must be the same.
    ///
    /// # Errors
    /// Damaged, of another version, or of another member, session or policy.
    pub fn restore(
        mut gka: G,
        name: SessionName,
        settings: Settings,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        let mut parts = Parts::read(bytes)?;
        let (me, named): (MemberId, SessionName) = parts.take()?;
        if me != *gka.me() || named != name {
            return Err(RestoreError);
        }
        // O-12: by another policy, or by none, we would split from the others in silence.
        if parts.bytes()?.0 != settings.policy.name().as_bytes() {
            return Err(RestoreError);
        }
        gka.restore_announcements(&parts.bytes()?.0)
            .map_err(|_| RestoreError)?;
        let (clock, announced, reunions) = parts.take()?;
        let actions = parts.take()?;
        let waiting = parts.take()?;
        let log = parts.take()?;
        let warnings = parts.take()?;
        let outputs = parts.take()?;
        let (current, past): (bool, u64) = parts.take()?;
        let current = if current {
            Some(Self::take_subsession(&mut parts)?)
        } else {
            None
        };
        let past = (0..past)
            .map(|_| Self::take_subsession(&mut parts))
            .collect::<Result<_, _>>()?;
        let stay = parts.optional(|parts| Self::take_stay(&gka, parts))?;
        if parts.0.next().is_some() {
            return Err(RestoreError);
        }
        Ok(Self {
            gka,
            name,
            settings,
            clock,
            stay,
            current,
            past,
            waiting,
            actions,
            log,
            warnings,
            outputs,
            reunions,
            announced,
        })
    }

    fn take_subsession(parts: &mut Reader) -> Result<Subsession<E>, RestoreError> {
        let encryptor = E::restore(&parts.bytes()?.0).map_err(|_| RestoreError)?;
        let transcript: Transcript<_> = parts.take()?;
        Ok(Subsession {
            encryptor,
            transcript,
            state: parts.take()?,
        })
    }

    fn take_proposal(gka: &G, parts: &mut Reader) -> Result<Proposal<G::Proposal>, RestoreError> {
        let packet = parts.bytes()?.0.clone();
        let private = gka
            .restore_proposal(&parts.bytes()?.0)
            .map_err(|_| RestoreError)?;
        let (wish, sent_at, refused) = parts.take()?;
        Ok(Proposal {
            packet,
            private,
            wish,
            sent_at,
            refused,
        })
    }

    fn take_course(gka: &G, parts: &mut Reader) -> Result<CourseOf<G>, RestoreError> {
        let pace = parts.take()?;
        let keys = parts.optional(|parts| gka.restore_state(&parts.bytes()?.0).map_err(|_| RestoreError))?;
        let (proposal, refused): (bool, u64) = parts.take()?;
        let proposal = if proposal {
            Some(Self::take_proposal(gka, parts)?)
        } else {
            None
        };
        let refused = (0..refused)
            .map(|_| Self::take_proposal(gka, parts))
            .collect::<Result<_, _>>()?;
        let operation = parts.optional(|parts| {
            let (initial, for_action, latest, deadline) = parts.take()?;
            let part =
                parts.optional(|parts| gka.restore_operation(&parts.bytes()?.0).map_err(|_| RestoreError))?;
            Ok(Running {
                initial,
                part,
                for_action,
                latest,
                deadline,
            })
        })?;
        Ok(Course {
            keys,
            proposal,
            refused,
            operation,
            pace,
        })
    }

    fn take_stay(gka: &G, parts: &mut Reader) -> Result<Stay<G>, RestoreError> {
        let (channel, entered_at, departure) = parts.take()?;
        Ok(Stay {
            channel,
            entered_at,
            departure,
            arrival: parts.take()?,
            door: parts.take()?,
            chain: parts.take()?,
            strays: parts.take()?,
            course: Self::take_course(gka, parts)?,
        })
    }
}
