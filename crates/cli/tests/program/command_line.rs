//! What is typed wrong, and what is asked for help.

use std::ffi::OsString;

use crate::process::run;

#[test]
fn a_wrong_command_line_gets_one_line_and_exit_code_2() {
    let cases: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["demo", "--members", "0"],
        &["demo", "--nonsense"],
        &["chat"],
        &[
            "chat",
            "--relay",
            "ws://127.0.0.1:1",
            "--channel",
            "c",
            "--as",
            r"bad\escape",
        ],
        &["relay", "--listen", "nowhere"],
        &["scenario"],
    ];
    for arguments in cases {
        let ended = run(*arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.len(), 1, "{arguments:?}: {ended:?}");
        assert!(ended.stderr[0].starts_with("concilium: "), "{ended:?}");
        assert!(
            ended.stderr[0].matches("concilium").count() >= 2,
            "says what to type: {ended:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a48_arguments_of_any_bytes_come_back_escaped() {
    use std::os::unix::ffi::OsStringExt as _;
    let odd = OsString::from_vec(b"--\x1b[2J\n\xff".to_vec());
    let ended = run([OsString::from("demo"), odd]);
    assert_eq!((ended.code, ended.stderr.len()), (Some(2), 1), "{ended:?}");
    assert!(!ended.stderr[0].contains('\x1b'), "{ended:?}");
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [
        &["--help"][..],
        &["demo", "--help"],
        &["chat", "--help"],
        &["--version"],
    ] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0), "{ended:?}");
        assert!(!ended.stdout.is_empty());
    }
}
