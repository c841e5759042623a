//! The conformance kit notices each violation of each rule: tried on the default key agreement, broken.

use concilium_gka_cliques::Cliques;
use concilium_testkit::gka::Violation;

#[test]
fn each_violation_is_noticed_by_the_check_of_its_rule() {
    for violation in Violation::ALL {
        // Nothing is announced that could be forgotten.
        let notices = violation.is_noticed(Cliques::new) || violation == Violation::NothingForgotten;
        assert!(notices, "{} does not notice {violation:?}", violation.check());
    }
}
