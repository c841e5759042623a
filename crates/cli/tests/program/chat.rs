//! `concilium chat`: several processes over a relay, on pipes.

use std::path::{Path, PathBuf};

use crate::process::{Program, run, start, start_at};

/// A relay, and a place for each member's files.
struct Town {
    _relay: Program,
    url: String,
    places: tempfile::TempDir,
}

impl Town {
    fn new() -> Self {
        let mut relay = start(["relay", "--listen", "127.0.0.1:0"]);
        let url = relay.expect("relay at ").rsplit_once(' ').unwrap().1.to_owned();
        Self {
            _relay: relay,
            url,
            places: tempfile::tempdir().unwrap(),
        }
    }

    fn home(&self, place: &str) -> PathBuf {
        self.places.path().join(place)
    }

    /// A chat of this name, with its files in a place of this name.
    fn chat(&self, place: &str, name: &str, flags: &[&str]) -> Program {
        let fixed = [
            "chat",
            "--relay",
            &self.url,
            "--channel",
            "tea time",
            "--as",
            name,
        ];
        let timing = ["--broadcast-latency", "200ms", "--full-ack", "6s"];
        start_at(&self.home(place), [&fixed, timing.as_slice(), flags].concat())
    }

    /// One who trusts everyone at first sight.
    fn trusting(&self, name: &str) -> Program {
        self.chat(name, name, &["--trust-on-first-use"])
    }
}

#[test]
fn three_meet_talk_exclude_and_part() {
    let town = Town::new();
    let mut alice = town.trusting("alice");
    alice.expect("you are alone in the session");
    let mut bob = town.trusting("bob");
    alice.expect("bob is in the channel; /include bob");
    alice.expect("bob shows a new key, trusted from now on");
    bob.expect("alice shows a new key, trusted from now on");
    alice.say("/include bob");
    alice.expect("members now: alice bob; +bob");
    bob.expect("members now: alice bob;");
    // A-48: what a peer says is no command to our terminal.
    alice.say(b"hello \x1b[2J\xff");
    bob.expect(r"[1] alice: hello \u{1b}[2J\xff");
    bob.say("hi alice");
    alice.expect("[2] bob: hi alice");
    alice.expect("✓ [1]");
    bob.expect("✓ [2]");

    let mut carol = town.trusting("carol");
    bob.expect("carol is in the channel");
    bob.expect("carol shows a new key");
    carol.expect("bob shows a new key");
    bob.say("/include carol");
    for member in [&mut alice, &mut bob, &mut carol] {
        member.expect("members now: alice bob carol;");
    }
    carol.say("//sorry, I am late");
    alice.expect("carol: /sorry, I am late");
    bob.expect("carol: /sorry, I am late");

    alice.say("/exclude bob");
    alice.expect("members now: alice carol; -bob");
    carol.expect("members now: alice carol; -bob");
    bob.expect("you are out of the session");
    alice.say("bob must not read this");
    carol.expect("alice: bob must not read this");
    bob.say("/members");
    bob.expect("you are not in the channel; /join");
    let ended = bob.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        !ended.stdout.iter().any(|line| line.contains("must not read")),
        "{ended:?}"
    );

    alice.say("/refresh");
    carol.expect("alice proposes: new keys");
    carol.expect("members now: alice carol;");
    alice.expect("members now: alice carol;");
    carol.say("/history");
    carol.expect("include carol, done; chain ");
    carol.say("/warnings");
    carol.expect("everyone is here");
    carol.expect("nothing is wrong");
    carol.say("/abort");
    carol.expect("not done: no operation is running; there is nothing to abort");
    alice.say("seen?");
    alice.expect("[5] alice: seen?");
    alice.say("/acks");
    alice.expect("[5] not seen by carol, as far as is known");
    carol.say("/part");
    let ended = carol.ended();
    assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0), "{ended:?}");
    alice.expect("carol says goodbye");
    alice.expect("you are alone in the session");
    let ended = alice.end();
    assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0), "{ended:?}");
    assert!(
        !ended.stdout.iter().any(|line| line.contains("WARNING")),
        "{ended:?}"
    );
}

#[test]
fn a_new_key_is_asked_about_and_kept() {
    let town = Town::new();
    let mut alice = town.chat("alice", "alice", &[]);
    let own = alice.expect("you are alice; your key, made just now, has the fingerprint ");
    let own = own.rsplit_once("fingerprint ").unwrap().1.to_owned();
    alice.expect("you are alone");
    let mut bob = town.trusting("bob");
    let line = bob.expect("alice shows a new key");
    assert!(line.contains(&own), "the same fingerprint on both sides: {line}");
    alice.expect("Trust bob with this key? [y/N]");
    alice.say("/include bob");
    alice.expect("not done: no trusted identity key for bob");
    alice.say("no");
    alice.expect("bob is not trusted; /trust bob");
    alice.say("/trust bob");
    alice.expect("the key of bob is trusted from now on");
    alice.say("/include bob");
    alice.expect("members now: alice bob");
    bob.expect("members now: alice bob");
    drop((alice, bob));

    // Again: nobody asks anything, but for one who is new.
    let mut alice = town.chat("alice", "alice", &[]);
    alice.expect("your key has the fingerprint");
    alice.expect("you are alone");
    let mut bob = town.chat("bob", "bob", &[]);
    alice.expect("bob is in the channel");
    alice.say("/include bob");
    alice.expect("members now: alice bob");
    bob.expect("members now: alice bob");
    // A-48: a name of odd bytes, typed back as it is shown.
    let odd = r"a\x20b\xff\n\\__proto__";
    let mut odd_one = town.chat("odd", odd, &["--trust-on-first-use"]);
    alice.expect(&format!("Trust {odd} with this key? [y/N]"));
    alice.say("y");
    alice.expect(&format!("the key of {odd} is trusted"));
    bob.expect(&format!("Trust {odd} with this key? [y/N]"));
    bob.say("yes");
    bob.expect("is trusted");
    alice.say(format!("/include {odd}"));
    odd_one.expect("members now: ");
    odd_one.say("it is I");
    bob.expect(&format!("{odd}: it is I"));
}

#[test]
fn a11_a_changed_key_is_refused_loudly() {
    let town = Town::new();
    let mut alice = town.trusting("alice");
    alice.expect("you are alone");
    let mut bob = town.trusting("bob");
    alice.expect("bob shows a new key");
    bob.expect("alice shows a new key");
    bob.say("/part");
    assert_eq!(bob.ended().code, Some(0));
    alice.expect("bob has left the channel");
    // Somebody else under the same name: with a place of its own, it makes a key of its own.
    let mut mallory = town.chat("mallory", "bob", &["--trust-on-first-use"]);
    let warning = alice.expect("THE KEY OF bob HAS CHANGED");
    for part in ["WARNING", "not trusted", "delete their line in", "known-keys"] {
        assert!(warning.contains(part), "{warning}");
    }
    alice.say("/trust bob");
    alice.expect("bob has shown no new key here");
    mallory.expect("alice shows a new key");
    alice.say("/include bob");
    alice.expect("alice proposes: include bob");
    // It never comes to be: nothing that mallory answers is authentic as bob's.
    alice.expect("the change of membership has failed");
    alice.say("/members");
    alice.expect("in the session: alice");
}

#[test]
fn what_cannot_work_is_told_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let chat = |flags: &[&str]| {
        let fixed = [
            "chat",
            "--relay",
            "ws://127.0.0.1:1",
            "--channel",
            "c",
            "--as",
            "alice",
        ];
        let (identity, known) = (path("identity"), path("known"));
        let files = ["--identity", identity.as_str(), "--known-keys", known.as_str()];
        let ended = run([&fixed, files.as_slice(), flags].concat());
        assert_eq!((ended.code, ended.stderr.len()), (Some(1), 1), "{ended:?}");
        ended.stderr[0].clone()
    };
    let line = chat(&[]);
    assert!(line.contains("is the relay running?"), "{line}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |file: &Path| std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
        let identity = home.path().join("identity");
        assert_eq!(mode(&identity), 0o600);
        std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o644)).unwrap();
        let line = chat(&[]);
        assert!(
            line.contains("others can read") && line.contains("`chmod 600 "),
            "{line}"
        );
        std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    std::fs::write(path("known"), "alice\n").unwrap();
    let line = chat(&[]);
    assert!(line.contains("known:1: not a name and a key"), "{line}");
    std::fs::write(path("identity"), "nonsense").unwrap();
    let line = chat(&[]);
    assert!(line.contains("not an identity file"), "{line}");
}
