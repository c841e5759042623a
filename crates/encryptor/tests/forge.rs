//! M-9: the example that forges a transcript does what it says.

#[path = "../examples/forge.rs"]
mod forge;

#[test]
fn m09_whoever_was_there_can_write_what_verifies_like_the_real_thing() {
    let [real, forged] = forge::run().unwrap();
    assert_eq!(real, ["alice: I like tea", "alice: and nothing else"]);
    assert_eq!(forged, ["alice: I like coffee", "alice: and nothing else"]);
}
