//! No bytes make anything panic, whoever signed them, and none that are damaged count.

use concilium_gka_bd::BurmesterDesmedt;

concilium_gka::gka_noise!(BurmesterDesmedt::new);
