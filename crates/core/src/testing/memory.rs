//! How much memory some work takes.

pub use peak_alloc::PeakAlloc;

/// The most bytes that `work` and its result hold at once beyond what was held before. `memory` must be the
/// global allocator of the test program, and nothing else may run in it meanwhile: it counts for the whole
/// process.
pub fn peak<T>(memory: &PeakAlloc, work: impl FnOnce() -> T) -> usize {
    memory.reset_peak_usage();
    let before = memory.current_usage();
    drop(work());
    memory.peak_usage().saturating_sub(before)
}
