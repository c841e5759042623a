//! Outputs on their way to the driver, which saves first what they depend on.

use std::fmt;

use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;
use zeroize::Zeroizing;

use crate::{Output, Session};

/// Waiting outputs. A driver that is to survive a crash saves the session before it carries any of them out.
/// Otherwise it comes back as a member that does not know what it has said. This type enforces the order; see
/// [`Session::drain`].
#[must_use = "save the session, or say that nothing is kept, and take its outputs"]
pub struct Drain<'a> {
    source: &'a mut dyn Source,
}

/// Outputs, oldest first. Those that are not taken wait for the next drain.
#[must_use = "outputs do nothing unless they are carried out"]
pub struct Outputs<'a> {
    source: &'a mut dyn Source,
}

/// A session with any parts.
trait Source {
    fn snapshot(&self) -> Zeroizing<Vec<u8>>;
    fn next_output(&mut self) -> Option<Output>;
    fn waiting(&self) -> usize;
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Source for Session<G, E> {
    fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        self.snapshot()
    }

    fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn waiting(&self) -> usize {
        self.outputs.len()
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// The outputs since the last call: actions for the channel and events for the user. To be called after
    /// every input and command:
    ///
    /// ```
    /// # use concilium_session::{AnySession, Output};
    /// # fn drive(session: &mut dyn AnySession, disk: &mut Vec<u8>) -> Result<(), std::io::Error> {
    /// let outputs = session.drain().save(|snapshot| {
    ///     *disk = snapshot.to_vec(); // where it outlives a crash
    ///     Ok::<_, std::io::Error>(())
    /// })?;
    /// for output in outputs {
    ///     match output {
    ///         Output::Channel(action) => { /* carry it out */ }
    ///         Output::Event(event) => { /* show it */ }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&mut self) -> Drain<'_> {
        Drain { source: self }
    }
}

impl<'a> Drain<'a> {
    /// Hands a [snapshot](Session::snapshot) to `save`, and then gives the outputs.
    ///
    /// # Errors
    /// Those of `save`. The outputs wait for the next drain.
    pub fn save<Error>(self, save: impl FnOnce(&[u8]) -> Result<(), Error>) -> Result<Outputs<'a>, Error> {
        save(&self.source.snapshot())?;
        Ok(self.saved())
    }

    /// Gives the outputs: the driver has saved the session since the last input or command.
    pub fn saved(self) -> Outputs<'a> {
        Outputs { source: self.source }
    }

    /// Gives the outputs: the driver keeps nothing, and a crash ends its session.
    pub fn unsaved(self) -> Outputs<'a> {
        Outputs { source: self.source }
    }
}

impl Iterator for Outputs<'_> {
    type Item = Output;

    fn next(&mut self) -> Option<Output> {
        self.source.next_output()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let waiting = self.source.waiting();
        (waiting, Some(waiting))
    }
}

impl fmt::Debug for Drain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("waiting", &self.source.waiting())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Outputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outputs")
            .field("waiting", &self.source.waiting())
            .finish_non_exhaustive()
    }
}
