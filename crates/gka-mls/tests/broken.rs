//! The conformance kit notices violations in a key agreement of one packet too, and those that only
//! announcements allow.

use concilium_gka_mls::Mls;
use concilium_testkit::gka::Violation;

/// What shows only where an operation takes several packets.
const OF_SEVERAL_PACKETS: [Violation; 7] = [
    Violation::OrderMatters,
    Violation::RejectionsCounted,
    Violation::SecretUnconfirmed,
    Violation::TooEarly,
    Violation::AnyOperation,
    Violation::NotRestored,
    Violation::Printed,
];

#[test]
fn k14_violations_of_what_one_packet_and_announcements_promise_are_noticed() {
    for violation in Violation::ALL {
        let notices = violation.is_noticed(Mls::new) || OF_SEVERAL_PACKETS.contains(&violation);
        assert!(notices, "{} does not notice {violation:?}", violation.check());
    }
}
