//! The things that the library may reach while a call of ours runs, and only then: random numbers, a key
//! package, a stored group.

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use concilium_core::Secret;
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::group::{EpochRecord, GroupState, GroupStateStorage};
use mls_rs_core::key_package::{KeyPackageData, KeyPackageStorage};
use zeroize::Zeroizing;

/// The library asked for something that is not on the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotThere;

impl IntoAnyError for NotThere {}

/// What lies on the desk during one call.
#[derive(Default)]
pub struct Things {
    /// What the library's random numbers are drawn from.
    pub random: Option<ChaCha20Rng>,
    /// A key package with its private part, by its reference.
    pub key_package: Option<(Vec<u8>, KeyPackageData)>,
    /// A stored group.
    pub group: Option<Zeroizing<Vec<u8>>>,
}

impl Things {
    /// With random numbers from this seed.
    pub fn random(seed: &Secret<32>) -> Self {
        Self {
            random: Some(ChaCha20Rng::from_seed(*seed.expose())),
            ..Self::default()
        }
    }
}

/// The library's providers have to live as long as its groups; a call's context does not. So they all hold
/// this desk, which is empty between the calls. A group can draw random numbers only from the context of the
/// present call.
#[derive(Clone, Default)]
pub struct Desk(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Held for the length of a call, since groups of one member share the desk.
    turn: Mutex<()>,
    things: Mutex<Things>,
}

/// Without the secrets.
impl fmt::Debug for Things {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Things").finish_non_exhaustive()
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Nothing that is locked here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// Makes a call with these things on the desk. Returns what came of it and what lies there afterwards.
    pub fn with<R>(&self, things: Things, call: impl FnOnce() -> R) -> (R, Things) {
        let _turn = lock(&self.0.turn);
        *lock(&self.0.things) = things;
        let result = call();
        let left = mem::take(&mut *lock(&self.0.things));
        (result, left)
    }

    /// Random bytes, during a call that has them.
    pub(crate) fn fill(&self, bytes: &mut [u8]) -> Result<(), NotThere> {
        let mut things = lock(&self.0.things);
        things.random.as_mut().ok_or(NotThere)?.fill_bytes(bytes);
        Ok(())
    }
}

impl KeyPackageStorage for Desk {
    type Error = NotThere;

    /// The owner of the key package erases it, see `Announcements::settle`.
    fn delete(&mut self, _: &[u8]) -> Result<(), NotThere> {
        Ok(())
    }

    fn insert(&mut self, id: Vec<u8>, pkg: KeyPackageData) -> Result<(), NotThere> {
        lock(&self.0.things).key_package = Some((id, pkg));
        Ok(())
    }

    fn get(&self, id: &[u8]) -> Result<Option<KeyPackageData>, NotThere> {
        let things = lock(&self.0.things);
        let found = things.key_package.as_ref().filter(|(own, _)| own == id);
        Ok(found.map(|(_, data)| data.clone()))
    }
}

impl GroupStateStorage for Desk {
    type Error = NotThere;

    fn state(&self, _: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, NotThere> {
        Ok(lock(&self.0.things).group.take())
    }

    fn epoch(&self, _: &[u8], _: u64) -> Result<Option<Zeroizing<Vec<u8>>>, NotThere> {
        Ok(None)
    }

    fn write(&mut self, state: GroupState, _: Vec<EpochRecord>, _: Vec<EpochRecord>) -> Result<(), NotThere> {
        lock(&self.0.things).group = Some(state.data);
        Ok(())
    }

    fn max_epoch_id(&self, _: &[u8]) -> Result<Option<u64>, NotThere> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a04_no_random_number_outside_of_a_call() {
        let desk = Desk::default();
        let mut bytes = [0; 32];
        assert_eq!(desk.fill(&mut bytes), Err(NotThere));
        let (inside, _) = desk.with(Things::random(&Secret::new([1; 32])), || desk.fill(&mut bytes));
        assert_eq!(inside, Ok(()));
        assert_ne!(bytes, [0; 32]);
        assert_eq!(desk.fill(&mut bytes), Err(NotThere), "the desk is cleared");
    }
}
