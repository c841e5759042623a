//! Counts elementary steps in tests, so that growth is measured in work and not in seconds. Outside of
//! this crate's own tests it does nothing.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Notes this many steps.
#[inline(always)]
pub(crate) fn add(steps: usize) {
    #[cfg(test)]
    STEPS.with(|total| total.set(total.get() + steps as u64));
    let _ = steps;
}

/// The steps since the last call on this thread.
#[cfg(test)]
pub(crate) fn take() -> u64 {
    STEPS.with(|total| total.replace(0))
}
