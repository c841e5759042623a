//! Conformance of group key agreements: a whole group in one hand, and checks of each rule of the contract.
//!
//! [`gka_conformance!`](crate::gka_conformance) makes a `#[test]` of each check, for any implementation:
//!
//! ```
//! # use std::sync::Arc;
//! # use concilium_gka::{AnyGka, Directory, Identity};
//! # struct Yours;
//! # impl Yours { fn new(_: Identity, _: Arc<dyn Directory>) -> AnyGka { unreachable!("as an example") } }
//! #[cfg(test)]
//! mod conformance {
//!     use super::Yours;
//!
//!     concilium_gka::gka_conformance!(Yours::new);
//! }
//! ```
//!
//! In `Cargo.toml`, the kit belongs among the dependencies of tests:
//!
//! ```toml
//! [dev-dependencies]
//! concilium-gka = { version = "0.1", features = ["conformance"] }
//! ```
//!
//! A [`Group`] runs operations by hand, packet by packet, for tests of one's own. [`corrupt`] runs them with
//! members who send what no honest one would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "checks fail by panicking"
)]

pub mod checks;
pub mod corrupt;
mod group;

pub use group::{Echo, Group, Make, Member, Reaction, Saved, directory, identity};

/// Calls the macro `$callback` with `$with` and the names of all checks in
/// [`checks`](crate::conformance::checks): the one list of them.
#[macro_export]
macro_rules! for_each_gka_check {
    ($($callback:tt)::+ ! ($with:expr)) => {
        $($callback)::+! {
            $with;
            k01_proposing_changes_nothing,
            k02_any_of_several_racing_proposals_can_be_accepted,
            k03_independent_packets_come_in_any_order,
            k04_success_yields_everything_at_once,
            k05_a18_rejected_packets_change_nothing,
            k06_associated_data_are_authenticated,
            k06_changed_associated_data_lead_nowhere,
            k07_a06_who_finishes_agrees_whatever_a_member_sends,
            k07_a06_who_finishes_agrees_whatever_two_members_do_together,
            k08_nothing_is_used_before_success,
            k09_a01_a_packet_belongs_to_one_operation,
            k10_excluding_takes_no_packet_of_the_excluded,
            k11_misfitting_changes_are_not_proposed,
            k11_a41_odd_payloads_finish_nothing,
            k12_who_is_out_learns_nothing,
            k13_state_goes_through_exports,
            k13_k14_announcements_outlive_a_restart,
            k14_announcements_are_authentic,
            k14_who_has_left_announces_anew,
            k15_a45_unauthentic_packets_do_not_count,
            a02_our_packets_are_not_taken_as_ours_when_changed,
            a04_broken_randomness_sends_nothing,
            a10_replayed_packets_do_nothing,
            a11_a_stolen_key_speaks_for_its_owner_only,
            a12_signatures_do_not_change_their_kind,
            a14_sender_author_and_key_are_one,
            a21_nothing_secret_is_printed,
            a41_a46_packets_from_outside_block_nothing,
        }
    };
}

/// Makes a `#[test]` of each conformance check of group key agreements.
///
/// The argument makes one member's key agreement from its [`Identity`](crate::Identity) and an
/// `Arc<dyn Directory>`; see [`Make`].
#[macro_export]
macro_rules! gka_conformance {
    ($make:expr) => {
        $crate::for_each_gka_check!($crate::gka_conformance_tests!($make));
    };
}

/// What [`gka_conformance!`](crate::gka_conformance) does with the list.
#[doc(hidden)]
#[macro_export]
macro_rules! gka_conformance_tests {
    ($make:expr; $($check:ident),* $(,)?) => {
        $(
            #[test]
            fn $check() {
                $crate::conformance::checks::$check($make);
            }
        )*
    };
}
