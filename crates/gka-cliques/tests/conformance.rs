//! The default key agreement under the conformance kit.

use concilium_gka_cliques::Cliques;

concilium_gka::gka_conformance!(Cliques::new);
