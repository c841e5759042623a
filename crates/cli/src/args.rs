//! The command line.

#[cfg(feature = "lab")]
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use concilium::{MemberId, SessionName, Timing};
use concilium_parts::{Cipher, Gka, Parts};
use concilium_relay::RelayConfig;
#[cfg(feature = "lab")]
use concilium_sim::Faults;
#[cfg(feature = "lab")]
use concilium_test_parts as lab;

use crate::text::{self, NameTextError};

/// Secure group sessions for people: everyone in a group agrees on keys, and on who is in and what was said,
/// over a server that nobody has to trust.
#[derive(Debug, Parser)]
#[command(name = "concilium", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show a whole session on this machine: members over a relay meet, talk, come and go, and are compared
    Demo(DemoArgs),
    /// Talk in a session: lines in, lines out
    Chat(ChatArgs),
    /// Run a relay: the server that carries the packets
    Relay(RelayArgs),
    #[cfg(feature = "lab")]
    /// Run scenario files; exits 0 if all holds, 1 if an expectation fails, 2 if a file cannot be read
    Scenario(ScenarioArgs),
    #[cfg(feature = "lab")]
    /// Simulate whole groups under faults that a seed decides on; exits 0 if all is well, 1 if a run fails
    Sim(SimArgs),
}

/// `concilium demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many members, 2 to 64
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=64))]
    pub(crate) members: u16,
    /// How many messages they send in all, at most 10000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(crate) messages: u16,
    /// Print one JSON object per event, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// How long all of it may take, such as 90s or 5m; by default a minute and two seconds per member
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,
    #[command(flatten)]
    pub(crate) parts: PartsArgs,
}

/// What the sessions are made of; all members need the same.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PartsArgs {
    /// The key agreement
    #[arg(long, value_name = "NAME", default_value_t, value_parser = named(Gka::ALL, Gka::name))]
    gka: Gka,
    /// The cipher
    #[arg(long, value_name = "NAME", default_value_t, value_parser = named(Cipher::ALL, Cipher::name))]
    cipher: Cipher,
}

impl PartsArgs {
    /// As the tools know them.
    pub(crate) fn parts(self) -> Parts {
        Parts {
            gka: self.gka,
            cipher: self.cipher,
        }
    }
}

/// `concilium chat`
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// The relay: ws://host:port or wss://host:port
    #[arg(long, value_name = "URL")]
    pub(crate) relay: String,
    /// The channel to meet in, which is the session's name
    #[arg(long, value_name = "NAME", value_parser = OsStringValueParser::new().try_map(session_name))]
    pub(crate) channel: SessionName,
    /// Our name; bytes that are not plain text are written \xff
    #[arg(long = "as", value_name = "NAME", value_parser = OsStringValueParser::new().try_map(member_name))]
    pub(crate) member: MemberId,
    /// The file with our identity key; made if there is none. By default one per name, in ~/.config/concilium
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// The file with the identity keys that we trust. By default ~/.config/concilium/known-keys
    #[arg(long, value_name = "FILE")]
    pub(crate) known_keys: Option<PathBuf>,
    /// For wss: a PEM file with the roots to trust instead of the public ones
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Trust every key that is seen for the first time, without asking. A changed key is refused all the same
    #[arg(long)]
    pub(crate) trust_on_first_use: bool,
    #[command(flatten)]
    pub(crate) parts: PartsArgs,
    #[command(flatten)]
    pub(crate) timing: TimingArgs,
}

/// The two figures of L-7.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TimingArgs {
    /// How long a packet takes to reach everyone, such as 200ms
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    broadcast_latency: Duration,
    /// How long a message may take to be seen and acknowledged by all
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1m")]
    full_ack: Duration,
}

impl TimingArgs {
    /// As the session wants them.
    pub(crate) fn timing(self) -> Timing {
        Timing::new(self.broadcast_latency, self.full_ack)
    }
}

/// `concilium relay`
#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9440")]
    pub(crate) listen: SocketAddr,
    /// TLS: a PEM file with the certificate and those that lead to its root
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// TLS: a PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What a relay allows.
#[derive(Debug, Args)]
struct LimitArgs {
    /// Connections at once
    #[arg(long, value_name = "N", value_parser = positive)]
    max_connections: Option<u32>,
    /// Channels at once
    #[arg(long, value_name = "N", value_parser = positive)]
    max_channels: Option<u32>,
    /// Members in one channel
    #[arg(long, value_name = "N", value_parser = positive)]
    max_members: Option<u32>,
    /// Bytes of one packet
    #[arg(long, value_name = "N", value_parser = positive)]
    max_packet_bytes: Option<u32>,
    /// Packets per second from one connection, in the long run
    #[arg(long, value_name = "N", value_parser = positive)]
    packets_per_second: Option<u32>,
    /// Bytes per second from one connection, in the long run
    #[arg(long, value_name = "N", value_parser = positive)]
    bytes_per_second: Option<u32>,
}

impl RelayArgs {
    /// As the relay wants them.
    pub(crate) fn config(&self) -> RelayConfig {
        let mut config = RelayConfig::default();
        if let (Some(certificates), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config.tls = Some(concilium_relay::TlsFiles {
                certificates: certificates.clone(),
                key: key.clone(),
            });
        }
        let number = |flag: Option<u32>, default: usize| {
            flag.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))
        };
        let limits = &self.limits;
        config.connections = number(limits.max_connections, config.connections);
        config.channels = number(limits.max_channels, config.channels);
        config.members_per_channel = number(limits.max_members, config.members_per_channel);
        config.max_packet_bytes = number(limits.max_packet_bytes, config.max_packet_bytes);
        // The burst grows along: a rate that is allowed for ever is allowed for a moment too.
        let rate = |flag: Option<u32>, rate: &mut concilium_relay::Rate| {
            if let Some(per_second) = flag {
                let burst = u64::from(rate.burst) * u64::from(per_second) / u64::from(rate.per_second.max(1));
                let burst = u32::try_from(burst).unwrap_or(u32::MAX).max(per_second);
                *rate = concilium_relay::Rate::new(per_second, burst);
            }
        };
        rate(limits.packets_per_second, &mut config.message_rate);
        rate(limits.bytes_per_second, &mut config.byte_rate);
        config
    }
}

/// The same in a simulation, with parts that keep nothing secret.
#[cfg(feature = "lab")]
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct TestPartsArgs {
    /// The key agreement
    #[arg(long, value_name = "NAME", default_value_t, value_parser = named(lab::Gka::ALL, lab::Gka::name))]
    pub(crate) gka: lab::Gka,
    /// The cipher
    #[arg(long, value_name = "NAME", default_value_t, value_parser = named(lab::Cipher::ALL, lab::Cipher::name))]
    pub(crate) cipher: lab::Cipher,
}

/// `concilium scenario`
#[cfg(feature = "lab")]
#[derive(Debug, Args)]
pub(crate) struct ScenarioArgs {
    /// The files to run, one after the other
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print every event of the channel and of the sessions
    #[arg(long)]
    pub(crate) trace: bool,
    /// Print one JSON object per event, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// What all randomness follows from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Use this key agreement, whatever the files say
    #[arg(long, value_name = "NAME", value_parser = named(lab::Gka::ALL, lab::Gka::name))]
    pub(crate) gka: Option<lab::Gka>,
    /// Use this cipher, whatever the files say
    #[arg(long, value_name = "NAME", value_parser = named(lab::Cipher::ALL, lab::Cipher::name))]
    pub(crate) cipher: Option<lab::Cipher>,
}

/// `concilium sim`
#[cfg(feature = "lab")]
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many seeds, one after the other
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub(crate) runs: u64,
    /// How many members; by default as the seed wants
    #[arg(long, value_name = "M")]
    pub(crate) members: Option<usize>,
    /// How many commands of members
    #[arg(long, value_name = "S", default_value_t = 40)]
    pub(crate) steps: usize,
    /// The kinds of fault that the seed may choose from: none, all, or names with commas between them
    #[arg(long, value_name = "SET", default_value = "all")]
    pub(crate) faults: Faults,
    /// Have all of these kinds, whatever the seed says
    #[arg(long)]
    pub(crate) all_faults: bool,
    /// Whether members include whoever enters, on or off; by default as the seed wants
    #[arg(long, value_name = "ON", value_parser = on_or_off)]
    pub(crate) auto_include: Option<bool>,
    /// Who may propose what: everybody, or moderators whom the seed chooses; by default as the seed wants
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<concilium_sim::Rules>,
    /// Whether members publish their signing keys on parting, on or off; by default as the seed wants
    #[arg(long, value_name = "ON", value_parser = on_or_off)]
    pub(crate) deniable: Option<bool>,
    #[command(flatten)]
    pub(crate) parts: TestPartsArgs,
    /// The planned steps that are carried out, such as 0-3,7; by default all
    #[arg(long, value_name = "NUMBERS", value_parser = numbers)]
    pub(crate) keep: Option<Numbers>,
    /// Print everything that happens
    #[arg(long)]
    pub(crate) trace: bool,
    /// Stop at the first run that fails
    #[arg(long)]
    pub(crate) stop_at_first: bool,
    /// Show failing runs as they are
    #[arg(long)]
    pub(crate) no_shrink: bool,
    /// Print one JSON object per run, and nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure instead, over so many runs of each kind: false alarms, attacks noticed, time to find together
    #[arg(long, conflicts_with_all = ["scale", "trace", "keep"])]
    pub(crate) report: bool,
    /// Run one large group of --members instead, without faults, and say what it costs
    #[arg(long, requires = "members", conflicts_with_all = ["trace", "keep"])]
    pub(crate) scale: bool,
}

/// Numbers of steps.
#[cfg(feature = "lab")]
#[derive(Clone, Debug)]
pub(crate) struct Numbers(pub(crate) BTreeSet<usize>);

#[cfg(feature = "lab")]
fn numbers(text: &str) -> Result<Numbers, &'static str> {
    let numbers = concilium_sim::plan::read_numbers(text);
    numbers
        .map(Numbers)
        .ok_or("numbers with commas between them are needed, such as 0-3,7, or none")
}

#[cfg(feature = "lab")]
fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off is needed"),
    }
}

/// Reads a part's name, and shows all names that there are in the help.
fn named<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name_of: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names = all.iter().map(|part| name_of(*part));
    PossibleValuesParser::new(names).try_map(move |typed| {
        let part = all.iter().copied().find(|part| name_of(*part) == typed);
        part.ok_or("there is no such part")
    })
}

fn member_name(typed: OsString) -> Result<MemberId, NameTextError> {
    text::member(&bytes(typed))
}

fn session_name(typed: OsString) -> Result<SessionName, NameTextError> {
    Ok(SessionName::new(text::unescape(&bytes(typed))?)?)
}

/// The bytes exactly as typed, where the system takes any bytes (A-48).
fn bytes(typed: OsString) -> Vec<u8> {
    typed.into_encoded_bytes()
}

fn positive(digits: &str) -> Result<u32, &'static str> {
    match digits.parse() {
        Ok(n @ 1..) => Ok(n),
        _ => Err("a whole number from 1 to 4294967295 is needed"),
    }
}

/// A duration as scenarios write it: a whole number and a unit.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const WANTED: &str = "a whole number with ms, s or m is needed, such as 200ms, 30s or 5m";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let (number, unit) = text.split_at_checked(digits.len()).ok_or(WANTED)?;
    let number: u64 = number.parse().map_err(|_| WANTED)?;
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let millis = millis.and_then(|unit| number.checked_mul(unit)).ok_or(WANTED)?;
    Ok(Duration::from_millis(millis))
}

/// Why there is nothing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Help or version was asked for: this is it.
    Show(String),
    /// The command line is wrong: one line that says what to do.
    Wrong(String),
}

/// Reads the command line; the first argument is the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Stop> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    CommandLine::try_parse_from(&arguments)
        .map(|line| line.command)
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Show(error.render().to_string()),
            _ => Stop::Wrong(one_line(&error, &command_of(&arguments))),
        })
}

/// The command that was meant, to ask for its help.
fn command_of(arguments: &[OsString]) -> String {
    let definition = CommandLine::command();
    let meant = arguments.get(1).and_then(|word| definition.find_subcommand(word));
    meant
        .map(|command| format!(" {}", command.get_name()))
        .unwrap_or_default()
}

/// What is wrong, and what to do. The library says it in several lines, with hints of varying use.
fn one_line(error: &clap::Error, command: &str) -> String {
    let of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(escape(text)),
        Some(ContextValue::Strings(list)) => Some(
            list.iter()
                .map(|text| escape(text))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Some(ContextValue::StyledStr(text)) => Some(escape(&text.to_string())),
        _ => None,
    };
    let argument = of(ContextKind::InvalidArg).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            return "say what to do: `concilium demo` is a good start, `concilium --help` tells the rest"
                .to_owned();
        }
        ErrorKind::InvalidSubcommand => {
            let word = of(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("there is no command '{word}'")
        }
        ErrorKind::UnknownArgument => format!("'{argument}' is not understood here"),
        ErrorKind::MissingRequiredArgument => format!("missing: {argument}"),
        ErrorKind::ArgumentConflict => {
            let prior = of(ContextKind::PriorArg).unwrap_or_default();
            if prior == argument || prior.is_empty() {
                format!("{argument} stands here twice")
            } else {
                format!("{argument} and {prior} do not go together")
            }
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = of(ContextKind::InvalidValue).unwrap_or_default();
            let why = std::error::Error::source(error).map(|source| escape(&source.to_string()));
            match why {
                None if value.is_empty() => format!("{argument} needs a value"),
                Some(why) => format!("{argument} cannot be '{value}': {why}"),
                None if let Some(known) = of(ContextKind::ValidValue) => {
                    format!("{argument} cannot be '{value}'; there are: {known}")
                }
                None => format!("{argument} cannot be '{value}'"),
            }
        }
        _ => escape(
            error
                .render()
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: "),
        ),
    };
    let hint = match (
        of(ContextKind::SuggestedSubcommand),
        of(ContextKind::SuggestedArg),
    ) {
        (Some(word), _) | (None, Some(word)) => format!("did you mean '{word}'? "),
        (None, None) => String::new(),
    };
    format!("{what}; {hint}`concilium{command} --help` tells what is")
}

/// What was typed comes back on the terminal: on one line, and not as a command to it.
fn escape(text: &str) -> String {
    text::body(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Command, Stop> {
        super::parse(["concilium"].iter().chain(words).map(OsString::from))
    }

    fn wrong(words: &[&str]) -> String {
        match parse(words) {
            Err(Stop::Wrong(line)) => line,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_wrong_command_line_gets_one_line_that_says_what_to_do() {
        let chat = ["chat", "--relay", "ws://x", "--channel", "c"];
        let cases: &[(&[&str], &str)] = &[
            (&[], "`concilium demo`"),
            (&["dmeo"], "there is no command 'dmeo'; did you mean 'demo'?"),
            (
                &["demo", "--member", "3"],
                "did you mean '--members'? `concilium demo --help`",
            ),
            (&["demo", "--members"], "--members <MEMBERS> needs a value"),
            (&["demo", "--members", "1"], "cannot be '1': 1 is not in 2..=64"),
            (&["demo", "--members", "x"], "cannot be 'x'"),
            (&["demo", "--deadline", "9"], "200ms, 30s or 5m"),
            (&["demo", "--deadline", "99999999999999999m"], "200ms, 30s or 5m"),
            (&["demo", "--json", "--json"], "twice"),
            (
                &["demo", "extra\x1b[2J\n"],
                r"'extra\u{1b}[2J\n' is not understood here",
            ),
            (&["relay", "--listen", "here"], "cannot be 'here'"),
            (&["relay", "--tls-cert", "c.pem"], "missing: --tls-key <FILE>"),
            (&["relay", "--max-members", "0"], "a whole number"),
            #[cfg(feature = "lab")]
            (&["scenario"], "missing: <FILE>..."),
            (
                &["demo", "--gka", "plain"],
                "--gka <NAME> cannot be 'plain'; there are: cliques, bd, mls; `concilium demo --help`",
            ),
            (
                &["demo", "--cipher", "plain"],
                "cannot be 'plain'; there are: aead, chacha20poly1305, ratchet; `concilium demo --help`",
            ),
            (
                &[&chat[..], &["--as", "a", "--gka", "dictator"]].concat(),
                "there are: cliques, bd, mls",
            ),
            (
                &[&chat[..], &["--as", "a", "--cipher", "plain"]].concat(),
                "there are: aead, chacha",
            ),
            (&chat, "missing: --as <NAME>; `concilium chat --help`"),
            (
                &[&chat[..], &["--as", ""]].concat(),
                "must not be empty; `concilium chat --help`",
            ),
            (&[&chat[..], &["--as", r"a\b"]].concat(), "after a backslash"),
        ];
        for (words, part) in cases {
            let line = wrong(words);
            assert!(line.contains(part), "{words:?}: {line}");
            assert!(line.contains("concilium"), "{line}");
            assert!(!line.contains('\n') && line.len() < 250, "{line}");
        }
    }

    #[test]
    fn the_help_lists_the_parts() {
        for command in ["chat", "demo"] {
            let Err(Stop::Show(help)) = parse(&[command, "--help"]) else {
                panic!("help is shown")
            };
            assert!(help.contains("[possible values: cliques, bd, mls]"), "{help}");
            assert!(
                help.contains("[possible values: aead, chacha20poly1305, ratchet]"),
                "{help}"
            );
        }
    }

    #[cfg(feature = "lab")]
    #[test]
    fn simulations_take_the_parts_of_tests_too() {
        let words = ["sim", "--gka", "dictator", "--cipher", "plain"];
        let Ok(Command::Sim(args)) = parse(&words) else {
            panic!("must parse")
        };
        assert_eq!(
            (args.parts.gka, args.parts.cipher),
            (lab::Gka::Dictator, lab::Cipher::Plain)
        );
        assert!(parse(&["scenario", "--gka", "plain", "x.scn"]).is_ok());
    }

    #[cfg(not(feature = "lab"))]
    #[test]
    fn the_program_for_people_has_no_laboratory() {
        for command in ["sim", "scenario"] {
            assert!(wrong(&[command]).contains("there is no command"), "{command}");
        }
    }

    #[test]
    fn a48_names_are_taken_byte_for_byte() {
        let chat = |member: OsString| {
            let words = [
                "concilium",
                "chat",
                "--relay",
                "ws://x",
                "--channel",
                "__proto__",
                "--as",
            ];
            match super::parse(words.iter().map(OsString::from).chain([member])) {
                Ok(Command::Chat(args)) => (args.channel, args.member),
                other => panic!("{other:?}"),
            }
        };
        let (channel, member) = chat(r"a b\xff\n\\".into());
        assert_eq!(channel.as_bytes(), b"__proto__");
        assert_eq!(member.as_bytes(), b"a b\xff\n\\");
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt as _;
            let (_, member) = chat(OsString::from_vec(b"\xff\x01\n-x".to_vec()));
            assert_eq!(member.as_bytes(), b"\xff\x01\n-x");
        }
    }

    #[test]
    fn the_limits_of_a_relay_follow_the_flags() {
        let words = ["relay", "--max-members", "7", "--packets-per-second", "1000"];
        let Ok(Command::Relay(args)) = parse(&words) else {
            panic!("must parse")
        };
        let (config, default) = (args.config(), RelayConfig::default());
        assert_eq!(config.members_per_channel, 7);
        assert_eq!(config.connections, default.connections);
        assert_eq!(config.message_rate.per_second, 1000);
        assert_eq!(config.message_rate.burst, default.message_rate.burst * 5);
        assert_eq!(config.byte_rate, default.byte_rate);
        assert!(config.tls.is_none());
    }
}
