//! The subsessions that there are: the current one and those that shut down (M-1).

use concilium_core::Time;
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::Session;
use crate::subsession::Subsession;

/// The most past subsessions that are kept. People who talk do not make this many changes of members within
/// one full-ack interval.
const MAX_PAST: usize = 8;

/// One of the subsessions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Current,
    /// One of those that shut down, by its place: 0 is the newest.
    Past(usize),
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    pub(crate) fn subsessions(&self) -> impl Iterator<Item = &Subsession<E>> {
        self.current.iter().chain(&self.past)
    }

    /// All subsessions that there are, the newest first.
    pub(crate) fn whiches(&self) -> impl Iterator<Item = Which> + use<G, E> {
        std::iter::once(Which::Current).chain((0..self.past.len()).map(Which::Past))
    }

    pub(crate) fn subsession_mut(&mut self, which: Which) -> Option<&mut Subsession<E>> {
        match which {
            Which::Current => self.current.as_mut(),
            Which::Past(place) => self.past.get_mut(place),
        }
    }

    /// M-1: the current subsession becomes a past one, in which packets may still be under way.
    pub(crate) fn retire_current(&mut self) {
        if let Some(mut retired) = self.current.take() {
            retired.state.confirm_due = Time::NEVER;
            // M-9: a subsession where our key is retired stays open: the next one has the same key for us,
            // and would take it for one that signs.
            if retired.encryptor.retired_key().is_none() {
                retired.state.closes_at = self.clock.now().after(self.settings.timing.linger());
            }
            self.past.push_front(retired);
            self.close_past(|place, _| place >= MAX_PAST);
        }
    }

    /// Closes the past subsessions for which `over` is true, given their place and state.
    pub(crate) fn close_past(&mut self, over: impl Fn(usize, &Subsession<E>) -> bool) {
        for (place, closed) in std::mem::take(&mut self.past).into_iter().enumerate() {
            if !over(place, &closed) {
                self.past.push_back(closed);
                continue;
            }
            self.log.close(closed.state.id, &closed.transcript);
            let id = Some(closed.state.id);
            self.clear_warnings(|warning| warning.subsession == id && warning.message.is_some());
        }
    }
}
