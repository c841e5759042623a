//! MLS under the conformance kit.

use concilium_gka_mls::Mls;

concilium_testkit::gka_conformance!(Mls::new);
