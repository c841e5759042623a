//! Whole operations with honest members, at several sizes (C-1, C-2, C-3).

use concilium_core::Change;
use concilium_core::testing::{name, names};
use concilium_gka::conformance::Group;
use concilium_gka_cliques::Cliques;

fn life(n: usize) {
    let mut group: Group<Cliques> = Group::new(n + 2, 1, Cliques::new);
    group.restoring = n < 9;
    group.run(&name(0), &names(0..n));
    group.change(&Change::refresh());
    group.run(&name(n - 1), &names(0..n));
    group.run(&name(n / 2), &names(0..n + 2));
    group.run(&name(n + 1), &names(n / 2..n + 2));
    group.run(&name(n), &names((0..n / 2).chain([n])));
}

#[test]
fn c1_c2_c3_one_member() {
    life(1);
}

#[test]
fn c1_c2_c3_two_members() {
    life(2);
}

#[test]
fn c1_c2_c3_three_members() {
    life(3);
}

#[test]
fn c1_c2_c3_eight_members() {
    life(8);
}

#[test]
fn c1_c2_c3_sixty_four_members() {
    life(64);
}

#[test]
fn c3_everyone_else_excluded_and_alone_again() {
    let mut group: Group<Cliques> = Group::new(3, 1, Cliques::new);
    group.change(&Change::refresh());
    group.change(&Change::refresh());
    group.run(&name(0), &names([0, 1, 2]));
    group.run(&name(2), &names([2]));
    group.run(&name(2), &names([2, 0]));
}
