//! What a session knows from entering the channel to leaving it.

use concilium_core::{MemberId, MemberSet, Time};
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::arrival::Arrival;
use crate::chain::Chain;
use crate::course::{Course, CourseOf};
use crate::departure::Departure;
use crate::door::Door;
use crate::reunion::Strays;
use crate::waiting::WaitingRoom;
use crate::{ActionOutcome, Event, Session};

/// What we know from entering the channel to leaving it: one noun a field, each with its rules and deadlines.
pub(crate) struct Stay<G: GroupKeyAgreement> {
    /// The members of the channel.
    pub(crate) channel: MemberSet,
    /// Since when we are.
    pub(crate) entered_at: Time,
    /// Seniors and hopefuls, that we wait for, and heirs, that wait for us (T-11).
    pub(crate) arrival: Arrival,
    /// Where the members of the channel and of the session differ (T-1 to T-8).
    pub(crate) door: Door,
    /// The operation that runs, and what we propose (K).
    pub(crate) course: CourseOf<G>,
    /// Which operations count, and the confirmations of them (O).
    pub(crate) chain: Chain,
    /// The stray members of the channel (T-17).
    pub(crate) strays: Strays,
    /// Whether we are about to leave.
    pub(crate) departure: Departure,
}

impl<G: GroupKeyAgreement> Stay<G> {
    /// We have entered the channel, and are in no session yet. `channel` are all its members, ourselves
    /// included.
    pub(crate) fn outside(me: MemberId, channel: MemberSet, entered_at: Time) -> Self {
        let others = channel.minus(&MemberSet::of(me.clone()));
        Self {
            channel,
            entered_at,
            arrival: Arrival::after(others),
            door: Door::default(),
            course: Course::default(),
            chain: Chain::unknown(me),
            strays: Strays::default(),
            departure: Departure::default(),
        }
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// T-10: an operation that excludes us has succeeded without our seeing it, since a member proposes to
    /// include us. We start over as a waiting member.
    ///
    /// If we were alone in our session, others may be waiting for us to include them (T-11). Then we wait for
    /// them only for a while.
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
            strays: stay.strays.start_over(),
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
