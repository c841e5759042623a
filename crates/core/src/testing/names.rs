//! Members' names, by number.

use crate::{MemberId, MemberSet};

/// The name of the n-th member of every group: `m000`, `m001` and so on.
///
/// # Panics
/// Never: such a name is short.
#[must_use]
#[expect(clippy::expect_used, reason = "a number of at most 20 digits is a short name")]
pub fn name(n: usize) -> MemberId {
    MemberId::new(format!("m{n:03}")).expect("a short name")
}

/// The names of the members `range`.
#[must_use]
pub fn names(range: impl IntoIterator<Item = usize>) -> MemberSet {
    range.into_iter().map(name).collect()
}
