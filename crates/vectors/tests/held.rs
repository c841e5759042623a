//! Holds the vectors of the specification, byte for byte, or writes them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;

/// After a change of the protocol, with `CONCILIUM_WRITE_VECTORS` set, this writes what it otherwise demands.
#[test]
fn k15_o5_c6_m5_the_vectors_of_the_specification_are_what_this_code_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors");
    for (name, value) in concilium_vectors::files() {
        let made = format!("{}\n", serde_json::to_string_pretty(&value).unwrap());
        let path = folder.join(name);
        if std::env::var_os("CONCILIUM_WRITE_VECTORS").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let stands = fs::read_to_string(&path).unwrap_or_default();
        let same = stands
            .lines()
            .zip(made.lines())
            .take_while(|(stands, made)| stands == made);
        assert!(
            stands == made,
            "docs/spec/vectors/{name} differs from line {} on; if the protocol is meant to change, write it again with \
             CONCILIUM_WRITE_VECTORS=1, change the specification, and say so in the changelog",
            same.count() + 1
        );
    }
}

#[test]
fn every_file_of_the_folder_is_made_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/vectors");
    let made: Vec<&str> = concilium_vectors::files()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || made.contains(&name.as_str()),
            "{name} is nobody's"
        );
    }
}
