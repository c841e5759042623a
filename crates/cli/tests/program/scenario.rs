//! `concilium scenario`.

use std::ffi::OsStr;

use crate::process::run;

#[test]
fn exit_codes_tell_what_came_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = file(
        "good.scn",
        "members alice bob\nalice: join\nsettle\nalice: include bob\nsettle\nexpect members bob = alice bob\n",
    );
    let bad = file("bad.scn", "members alice\nexpect state alice = joined\n");
    let broken = file("broken.scn", "members alice\nsing\n");
    let missing = directory.path().join("missing.scn");
    let word = OsStr::new("scenario");
    for (files, code) in [
        (vec![&good], 0),
        (vec![&good, &bad], 1),
        (vec![&bad, &good], 1),
        (vec![&broken, &bad], 2),
        (vec![&missing], 2),
    ] {
        let arguments: Vec<&OsStr> = [word]
            .into_iter()
            .chain(files.iter().map(|path| path.as_os_str()))
            .collect();
        let ended = run(arguments);
        assert_eq!(ended.code, Some(code), "{files:?}: {ended:?}");
    }
    let flags = ["--json", "--trace", "--seed", "7", "--cipher", "aead"].map(OsStr::new);
    let arguments: Vec<&OsStr> = [word, good.as_os_str()].into_iter().chain(flags).collect();
    let ended = run(arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.len() > 3, "{ended:?}");
    for line in &ended.stdout {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}
