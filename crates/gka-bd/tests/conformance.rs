//! Burmester and Desmedt's key agreement under the conformance kit.

use concilium_gka_bd::BurmesterDesmedt;

concilium_gka::gka_conformance!(BurmesterDesmedt::new);
