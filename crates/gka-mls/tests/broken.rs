//! The conformance kit notices violations in a key agreement of one packet too, and those that only announcements allow.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use concilium_gka::{Directory, Identity};
use concilium_gka_mls::Mls;
use concilium_testkit::gka::{Broken, Violation};

/// Whether the kit's check of this name fails for the violation.
fn is_noticed(check: &str, violation: Violation) -> bool {
    let make = move |identity: Identity, directory: Arc<dyn Directory>| {
        Broken::new(Mls::new(identity, directory), violation)
    };
    macro_rules! run {
        ($make:expr; $($name:ident),* $(,)?) => {
            match check {
                $(
                    stringify!($name) => catch_unwind(AssertUnwindSafe(|| {
                        concilium_testkit::gka::checks::$name($make);
                    })).is_err(),
                )*
                _ => panic!("no check is called {check}"),
            }
        };
    }
    concilium_testkit::for_each_gka_check!(run!(make))
}

#[test]
fn k14_violations_of_what_one_packet_and_announcements_promise_are_noticed() {
    for (violation, check) in [
        (
            Violation::ProposingCommits,
            "k02_any_of_several_racing_proposals_can_be_accepted",
        ),
        (Violation::KeyMissing, "k04_success_yields_everything_at_once"),
        (Violation::DataIgnored, "k06_associated_data_are_authenticated"),
        (
            Violation::SecretsDiffer,
            "k07_a06_who_finishes_agrees_whatever_a_member_sends",
        ),
        (
            Violation::ExclusionRefused,
            "k10_excluding_takes_no_packet_of_the_excluded",
        ),
        (Violation::SecretStays, "k12_who_is_out_learns_nothing"),
        (
            Violation::AnnouncementsLost,
            "k13_k14_announcements_outlive_a_restart",
        ),
        (Violation::AnyAnnouncement, "k14_announcements_are_authentic"),
        (Violation::NothingForgotten, "k14_who_has_left_announces_anew"),
        (Violation::AnySender, "a14_sender_author_and_key_are_one"),
    ] {
        assert!(
            is_noticed(check, violation),
            "{check} does not notice {violation:?}"
        );
    }
}
