//! The conformance kit notices each violation of each rule: tried on the default key agreement, broken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use concilium_gka::{Directory, Identity};
use concilium_gka_cliques::Cliques;
use concilium_testkit::gka::{Broken, Violation};

/// Whether the kit's check of this name fails for the violation.
fn is_noticed(check: &str, violation: Violation) -> bool {
    let make = move |identity: Identity, directory: Arc<dyn Directory>| {
        Broken::new(Cliques::new(identity, directory), violation)
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
fn each_violation_is_noticed_by_the_check_of_its_rule() {
    for violation in Violation::ALL {
        let check = match violation {
            Violation::ProposingCommits => "k02_any_of_several_racing_proposals_can_be_accepted",
            Violation::OwnProposalRefused => "k02_any_of_several_racing_proposals_can_be_accepted",
            Violation::OrderMatters => "k03_independent_packets_come_in_any_order",
            Violation::KeyMissing => "k04_success_yields_everything_at_once",
            Violation::RejectionsCounted => "k05_a18_rejected_packets_change_nothing",
            Violation::DataIgnored => "k06_associated_data_are_authenticated",
            Violation::SecretsDiffer => "k07_a06_who_finishes_agrees_whatever_a_member_sends",
            Violation::TooEarly => "k08_nothing_is_used_before_success",
            Violation::AnyOperation => "k09_a01_a_packet_belongs_to_one_operation",
            Violation::ExclusionRefused => "k10_excluding_takes_no_packet_of_the_excluded",
            Violation::KeyTwice => "k04_success_yields_everything_at_once",
            Violation::SecretStays => "k12_who_is_out_learns_nothing",
            Violation::NotRestored => "k13_state_goes_through_exports",
            Violation::AnnouncementsLost => "k13_k14_announcements_outlive_a_restart",
            Violation::Printed => "a21_nothing_secret_is_printed",
            Violation::AnyAnnouncement => "k14_announcements_are_authentic",
            Violation::NothingForgotten => continue, // Nothing is announced that could be.
            Violation::AnySender => "a14_sender_author_and_key_are_one",
        };
        assert!(
            is_noticed(check, violation),
            "{check} does not notice {violation:?}"
        );
    }
}
