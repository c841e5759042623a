//! Messages: taking them in, saying them, and what follows from them (M, G and L rules).

use std::collections::BTreeSet;

use concilium_core::channel::ChannelAction;
use concilium_core::keys::{SigningKey, VerifyingKey};
use concilium_core::packet::{self, PacketKind};
use concilium_core::{Context, MemberId, MemberSet, MessageId, Secret, Time};
use concilium_encryptor::{Kind, MessageEncryptor};
use concilium_gka::GroupKeyAgreement;
use concilium_server_order::{Comparison, Link};
use concilium_transcript::{InsertError, Inserted};

use crate::subsession::{Refusal, SpeakError};
use crate::subsessions::Which;
use crate::waiting::Waiting;
use crate::{Event, Session, WarningKind};
use concilium_liveness::ResendTimer;

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// M-2: to the current subsession, then to those before it; otherwise it waits.
    pub(crate) fn message_packet(&mut self, from: &MemberId, body: &[u8], cx: &mut Context<'_>) {
        if !self.try_read(from, body, cx) {
            let waiting = Waiting {
                packet: body.to_vec(),
                until: self.clock.now().after(self.settings.timing.patience()),
                suspicious: self.expects_to_read(from),
            };
            self.waiting.push(from, waiting);
            self.heard_from_outside(from);
        }
    }

    /// Whether a packet is readable with keys that we hold, in which case all that follows from it is done.
    fn try_read(&mut self, from: &MemberId, body: &[u8], cx: &mut Context<'_>) -> bool {
        let now = self.clock.now();
        // a key that its owner retires in one subsession is retired in all.
        let retired: BTreeSet<VerifyingKey> = self
            .subsessions()
            .flat_map(|subsession| subsession.state.retired.values().copied())
            .collect();
        for which in self.whiches() {
            let Some(subsession) = self.subsession_mut(which) else {
                continue;
            };
            let id = Some(subsession.state.id);
            match subsession.receive(body, &retired, now) {
                Ok((message, inserted)) => {
                    self.clear_warnings(|warning| {
                        warning.kind == WarningKind::NotDecryptable && warning.members.contains(from)
                    });
                    match inserted {
                        Some(inserted) => {
                            let naming = inserted.accepted.iter().any(|id| self.names_key(which, id));
                            self.inserted(which, inserted, cx);
                            if naming {
                                self.reread(cx);
                            }
                        }
                        None => self.repeated(which, &message, from, cx),
                    }
                }
                Err(Refusal::NotDecryptable) => continue,
                Err(Refusal::Bad) => {
                    // Its author holds the keys; the channel's sender is our best guess.
                    let members = MemberSet::of(from.clone());
                    self.warn_within(WarningKind::BadMessage, members, None, id);
                }
                Err(Refusal::AfterFinish(author)) => {
                    let members = MemberSet::of(author);
                    self.warn_within(WarningKind::BadMessage, members, None, id);
                }
                Err(Refusal::Refused(author, error)) => self.refused(which, author, &error),
            }
            return true;
        }
        false
    }

    /// Whether a message in a transcript names a key, with which others may be signed that wait for it (M-9).
    fn names_key(&self, which: Which, message: &MessageId) -> bool {
        let subsession = match which {
            Which::Current => self.current.as_ref(),
            Which::Past(place) => self.past.get(place),
        };
        let message = subsession.and_then(|subsession| subsession.transcript.message(message));
        message.is_some_and(|message| message.body.retires.is_some())
    }

    /// A message came once more. The echo of our own is nothing new.
    fn repeated(&mut self, which: Which, message: &MessageId, from: &MemberId, cx: &mut Context<'_>) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        let me = self.gka.me().clone();
        if *from == me {
            return;
        }
        let Some(subsession) = self.subsession_mut(which) else {
            return;
        };
        subsession.state.resends.sent_again(message, &timing, cx);
        if let Some(packet) = subsession.ack_again(message, from, &me, &timing, now) {
            self.act(ChannelAction::Send {
                bytes: packet::frame(PacketKind::Message, &packet),
            });
        }
    }

    /// L-3: messages that some members have not seen are sent again, ours and others'.
    pub(crate) fn resend_if_due(&mut self, cx: &mut Context<'_>) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        if self
            .stay
            .as_ref()
            .is_none_or(|stay| stay.departure.is_under_way())
        {
            return;
        }
        let present = self.present();
        for which in self.whiches() {
            let Some(subsession) = self.subsession_mut(which) else {
                continue;
            };
            let due: Vec<_> = subsession.state.resends.due(now).collect();
            let mut packets: Vec<Vec<u8>> = Vec::new();
            for message in &due {
                if subsession.missing(message, &present).is_empty() {
                    subsession.state.resends.settle(message); // The members that have not seen it are gone.
                    continue;
                }
                for packet in subsession.packets_of(message) {
                    if !packets.iter().any(|other| other == packet) {
                        packets.push(packet.to_vec());
                    }
                }
                subsession.state.resends.sent_again(message, &timing, cx);
            }
            if !packets.is_empty() {
                subsession.state.resends.rest(&timing, now);
            }
            for packet in packets {
                self.act(ChannelAction::Send {
                    bytes: packet::frame(PacketKind::Message, &packet),
                });
            }
        }
    }

    /// An author broke a rule of the transcript.
    fn refused(&mut self, which: Which, author: MemberId, error: &InsertError) {
        let harmless = matches!(error, InsertError::QuotaFull(_) | InsertError::Full);
        if harmless {
            self.skip(&author, error);
            return;
        }
        let subsession = self.subsession_mut(which).map(|subsession| subsession.state.id);
        let members = MemberSet::of(author);
        self.warn_within(WarningKind::BadMessage, members, None, subsession);
    }

    /// What a message, ours or another's, brought into a transcript.
    pub(crate) fn inserted(&mut self, which: Which, inserted: Inserted, cx: &mut Context<'_>) {
        for id in &inserted.accepted {
            self.accepted(which, id, cx);
        }
        for rejected in inserted.rejected {
            self.refused(which, rejected.author, &rejected.reason);
        }
        for fork in inserted.forks {
            let subsession = self.subsession_mut(which).map(|subsession| subsession.state.id);
            let members = MemberSet::of(fork.author);
            let message = Some(fork.second);
            self.warn_within(WarningKind::AuthorFork, members, message, subsession);
        }
        for id in inserted.fully_acked {
            self.fully_acked(which, id);
        }
    }

    /// A message has entered a transcript, after all its parents.
    fn accepted(&mut self, which: Which, id: &MessageId, cx: &mut Context<'_>) {
        let me = self.gka.me().clone();
        let timing = self.settings.timing;
        let now = self.clock.now();
        let Some(subsession) = self.subsession_mut(which) else {
            return;
        };
        let Some(author) = subsession
            .transcript
            .message(id)
            .map(|message| message.author.clone())
        else {
            return;
        };
        let Some(note) = subsession.transcript.body_mut(id) else {
            return;
        };
        let (kind, confirmation) = (note.kind, note.confirmation.take());
        let body = std::mem::take(&mut note.body);
        let subsession_id = subsession.state.id;
        // A member that has left since, and may be back, said what it knew while perhaps excluded. That says
        // nothing about now (T-10).
        let confirmation = confirmation.filter(|_| !subsession.state.gone.contains(&author));

        // data that had waited for its parents and turns out to follow its author's finish.
        let late = kind == Kind::DATA && subsession.state.finished.contains(&author);
        let retires = note.retires;
        if kind == Kind::FINISH {
            subsession.state.finished.insert(author.clone());
        }
        if let Some(key) = retires {
            subsession.state.retired.insert(author.clone(), key);
        }
        let published = (kind == Kind::KEY_PUBLICATION).then(|| {
            let key = published_key(&body)?;
            let theirs = subsession.state.retired.get(&author);
            (theirs == Some(key.verifying_key())).then(|| *key.seed().expose())
        });
        if !kind.is_ack() {
            let wait = if kind == Kind::FINISH {
                timing.finish()
            } else {
                timing.full_ack()
            };
            if !subsession.transcript.is_fully_acked(id).unwrap_or(true) {
                subsession.state.monitor.expect(*id, now.after(wait));
                subsession.state.resends.watch(*id, &timing, cx);
            }
            subsession.state.presence.asked(&timing, cx);
            if author != me {
                // L-6: a finish is acknowledged at once, anything else in our next message or after a while
                // (L-2).
                let delay = if kind == Kind::FINISH {
                    std::time::Duration::ZERO
                } else {
                    timing.ack_delay(cx)
                };
                subsession.state.ack.owe(now.after(delay));
            }
        }
        if author != me {
            self.alive(which, &author, cx);
        }
        let shown = (kind == Kind::DATA && !late).then(|| body.clone());
        self.record(which, id, &author, shown);
        self.clear_warnings(|warning| {
            warning.kind == WarningKind::MissingParents && warning.message.as_ref() == Some(id)
        });
        if let Some(confirmation) = confirmation {
            self.confirmed(
                &author,
                Link {
                    packet: confirmation.packet,
                    chain: confirmation.chain,
                },
            );
        }
        if late {
            let (members, message) = (MemberSet::of(author), Some(*id));
            let subsession = Some(subsession_id);
            self.warn_within(WarningKind::BadMessage, members, message, subsession);
        } else if kind == Kind::DATA {
            self.emit(Event::Message {
                id: *id,
                author,
                body: body.into(),
            });
        } else if kind == Kind::FINISH && author != me {
            self.emit(Event::MemberFinished { member: author });
        } else if let Some(published) = published {
            // M-9: a key that it did not retire proves nothing, and no honest member publishes one.
            match published {
                Some(seed) if author != me => self.emit(Event::KeyPublished {
                    member: author,
                    subsession: subsession_id,
                    seed,
                }),
                Some(_) => {}
                None => {
                    let (members, message) = (MemberSet::of(author), Some(*id));
                    let subsession = Some(subsession_id);
                    self.warn_within(WarningKind::BadMessage, members, message, subsession);
                }
            }
        } else if !kind.is_known() {
            self.emit(Event::UnknownMessage {
                id: *id,
                author,
                kind,
            }); // M-7
        }
    }

    /// A member has said something new. What it has not seen by then is worth another try (L-3).
    fn alive(&mut self, which: Which, author: &MemberId, cx: &mut Context<'_>) {
        let (now, timing) = (self.clock.now(), self.settings.timing);
        let Some(subsession) = self.subsession_mut(which) else {
            return;
        };
        subsession.state.presence.heard(author, now);
        if which == Which::Current
            && let Some(stay) = &mut self.stay
            && !stay.chain.resolver.differences().contains_key(author)
        {
            stay.strays.forget(author);
        }
        let Some(subsession) = self.subsession_mut(which) else {
            return;
        };
        // Mostly nothing has been sent again, and then there is nothing to look up.
        let (transcript, resends) = (&subsession.transcript, &subsession.state.resends);
        let unseen = |id: &&MessageId| {
            resends.is_sent_again(id)
                && transcript
                    .unacked(id)
                    .is_ok_and(|unacked| unacked.contains(author))
        };
        let unseen: Vec<_> = transcript
            .unacked_messages()
            .take(ResendTimer::BURST)
            .filter(unseen)
            .copied()
            .collect();
        for id in unseen {
            subsession.state.resends.hasten(&id, &timing, cx);
        }
        self.clear_warnings(|warning| {
            warning.kind == WarningKind::MemberAbsent && warning.members.contains(author)
        });
    }

    fn record(&mut self, which: Which, id: &MessageId, author: &MemberId, shown: Option<Vec<u8>>) {
        let subsession = match which {
            Which::Current => self.current.as_ref(),
            Which::Past(place) => self.past.get(place),
        };
        if let Some(subsession) = subsession {
            self.log
                .push(subsession.state.id, &subsession.transcript, id, author, shown);
        }
    }

    fn fully_acked(&mut self, which: Which, id: MessageId) {
        if let Some(subsession) = self.subsession_mut(which) {
            subsession.state.monitor.settle(&id);
            subsession.forget_packets(&id);
        }
        self.clear_warnings(|warning| {
            let about_acks = matches!(
                warning.kind,
                WarningKind::NotFullyAcked | WarningKind::FinishTimeout
            );
            about_acks && warning.message == Some(id)
        });
        if self.log.get(&id).is_some() {
            self.emit(Event::FullyAcked { id });
        }
    }

    /// A member authenticates where it stands in the chain of operations (O-10).
    fn confirmed(&mut self, member: &MemberId, link: Link) {
        let Some(stay) = &mut self.stay else { return };
        match stay.chain.confirm(member, link, self.clock.now()) {
            Comparison::Different => {
                self.warn(WarningKind::InconsistentHistory, MemberSet::of(member.clone()));
            }
            Comparison::Consistent => {
                if stay.chain.is_confirmed() {
                    self.reunions = 0;
                }
                self.clear_warnings(|warning| {
                    warning.kind == WarningKind::ChainUnconfirmed && warning.members.contains(member)
                });
            }
            _ => {}
        }
    }

    /// Sends a message in a subsession. It acknowledges all that we have seen there (L-2), and confirms the
    /// chain if we have not done so yet (O-10).
    pub(crate) fn speak(
        &mut self,
        which: Which,
        kind: Kind,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<MessageId, SpeakError> {
        let me = self.gka.me().clone();
        let claim = match which {
            Which::Current => self.stay.as_ref().and_then(|stay| stay.chain.resolver.claim()),
            Which::Past(_) => None,
        };
        let until = cx.now().after(self.settings.timing.finish());
        let Some(subsession) = self.subsession_mut(which) else {
            return Err(SpeakError::NoSubsession);
        };
        let (id, packet, inserted) = subsession.say(&me, kind, body, claim, cx)?;
        if kind == Kind::FINISH {
            subsession.state.own_finish = Some((id, until));
        }
        self.act(ChannelAction::Send {
            bytes: packet::frame(PacketKind::Message, &packet),
        });
        self.inserted(which, inserted, cx);
        Ok(id)
    }

    /// The acks, confirmations and heartbeats that are due.
    pub(crate) fn speak_if_due(&mut self, cx: &mut Context<'_>) {
        let timing = self.settings.timing;
        let mut subsessions = self.subsessions();
        let retired = subsessions.any(|subsession| subsession.encryptor.retired_key().is_some());
        drop(subsessions);
        for which in self.whiches() {
            let now = self.clock.now();
            let Some(subsession) = self.subsession_mut(which) else {
                continue;
            };
            if retired && subsession.encryptor.retired_key().is_none() {
                continue; // M-9: we have no key here that anybody takes, and are about to leave.
            }
            let state = &mut subsession.state;
            let alone = subsession.transcript.members().len() < 2;
            let kind = if state.ack.due() <= now {
                Kind::AUTOMATIC_ACK
            } else if state.confirm_due <= now {
                Kind::CONSISTENCY
            } else if which == Which::Current && state.presence.ask_at() <= now {
                if !state.monitor.is_empty() {
                    state.presence.asked(&timing, cx); // What is not acknowledged yet asks already.
                    continue;
                }
                Kind::CONSISTENCY // L-5
            } else {
                continue;
            };
            let spoken = if alone {
                None
            } else {
                self.speak(which, kind, &[], cx).ok()
            };
            if let (None, Some(subsession)) = (spoken, self.subsession_mut(which)) {
                // The random source failed, or there is no reader: not again before the next occasion.
                subsession.state.ack.sent();
                subsession.state.confirm_due = Time::NEVER;
                subsession.state.presence.asked(&timing, cx);
            }
        }
    }

    /// Tries waiting packets again: they may be of the new subsession (M-2), or signed with a key that was
    /// named since (M-9).
    pub(crate) fn reread(&mut self, cx: &mut Context<'_>) {
        for (from, waiting) in self.waiting.take() {
            if !self.try_read(&from, &waiting.packet, cx) {
                self.waiting.push(&from, waiting);
            }
        }
    }
}

/// The signing key in the body of its publication.
fn published_key(body: &[u8]) -> Option<SigningKey> {
    let seed: [u8; 32] = body.try_into().ok()?;
    Some(SigningKey::from_seed(&Secret::new(seed)))
}
