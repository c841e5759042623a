//! `concilium relay`.

use crate::process::{run, start};

#[cfg(unix)]
#[test]
fn it_says_where_it_is_and_stops_when_told_to() {
    for signal in ["INT", "TERM"] {
        let mut relay = start(["relay", "--listen", "127.0.0.1:0"]);
        let line = relay.expect("relay at ws://127.0.0.1:");
        assert!(!line.ends_with(":0"), "{line}");
        relay.signal(signal);
        relay.expect("stopping");
        let ended = relay.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn what_cannot_work_is_told_in_one_line() {
    let mut relay = start(["relay", "--listen", "127.0.0.1:0"]);
    let line = relay.expect("relay at ws://");
    let taken = line.rsplit_once('/').unwrap().1.to_owned();
    let cases: [&[&str]; 3] = [
        &["relay", "--listen", &taken],
        &[
            "relay",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            "/nonexistent/c",
            "--tls-key",
            "/nonexistent/k",
        ],
        &[
            "relay",
            "--listen",
            "127.0.0.1:0",
            "--max-packet-bytes",
            "4000000000",
        ],
    ];
    for arguments in cases {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.stderr.len()), (Some(1), 1), "{ended:?}");
        assert!(ended.stderr[0].contains("--listen"), "says what to do: {ended:?}");
    }
}
