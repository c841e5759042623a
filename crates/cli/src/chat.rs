//! `concilium chat`: one member of one session, in a terminal or on pipes.

mod command;
mod input;
mod show;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use concilium::channel::ChannelEvent;
use concilium::gka::ProposeError;
use concilium::keys::VerifyingKey;
use concilium::sessions::{Owner, Sessions as _};
use concilium::{ActionError, Change, Event, MemberId, MessageId, SessionState, Settings, Time};
use concilium_relay::{ActionError as ChannelError, ClientConfig, ClientEvent, ConnectError, RelayClient};

use self::command::{Command, HELP};
use self::input::Line;
use self::show::Numbers;
use crate::args::ChatArgs;
use crate::clock::Clock;
use crate::driver::{Driver, Input, Outcome, is_race};
use crate::identity::{self, IdentityError};
use crate::introduction::{FirstUse, Heard, Introductions};
use crate::known_keys::{KnownKeys, KnownKeysError, fingerprint};
use crate::place::{self, NoPlaceError};
use crate::relay::Stop;
use crate::text::{name, names, time_of_day};
use crate::{screen, text};

/// How long a question must have been on the screen before a typed `y` answers it. A user must not accept a
/// key that was asked about while they were answering something else.
const TIME_TO_READ: Duration = Duration::from_secs(1);

/// Why there is no chat, or no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ChatError {
    /// No place for our files.
    #[error(transparent)]
    NoPlace(#[from] NoPlaceError),
    /// No identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The known keys cannot be used.
    #[error(transparent)]
    KnownKeys(#[from] KnownKeysError),
    /// Our own name is known with another key.
    #[error(
        "{file} has another key for {member}, which is you; name the right identity file with --identity, or delete that line"
    )]
    OwnKey {
        /// The file of known keys.
        file: String,
        /// Our name.
        member: String,
    },
    /// No connection.
    #[error("{url}: {source}; is the relay running? `concilium relay` runs one")]
    Connect {
        /// The address.
        url: String,
        /// Why not.
        source: ConnectError,
    },
    /// The connection is lost for good.
    #[error("the connection to the relay is lost for good; start again later")]
    Lost,
    /// We could not even begin to join.
    #[error(transparent)]
    Join(#[from] ActionError),
    /// The system does not let us hear of its signals, or read lines.
    #[error("this system does not let us read lines or signals: {0}")]
    System(#[from] io::Error),
}

/// Runs a chat until the user parts.
pub(crate) async fn run(args: ChatArgs) -> Result<(), ChatError> {
    let clock = Clock::start();
    let stop = Stop::listen()?;
    let chat = Chat::begin(clock, args).await?;
    let lines = input::lines()?;
    chat.run(lines, stop).await
}

#[derive(Debug)]
struct Chat {
    driver: Driver,
    introductions: Introductions,
    numbers: Numbers,
    /// Keys to be asked about, in the order in which they were shown; the first one is on the screen.
    questions: VecDeque<(MemberId, VerifyingKey)>,
    /// Since when the first question is on the screen.
    asked_at: Option<Time>,
    /// Whether a person types.
    terminal: bool,
    parting: Parting,
}

/// Whether we are on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    No,
    /// Wanted, once the session is free for it.
    Wanted,
    /// Under way.
    Begun,
}

impl Chat {
    async fn begin(clock: Clock, args: ChatArgs) -> Result<Self, ChatError> {
        let (identity_file, known_file) = match (args.identity, args.known_keys) {
            (Some(identity), Some(known)) => (identity, known),
            (identity, known) => {
                let directory = place::config_directory()?;
                (
                    identity.unwrap_or_else(|| place::identity_file(&directory, &args.member)),
                    known.unwrap_or_else(|| directory.join("known-keys")),
                )
            }
        };
        let (identity, new) =
            clock.with_context(|cx| identity::load_or_create(&identity_file, &args.member, cx))?;
        let mut known = KnownKeys::load(&known_file)?;
        known
            .trust_own(&args.member, identity.verifying_key())
            .map_err(|_| ChatError::OwnKey {
                file: known_file.display().to_string(),
                member: name(&args.member),
            })?;
        let first_use = if args.trust_on_first_use {
            FirstUse::Trust
        } else {
            FirstUse::Ask
        };
        let introductions = Introductions::new(&identity, &args.channel, known.clone(), first_use);

        let mut config = ClientConfig::new(&args.relay, args.member.clone());
        config.ca_file = args.tls_ca;
        let client = RelayClient::connect(config)
            .await
            .map_err(|source| ChatError::Connect {
                url: text::body(args.relay.as_bytes()).to_string(),
                source,
            })?;
        let mut settings = Settings::default();
        settings.timing = args.timing.timing();
        // A user that waits for others waits alone.
        settings.stay_if_last = true;
        let key = fingerprint(identity.verifying_key());
        let parts = args.parts.parts();
        let session = parts.begin(Owner {
            identity,
            directory: Arc::new(known),
            name: args.channel,
            settings,
        });
        let mut chat = Self {
            driver: Driver::new(session, client, clock),
            introductions,
            numbers: Numbers::default(),
            questions: VecDeque::new(),
            asked_at: None,
            terminal: io::stdin().is_terminal(),
            parting: Parting::No,
        };
        let made = if new { ", made just now," } else { "" };
        chat.tell(&format!(
            "you are {}; your key{made} has the fingerprint {key}",
            name(&args.member)
        ));
        chat.tell("/help lists the commands");
        chat.driver.with(|session, cx| session.join(cx))?;
        chat.show_outcomes();
        Ok(chat)
    }

    async fn run(
        mut self,
        mut lines: tokio::sync::mpsc::Receiver<Line>,
        mut stop: Stop,
    ) -> Result<(), ChatError> {
        let mut reading = true;
        loop {
            tokio::select! {
                line = lines.recv(), if reading => match line {
                    Some(Line::Text(line)) => self.line(&line),
                    Some(Line::TooLong) => self.tell("that line is longer than a message can be; split it"),
                    None => {
                        reading = false;
                        self.want_to_part();
                    }
                },
                () = stop.wait() => match self.parting {
                    Parting::No => self.want_to_part(),
                    // Twice is meant: without a goodbye.
                    Parting::Wanted | Parting::Begun => return Ok(()),
                },
                input = self.driver.wait() => self.input(input)?,
            }
            self.part_if_wanted();
            self.show_outcomes();
            if self.parting != Parting::No && self.driver.session().state() == SessionState::Parted {
                self.driver.close().await;
                return Ok(());
            }
        }
    }

    /// A line of ours on the screen.
    fn tell(&self, line: &str) {
        screen::out(&format!("{} * {line}", time_of_day(self.driver.now())));
    }

    /// Something from the channel or the clock.
    fn input(&mut self, input: Input) -> Result<(), ChatError> {
        match &input {
            Input::Channel(ChannelEvent::Packet { from, bytes }) => {
                match self.introductions.receive(from, bytes) {
                    Ok(Heard::NotForUs) => {}
                    Ok(heard) => {
                        self.heard(from, heard);
                        return Ok(());
                    }
                    Err(error) => {
                        self.tell(&format!("the key of {} is not trusted: {error}", name(from)));
                        return Ok(());
                    }
                }
            }
            // Before the session answers: the others must know whose answer it is.
            Input::Channel(ChannelEvent::Entered { .. } | ChannelEvent::MemberEntered { .. }) => {
                if let Some(packet) = self.introductions.ours(self.driver.now()) {
                    self.driver.send_packet(packet);
                }
            }
            Input::Channel(ChannelEvent::MemberLeft { member }) => {
                self.introductions.forget(member);
                self.drop_question(member);
            }
            Input::Channel(_) | Input::Timeout => {}
            Input::Connection(event) => self.connection(event)?,
            Input::Closed => return Err(ChatError::Lost),
        }
        self.driver.feed(input);
        Ok(())
    }

    fn connection(&mut self, event: &ClientEvent) -> Result<(), ChatError> {
        match event {
            ClientEvent::Disconnected { reason, retry_in } => match retry_in {
                Some(wait) => {
                    self.tell(&format!(
                        "not connected: {reason}; trying again in {} s",
                        wait.as_secs() + 1
                    ));
                }
                None => {
                    self.tell(&format!("not connected: {reason}"));
                    return Err(ChatError::Lost);
                }
            },
            ClientEvent::Connected => {
                self.tell("connected again");
                if self.driver.session().state() == SessionState::Parted && self.parting == Parting::No {
                    self.driver.with(|session, cx| session.join(cx))?;
                }
            }
            ClientEvent::Invited { channel, by } => {
                if channel != self.driver.session().name() {
                    self.tell(&format!("{} invites you to another channel: {channel}", name(by)));
                } else if self.driver.session().state() == SessionState::Parted {
                    self.tell(&format!("{} invites you; /join accepts", name(by)));
                }
            }
            ClientEvent::Refused { refusal, .. } if is_race(*refusal) => {}
            ClientEvent::Refused { refusal, .. } => self.tell(&format!("the relay refuses: {refusal}")),
            _ => {}
        }
        Ok(())
    }

    /// A member has shown a key.
    fn heard(&mut self, from: &MemberId, heard: Heard) {
        match heard {
            Heard::NotForUs | Heard::Nothing => {}
            Heard::Ask { member, key } => {
                self.questions.push_back((member, key));
                if self.questions.len() == 1 {
                    self.ask();
                }
            }
            Heard::TrustedOnFirstUse { member, key } => {
                let line = format!(
                    "{} shows a new key, trusted from now on: {}",
                    name(&member),
                    fingerprint(&key)
                );
                self.tell(&line);
            }
            Heard::Changed(error) => self.tell(&format!("WARNING: {error}")),
            Heard::TwoKeys { member } => self.tell(&format!(
                "WARNING: {} shows a second key; one of the two is not theirs. Compare the fingerprint well",
                name(&member)
            )),
            Heard::Bad(error) => self.tell(&format!("{} sent {error}", name(from))),
        }
    }

    /// Puts the first question on the screen.
    fn ask(&mut self) {
        self.asked_at = self.questions.front().map(|(member, key)| {
            self.tell(&format!(
                "? {} shows a key that is new here, with the fingerprint {}. Compare it with them by another way. \
                 Trust {0} with this key? [y/N]",
                name(member),
                fingerprint(key)
            ));
            self.driver.now()
        });
    }

    /// The first question is answered, or void.
    fn next_question(&mut self) {
        self.questions.pop_front();
        self.ask();
    }

    fn drop_question(&mut self, member: &MemberId) {
        if self.questions.front().is_some_and(|(asked, _)| asked == member) {
            self.tell(&format!("{} is gone; the question is void", name(member)));
            self.next_question();
        } else {
            self.questions.retain(|(asked, _)| asked != member);
        }
    }

    fn answer(&mut self, yes: bool) {
        let Some((member, _)) = self.questions.front().cloned() else {
            return;
        };
        let waited = self
            .asked_at
            .map_or(Duration::MAX, |at| self.driver.now().since(at));
        if yes && self.terminal && waited < TIME_TO_READ {
            self.tell("that was quick; read the question above, and answer again");
            return;
        }
        if yes {
            self.trust(&member);
        } else {
            self.tell(&format!(
                "{0} is not trusted; /trust {0} does so later",
                name(&member)
            ));
        }
        self.next_question();
    }

    fn trust(&mut self, member: &MemberId) {
        match self.introductions.trust(member) {
            Ok(Some(key)) => self.tell(&format!(
                "the key of {} is trusted from now on: {}",
                name(member),
                fingerprint(&key)
            )),
            Ok(None) => self.tell(&format!("{} has shown no new key here", name(member))),
            Err(error) => self.tell(&format!("the key of {} is not trusted: {error}", name(member))),
        }
    }

    /// A line of the user.
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let (Some(yes), false) = (command::answer(line), self.questions.is_empty()) {
            return self.answer(yes);
        }
        match command::parse(line) {
            Ok(command) => self.command(command),
            Err(error) => self.tell(&error.to_string()),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::Say(body) => {
                if let Err(error) = self.driver.with(|session, cx| session.send(&body, cx)) {
                    self.tell(&format!("not said: {error}"));
                }
            }
            Command::Include(members) => self.change(Change::include(members)),
            Command::Exclude(members) => self.change(Change::exclude(members)),
            Command::Refresh => self.change(Change::refresh()),
            Command::Abort => {
                let result = self.driver.with(|session, cx| session.abort(cx));
                self.report(result);
            }
            Command::Join => {
                let result = self.driver.with(|session, cx| session.join(cx).map(|_| ()));
                self.report(result);
            }
            Command::Part => self.want_to_part(),
            Command::Trust(member) => {
                self.trust(&member);
                self.drop_answered(&member);
            }
            Command::Members => self.show_members(),
            Command::Acks => self.show_acks(),
            Command::Warnings => self.show_warnings(),
            Command::History => self.show_history(),
            Command::Help => HELP.iter().for_each(|line| self.tell(line)),
        }
    }

    /// A question that `/trust` has answered is not asked again.
    fn drop_answered(&mut self, member: &MemberId) {
        if self.questions.front().is_some_and(|(asked, _)| asked == member) {
            self.next_question();
        } else {
            self.questions.retain(|(asked, _)| asked != member);
        }
    }

    fn change(&mut self, change: Change) {
        let result = self
            .driver
            .with(|session, cx| session.change(change, cx).map(|_| ()));
        self.report(result);
    }

    fn report(&self, result: Result<(), ActionError>) {
        match result {
            Ok(()) => {}
            Err(error @ ActionError::Propose(ProposeError::UnknownIdentity(_))) => self.tell(&format!(
                "not done: {error}. They show their key when they enter the channel; answer the question, or /trust NAME"
            )),
            Err(error) => self.tell(&format!("not done: {error}")),
        }
    }

    fn want_to_part(&mut self) {
        if self.parting == Parting::No {
            self.parting = Parting::Wanted;
        }
    }

    /// Begins to part as soon as nothing else of ours is under way.
    fn part_if_wanted(&mut self) {
        if self.parting == Parting::Wanted
            && self.driver.session().state() != SessionState::Parted
            && self.driver.with(|session, cx| session.part(cx)).is_ok()
        {
            self.parting = Parting::Begun;
        }
    }

    /// Shows what has come of it all.
    fn show_outcomes(&mut self) {
        let mut acked: Vec<MessageId> = Vec::new();
        while let Some(outcome) = self.driver.next_outcome() {
            match outcome {
                Outcome::Event(Event::FullyAcked { id }) => acked.push(id),
                Outcome::Event(Event::Message { id, author, body }) => {
                    let session = self.driver.session();
                    let line = show::message(&mut self.numbers, session, id, &author, &body);
                    screen::out(&format!("{} {line}", time_of_day(self.driver.now())));
                }
                Outcome::Event(event) => {
                    if let Some(line) = show::event(&event, self.driver.session()) {
                        self.tell(&line);
                    }
                }
                // The client tells of the connection by itself.
                Outcome::NotAsked(ChannelError::Disconnected) => {}
                Outcome::NotAsked(error) => self.tell(&format!("not sent: {error}")),
            }
        }
        let acked = self.numbers.list(&acked);
        if !acked.is_empty() {
            screen::out(&format!("{} ✓ {acked}", time_of_day(self.driver.now())));
        }
    }

    fn show_members(&self) {
        let session = self.driver.session();
        let provisional = if session.is_provisional() {
            " (not confirmed by all yet)"
        } else {
            ""
        };
        let Some(channel) = session.channel() else {
            return self.tell("you are not in the channel; /join enters it");
        };
        match session.members() {
            members if members.is_empty() => self.tell("you are in the channel, and wait to be brought in"),
            members => self.tell(&format!("in the session: {}{provisional}", names(members))),
        }
        let others = channel.minus(session.members());
        if !others.is_empty() {
            self.tell(&format!("in the channel only: {}", names(&others)));
        }
        if let Some(operation) = session.operation() {
            let what = show::change_words(&operation.change);
            self.tell(&format!("under way, proposed by {}: {what}", name(&operation.by)));
        }
    }

    fn show_acks(&self) {
        let waiting = self
            .driver
            .session()
            .messages()
            .filter(|message| !message.fully_acked);
        let mut none = true;
        for message in waiting {
            none = false;
            let number = self.numbers.list([&message.id]);
            self.tell(&format!(
                "{number} not seen by {}, as far as is known",
                names(&message.unacked)
            ));
        }
        if none {
            self.tell("everybody has seen everything");
        }
    }

    fn show_warnings(&self) {
        let session = self.driver.session();
        if session.state() == SessionState::Joined {
            for line in session.summary().lines() {
                self.tell(&line);
            }
        }
        if session.warnings().is_empty() {
            self.tell("nothing is wrong");
        }
        for warning in session.warnings().iter() {
            self.tell(&show::warning(warning));
        }
    }

    fn show_history(&self) {
        let session = self.driver.session();
        let history = session.history();
        if history.is_empty() {
            self.tell("no change of membership yet");
        }
        for record in history {
            let change = Change {
                include: record.include.clone(),
                exclude: record.exclude.clone(),
            };
            let outcome = show::outcome_words(&record.outcome);
            let what = show::change_words(&change);
            self.tell(&format!(
                "{}: {what}, {outcome}; chain {:.16}",
                name(&record.author),
                record.link.chain
            ));
        }
    }
}
