//! The conformance kit of [`MessageEncryptor`](crate::MessageEncryptor): every rule of the contract as a test
//! that any implementation runs with one line, [`encryptor_conformance!`](crate::encryptor_conformance).
//!
//! What the kit cannot know is the inside of a packet: attacks that take a packet apart and put it together
//! with the group's keys (A-12, A-17 and the finer ones of A-45) are tests of each implementation.
//!
//! In `Cargo.toml`, the kit belongs among the dependencies of tests:
//!
//! ```toml
//! [dev-dependencies]
//! concilium-encryptor = { version = "0.1", features = ["conformance"] }
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "checks fail by panicking"
)]

pub mod checks;
pub mod forward_secrecy;
mod group;

pub use group::Group;

/// Makes a `#[test]` of each check in [`checks`](mod@crate::conformance::checks), for one encryptor.
///
/// `unpadded` after the type leaves out the check that packets tell no more than a bucket of their length,
/// for encryptors that by design do not pad. `forward_secret` adds the checks in
/// [`forward_secrecy`](mod@crate::conformance::forward_secrecy), for encryptors whose keys go away (M-8).
///
/// ```
/// mod conformance {
///     concilium_encryptor::encryptor_conformance!(concilium_encryptor::DefaultEncryptor);
/// }
/// ```
#[macro_export]
macro_rules! encryptor_conformance {
    ($encryptor:ty) => {
        $crate::encryptor_conformance!($encryptor, unpadded);
        $crate::encryptor_conformance!(@test $encryptor; m03_lengths_tell_only_a_bucket);
    };
    ($encryptor:ty, forward_secret) => {
        $crate::encryptor_conformance!($encryptor);
        $crate::encryptor_conformance!(@forward_secret $encryptor);
    };
    ($encryptor:ty, unpadded, forward_secret) => {
        $crate::encryptor_conformance!($encryptor, unpadded);
        $crate::encryptor_conformance!(@forward_secret $encryptor);
    };
    ($encryptor:ty, unpadded) => {
        $crate::encryptor_conformance! { @test $encryptor;
            a04_broken_randomness_is_an_error_and_changes_nothing,
            a09_contents_are_never_confused,
            a14_a45_an_insider_cannot_write_as_another,
            a18_every_flipped_bit_is_refused,
            a18_every_truncation_and_extension_is_refused,
            a21_nothing_printed_holds_a_secret,
            a29_exports_restore,
            a29_damaged_exports_are_refused,
            a35_only_members_get_an_encryptor,
            a35_strangers_and_other_readers_are_refused,
            a40_a41_garbage_is_refused,
            m03_every_member_opens_what_is_sealed,
            m03_limits_are_kept,
            m03_packets_show_nothing_of_what_they_say,
            m04_a16_members_with_the_same_randomness_share_no_key,
            m04_a16_nothing_repeats,
            m04_a16_nothing_repeats_after_a_crash,
            m04_a17_no_packet_opens_in_another_subsession,
            m05_ids_name_one_message,
            m06_a18_rejected_packets_change_nothing,
            m06_opening_changes_nothing_before_the_commit,
            m07_unknown_kinds_are_carried,
            m09_a15_a_published_key_signs_nothing_as_the_control_key,
            m09_a_finish_names_the_key_that_signs_from_then_on,
            suites_have_names
        }
    };
    (@forward_secret $encryptor:ty) => {
        $crate::encryptor_conformance! { @test $encryptor, forward_secrecy;
            m08_a18_what_is_refused_erases_nothing,
            m08_a19_skips_are_bounded,
            m08_a20_what_everybody_has_opens_from_no_export,
            m08_messages_open_in_any_order,
            m08_skipped_messages_open_until_everybody_is_past_them,
            m08_two_stories_are_both_readable,
            m08_what_everybody_has_is_recognised
        }
    };
    (@test $encryptor:ty; $($check:ident),*) => {
        $crate::encryptor_conformance!(@test $encryptor, checks; $($check),*);
    };
    (@test $encryptor:ty, $list:ident; $($check:ident),*) => {
        $(
            #[test]
            fn $check() {
                $crate::conformance::$list::$check::<$encryptor>();
            }
        )*
    };
}
