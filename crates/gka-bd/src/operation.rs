//! A running operation: which members have said hello, which have told their links, and when all agree.

use std::fmt;
use std::sync::Arc;

use concilium_core::keys::SigningKey;
use concilium_core::{Context, MemberId, MemberMap, PacketId, Time};
use concilium_gka::{
    AssociatedData, Export, Identity, Opened, Progress, Reason, ReceiveError, RestoreError, Role, Started,
    Success,
};
use concilium_gka_dh::{
    Confirmation, Contribution, CourseHash, Keys, Point, check_base, ending, export, failure, only_suspect,
    restore,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::payload::{Body, Content, Hello, Links, Payload};
use crate::ring::{Circle, Pair, transcript};
use crate::state::{Proposal, State};

/// An operation, as one member runs it, from its initial packet on.
///
/// A packet is refused in one of two ways, see [`ReceiveError`]. A fault that shows in the operation's
/// packets alone is `Rejected`, by all members alike. A fault that only our state or our secrets show is
/// `Failed`.
pub struct Operation {
    identity: Arc<Identity>,
    run: Run,
}

#[derive(Serialize, Deserialize)]
struct Run {
    id: PacketId,
    base: Option<CourseHash>,
    data: AssociatedData,
    /// Of each member, in the order of the names, which is that of the ring.
    hellos: Vec<Option<Hello>>,
    phase: Phase,
}

#[derive(Serialize, Deserialize)]
enum Phase {
    /// Not everyone has said hello.
    Gathering(Box<Own>),
    /// Everyone has. Not everyone has told its links.
    Closing(Box<Closing>),
    /// Finished or failed; no secret is left (K-4).
    Over,
}

/// Our own part until all hellos are there.
#[derive(Serialize, Deserialize)]
struct Own {
    contribution: Contribution,
    signing: SigningKey,
    /// Names our hello, if that is not the initial packet.
    sent: Option<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct Closing {
    signing: SigningKey,
    transcript: CourseHash,
    pair: Pair,
    /// Names the packet that we sent.
    sent: [u8; 32],
    /// What each member said, in the order of the ring.
    said: Vec<Option<Links>>,
}

impl Operation {
    /// K-2: starts from the initial packet. `state` is ours before the operation.
    pub(crate) fn start(
        identity: &Arc<Identity>,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self, State>, ReceiveError> {
        let alone = matches!(initial.role(), Role::Initial(data) if data.after.len() == 1);
        let started = Self::begin(identity, state, proposal, id, initial, cx);
        started.map_err(|error| if alone { ending(error) } else { error })
    }

    fn begin(
        identity: &Arc<Identity>,
        state: Option<&State>,
        proposal: Option<Proposal>,
        id: PacketId,
        initial: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Started<Self, State>, ReceiveError> {
        let (author, role, Payload(content)) = initial.into_parts();
        let me = identity.member();
        let fingerprint = content.fingerprint(&role);
        let (Role::Initial(data), Content::Initial { base, body: hello }) = (role, content) else {
            return Err(ReceiveError::Rejected(Reason::WrongOperation));
        };
        let (Some(place), Some(first)) = (data.after.position(me), data.after.position(&author)) else {
            return Err(ReceiveError::Rejected(Reason::WrongMembers));
        };
        // A joiner starts with nothing, even if it still holds an old state.
        let state = state.filter(|_| data.before.contains(me));
        let known = state.map(|state| (&state.members, &state.transcript));
        check_base(me, known, base.as_ref(), &data)?;

        let mut hellos = vec![None; data.after.len()];
        if let Some(theirs) = hellos.get_mut(first) {
            *theirs = Some(hello);
        }
        let mut operation = Self {
            identity: Arc::clone(identity),
            run: Run {
                id,
                base,
                data,
                hellos,
                phase: Phase::Over,
            },
        };
        if author == *me {
            // C-9: a packet in our name that we did not make was made with our stolen identity key.
            let Some(proposal) = proposal.filter(|proposal| proposal.fingerprint == fingerprint) else {
                return Err(failure(None, Reason::ContributionChanged));
            };
            let own = Own {
                contribution: proposal.contribution,
                signing: proposal.signing,
                sent: None,
            };
            if operation.run.hellos.len() == 1 {
                let progress = operation.alone(&own, place, cx.now())?;
                return Ok(Started { operation, progress });
            }
            operation.run.phase = Phase::Gathering(Box::new(own));
            let progress = Progress::Continue(Vec::new());
            return Ok(Started { operation, progress });
        }
        // B-2: our hello. B-7: with a contribution for this operation alone.
        let contribution = Contribution::random(cx)?;
        let signing = SigningKey::from_seed(&cx.secret()?);
        let (packet, sent) = operation.seal(Body::Hello(Hello {
            point: contribution.public(),
            key: *signing.verifying_key(),
        }))?;
        operation.run.phase = Phase::Gathering(Box::new(Own {
            contribution,
            signing,
            sent: Some(sent),
        }));
        let progress = Progress::Continue(vec![packet]);
        Ok(Started { operation, progress })
    }

    /// B-8, O-9: of one member the initial packet is all there is.
    fn alone(&self, own: &Own, place: usize, now: Time) -> Result<Progress<State>, ReceiveError> {
        let hellos = self.hellos()?;
        let transcript = self.transcript(&hellos);
        let circle = self.pair(own, &hellos, place)?.only(hellos.len());
        self.outcome(transcript, &circle, &own.signing, &hellos, now)
    }

    /// A packet of ours, and what names it.
    fn seal(&self, body: Body) -> Result<(Vec<u8>, [u8; 32]), ReceiveError> {
        let role = Role::Later { initial: self.run.id };
        Content::Later(body)
            .seal(&self.identity, &self.run.data.session, role)
            .map_err(|_| failure(None, Reason::Limit))
    }

    fn step(&mut self, packet: Opened<Payload>, now: Time) -> Result<Progress<State>, ReceiveError> {
        let (author, role, Payload(content)) = packet.into_parts();
        // K-9, O-3.
        if role != (Role::Later { initial: self.run.id }) {
            return Err(ReceiveError::Rejected(Reason::WrongOperation));
        }
        let Some(place) = self.run.data.after.position(&author) else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        // C-9: we know only of our own packets what they must say.
        let ours = author == *self.identity.member();
        let fingerprint = ours.then(|| content.fingerprint(&role));
        match content {
            Content::Later(Body::Hello(hello)) => self.receive_hello(place, fingerprint, hello),
            Content::Later(Body::Links(links)) => self.receive_links(&author, place, fingerprint, links, now),
            _ => Err(ReceiveError::Rejected(Reason::OutOfTurn)),
        }
    }

    fn receive_hello(
        &mut self,
        place: usize,
        fingerprint: Option<[u8; 32]>,
        hello: Hello,
    ) -> Result<Progress<State>, ReceiveError> {
        let known = self.run.hellos.get(place).and_then(Option::as_ref);
        if known == Some(&hello) {
            return Ok(Progress::Ignored);
        }
        let (None, Phase::Gathering(own)) = (known, &self.run.phase) else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        // K-11: two equal points would be two equal contributions.
        let mut others = self.run.hellos.iter().flatten();
        if others.any(|other| other.point == hello.point || other.key == hello.key) {
            return Err(ReceiveError::Rejected(Reason::Duplicate));
        }
        if fingerprint.is_some() && own.sent != fingerprint {
            return Err(failure(None, Reason::ContributionChanged));
        }
        let mut hellos = self.run.hellos.clone();
        if let Some(theirs) = hellos.get_mut(place) {
            *theirs = Some(hello);
        }
        let mut packets = Vec::new();
        if let Some(all) = hellos.iter().map(Option::as_ref).collect::<Option<Vec<_>>>() {
            let (closing, packet) = self.close(own, &all)?;
            self.run.phase = Phase::Closing(Box::new(closing));
            packets.push(packet);
        }
        self.run.hellos = hellos;
        Ok(Progress::Continue(packets))
    }

    /// B-3, B-4: all points are there, so we tell our links.
    fn close(&self, own: &Own, hellos: &[&Hello]) -> Result<(Closing, Vec<u8>), ReceiveError> {
        let me = self.identity.member();
        let place = self.run.data.after.position(me).unwrap_or_default();
        let transcript = self.transcript(hellos);
        let pair = self.pair(own, hellos, place)?;
        let difference = pair.difference();
        // B-8. K-11: of three or more, points that differ have links that differ.
        if difference.is_some() != (hellos.len() > 2) {
            return Err(failure(None, Reason::BadElement));
        }
        let confirmation =
            pair.confirmation_key(&transcript)
                .confirm(transcript, me, *own.signing.verifying_key());
        let (packet, sent) = self.seal(Body::Links(Links {
            difference,
            transcript,
            mac: confirmation.mac,
        }))?;
        let closing = Closing {
            signing: own.signing.clone(),
            transcript,
            pair,
            sent,
            said: vec![None; hellos.len()],
        };
        Ok((closing, packet))
    }

    fn receive_links(
        &mut self,
        author: &MemberId,
        place: usize,
        fingerprint: Option<[u8; 32]>,
        links: Links,
        now: Time,
    ) -> Result<Progress<State>, ReceiveError> {
        let Phase::Closing(closing) = &mut self.run.phase else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        let len = closing.said.len();
        let missing = closing.said.iter().filter(|said| said.is_none()).count();
        let Some(said) = closing.said.get_mut(place) else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        match said {
            Some(said) if *said == links => return Ok(Progress::Ignored),
            Some(_) => return Err(ReceiveError::Rejected(Reason::OutOfTurn)),
            None => {}
        }
        if links.difference.is_some() != (len > 2) {
            return Err(ReceiveError::Rejected(Reason::Malformed));
        }
        if fingerprint.is_some_and(|fingerprint| fingerprint != closing.sent) {
            return Err(failure(None, Reason::ContributionChanged));
        }
        // The server may have shown its author another channel than it showed us.
        if links.transcript != closing.transcript {
            return Err(failure(None, Reason::TranscriptMismatch));
        }
        if missing > 1 {
            *said = Some(links);
            return Ok(Progress::Continue(Vec::new()));
        }
        let Phase::Closing(closing) = &self.run.phase else {
            return Err(ReceiveError::Rejected(Reason::OutOfTurn));
        };
        let said: Option<Vec<&Links>> = closing
            .said
            .iter()
            .enumerate()
            .map(|(at, said)| if at == place { Some(&links) } else { said.as_ref() })
            .collect();
        let said = said.ok_or_else(|| failure(Some(author), Reason::Malformed))?;
        self.finish(closing, &said, now)
    }

    /// B-5, B-6, K-7: all members have told their links. Each has confirmed the two that it holds, and we
    /// know all.
    fn finish(&self, closing: &Closing, said: &[&Links], now: Time) -> Result<Progress<State>, ReceiveError> {
        let me = self.identity.member();
        let members = &self.run.data.after;
        let mismatch = || failure(only_suspect(me, members), Reason::KeyMismatch);
        let place = members.position(me).unwrap_or_default();
        let circle = if said.len() > 2 {
            let differences: Option<Vec<Point>> = said.iter().map(|links| links.difference).collect();
            differences.and_then(|differences| closing.pair.walk(place, &differences))
        } else {
            Some(closing.pair.only(said.len()))
        };
        let circle = circle.ok_or_else(mismatch)?;
        let hellos = self.hellos()?;
        for (at, ((who, hello), links)) in members.iter().zip(&hellos).zip(said).enumerate() {
            let confirmation = Confirmation {
                transcript: links.transcript,
                key: hello.key,
                mac: links.mac,
            };
            let key = circle.confirmation_key(&closing.transcript, at);
            if !key.is_some_and(|key| key.confirmed_by(who, &confirmation)) {
                return Err(mismatch());
            }
        }
        self.outcome(closing.transcript, &circle, &closing.signing, &hellos, now)
    }

    /// K-4: everything at once.
    fn outcome(
        &self,
        transcript: CourseHash,
        circle: &Circle,
        signing: &SigningKey,
        hellos: &[&Hello],
        now: Time,
    ) -> Result<Progress<State>, ReceiveError> {
        let keys = Keys::derive(transcript, circle.bytes());
        let members = self.run.data.after.clone();
        let verifying = hellos.iter().map(|hello| hello.key).collect();
        let verifying =
            MemberMap::zip(members.clone(), verifying).ok_or_else(|| failure(None, Reason::WrongMembers))?;
        let keys = keys.with(signing.clone(), verifying);
        let state = State {
            transcript,
            members,
            since: now,
        };
        Ok(Progress::Finished(Box::new(Success { state, keys })))
    }

    /// The hellos of all members, once all are there.
    fn hellos(&self) -> Result<Vec<&Hello>, ReceiveError> {
        let all = self.run.hellos.iter().map(Option::as_ref).collect::<Option<_>>();
        all.ok_or_else(|| failure(None, Reason::WrongMembers))
    }

    fn transcript(&self, hellos: &[&Hello]) -> CourseHash {
        let run = &self.run;
        transcript(&run.data, run.base.as_ref(), run.id, hellos)
    }

    fn pair(&self, own: &Own, hellos: &[&Hello], place: usize) -> Result<Pair, ReceiveError> {
        let points: Vec<&Point> = hellos.iter().map(|hello| &hello.point).collect();
        Pair::agree(&own.contribution, &points, place).ok_or_else(|| failure(None, Reason::WrongMembers))
    }

    pub(crate) fn restore(identity: &Arc<Identity>, bytes: &[u8]) -> Result<Self, RestoreError> {
        let run: Run = restore(bytes)?;
        let len = run.data.after.len();
        let missing = run.hellos.iter().any(Option::is_none);
        let fits = run.data.is_well_formed()
            && run.data.after.contains(identity.member())
            && run.hellos.len() == len
            && match &run.phase {
                Phase::Gathering(_) => missing,
                Phase::Closing(closing) => {
                    let told = closing.said.iter().flatten();
                    !missing
                        && closing.said.len() == len
                        && closing.said.iter().any(Option::is_none)
                        && told
                            .into_iter()
                            .all(|links| links.difference.is_some() == (len > 2))
                }
                Phase::Over => true,
            };
        let operation = Self {
            identity: Arc::clone(identity),
            run,
        };
        fits.then_some(operation).ok_or(RestoreError)
    }
}

impl concilium_gka::Operation for Operation {
    type State = State;
    type Payload = Payload;

    fn receive(
        &mut self,
        packet: Opened<Payload>,
        cx: &mut Context<'_>,
    ) -> Result<Progress<State>, ReceiveError> {
        let last = match &self.run.phase {
            Phase::Closing(closing) => closing.said.iter().filter(|said| said.is_none()).count() == 1,
            _ => false,
        };
        let result = self
            .step(packet, cx.now())
            .map_err(|error| if last { ending(error) } else { error });
        // K-4: success hands the secrets over, failure destroys them. K-5: a rejection touches nothing.
        if matches!(result, Ok(Progress::Finished(_)) | Err(ReceiveError::Failed(_))) {
            self.run.phase = Phase::Over;
        }
        result
    }
}

impl Export for Operation {
    fn export(&self) -> Zeroizing<Vec<u8>> {
        export(&self.run)
    }
}

/// Without secrets.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.run.phase {
            Phase::Gathering(_) => "gathering",
            Phase::Closing(_) => "closing",
            Phase::Over => "over",
        };
        f.debug_struct("Operation")
            .field("initial", &self.run.id)
            .field("members", &self.run.data.after)
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}
