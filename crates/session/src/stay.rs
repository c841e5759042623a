//! What a session knows from entering the channel to leaving it.

use concilium_core::{MemberId, MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::arrival::Arrival;
use crate::chain::Chain;
use crate::course::{Course, CourseOf};
use crate::departure::Departure;
use crate::door::Door;
use crate::reunion::Estranged;
use crate::waiting::WaitingRoom;
use crate::{ActionOutcome, Event, Session};

/// What we know from entering the channel to leaving it: one noun a field, each with its rules and deadlines.
pub(crate) struct Stay<G: GroupKeyAgreement> {
    /// Who is in the channel.
    pub(crate) channel: MemberSet,
    /// Since when we are.
    pub(crate) entered_at: Time,
    /// Whom we wait for, and who waits for us (T-11).
    pub(crate) arrival: Arrival,
    /// Who is in the channel and not in the session, or the other way round (T-1 to T-8).
    pub(crate) door: Door,
    /// The operation that runs, and what we propose (K).
    pub(crate) course: CourseOf<G>,
    /// Which operations count, and who has confirmed them (O).
    pub(crate) chain: Chain,
    /// Who in the channel is elsewhere (T-17).
    pub(crate) estranged: Estranged,
    /// Whether we are about to leave.
    pub(crate) departure: Departure,
}

impl<G: GroupKeyAgreement> Stay<G> {
    /// We have entered the channel, and are in no session yet: `channel` are all who are there, us included.
    pub(crate) fn outside(me: MemberId, channel: MemberSet, entered_at: Time) -> Self {
        let others = channel.minus(&MemberSet::of(me.clone()));
        Self {
            channel,
            entered_at,
            arrival: Arrival::after(others),
            door: Door::default(),
            course: Course::default(),
            chain: Chain::unknown(me),
            estranged: Estranged::default(),
            departure: Departure::default(),
        }
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// T-10: an operation that excludes us has succeeded without our seeing it, for somebody who proposes to include us
    /// knows us for no member: we are in the channel as if we had just entered.
    ///
    /// Into the session of whoever was alone others may wait to be let (T-11): it waits for them for a while only, should
    /// nothing come of it.
    pub(crate) fn start_over(&mut self) {
        let was_alone = self.is_alone();
        let Some(stay) = self.stay.take() else { return };
        let me = self.gka.me().clone();
        let channel = stay.channel.clone();
        self.clear_session(&stay);
        if self.actions.change().is_some() {
            self.settle_action(ActionOutcome::Left);
        }
        let others = channel.minus(&MemberSet::of(me.clone()));
        let outside = Stay::outside(me, channel, stay.entered_at);
        self.stay = Some(Stay {
            arrival: if was_alone {
                Arrival::beside(others)
            } else {
                outside.arrival
            },
            chain: stay.chain.start_over(),
            estranged: stay.estranged.start_over(),
            ..outside
        });
    }

    /// T-3: what we knew of the session is void. What was said stays readable.
    pub(crate) fn clear_session(&mut self, stay: &Stay<G>) {
        let members = stay.chain.resolver.head().map(|head| head.members.clone());
        self.past.extend(self.current.take());
        self.close_past(|_, _| true);
        self.waiting = WaitingRoom::default();
        self.clear_warnings(|_| true);
        if stay.chain.resolver.is_member() {
            self.emit(Event::MembershipChanged {
                subsession: None,
                members: MemberSet::new(),
                joined: MemberSet::new(),
                parted: members.unwrap_or_default(),
            });
        }
    }
}
