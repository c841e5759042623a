//! MLS under the conformance kit.

use concilium_gka_mls::Mls;

concilium_gka::gka_conformance!(Mls::new);
