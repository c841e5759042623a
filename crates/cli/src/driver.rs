//! The thin async driver: a session, its channel on a relay, and the clock.
//!
//! ```text
//! loop {
//!     wait for   an event of the channel, the session's next timeout, or a wish of the user
//!     feed       it to the session
//!     drain      what the session wants: actions go to the channel, events to the screen
//! }
//! ```
//!
//! The session does the rest. Nothing here decides anything.

use std::collections::VecDeque;

use concilium::channel::ChannelEvent;
use concilium::{AnySession, Context, Event, Output, Time};
use concilium_relay::{ActionError, ClientEvent, Refusal, RelayClient};

use crate::clock::Clock;

/// What the driver has waited for.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something happened in the channel; to be fed to the session.
    Channel(ChannelEvent),
    /// The session's next timeout is due; to be fed to the session.
    Timeout,
    /// Something about the connection: for the user, and nothing to the session.
    Connection(ClientEvent),
    /// The client has given up. Nothing more comes from the channel.
    Closed,
}

/// What has come of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The session tells something.
    Event(Event),
    /// The session wanted something of the channel that could not even be asked for.
    NotAsked(ActionError),
}

/// Whether a refusal only says that we and another member acted at the same time. The channel's events, which
/// are on their way, tell the session all that it has to know. The user need not hear of it.
pub(crate) fn is_race(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::AlreadyIn | Refusal::NotIn | Refusal::NotMember | Refusal::AlreadyMember
    )
}

/// A session in one channel of a relay.
#[derive(Debug)]
pub(crate) struct Driver {
    session: Box<dyn AnySession + Send>,
    client: RelayClient,
    clock: Clock,
    outcomes: VecDeque<Outcome>,
}

impl Driver {
    /// Drives this session over this connection.
    pub(crate) fn new(session: Box<dyn AnySession + Send>, client: RelayClient, clock: Clock) -> Self {
        Self {
            session,
            client,
            clock,
            outcomes: VecDeque::new(),
        }
    }

    /// Waits for the next thing to happen. Losing the future loses nothing.
    pub(crate) async fn wait(&mut self) -> Input {
        let due = self.session.next_timeout();
        let wait = due.and_then(|due| self.clock.until(due));
        let timeout = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        // The channel first: an event before a timeout may make it pointless.
        tokio::select! {
            biased;
            event = self.client.next() => match event {
                Some(ClientEvent::Channel { channel, event }) if channel == *self.session.name() => {
                    Input::Channel(event)
                }
                Some(event) => Input::Connection(event),
                None => Input::Closed,
            },
            () = timeout => Input::Timeout,
        }
    }

    /// Feeds what was waited for to the session.
    pub(crate) fn feed(&mut self, input: Input) {
        match input {
            Input::Channel(event) => self.with(|session, cx| session.handle(event, cx)),
            Input::Timeout => self.with(|session, cx| session.handle_timeout(cx)),
            Input::Connection(_) | Input::Closed => {}
        }
    }

    /// Calls the session at the present time, and passes on its actions for the channel.
    pub(crate) fn with<T>(&mut self, f: impl FnOnce(&mut dyn AnySession, &mut Context<'_>) -> T) -> T {
        let result = self.clock.with_context(|cx| f(&mut *self.session, cx));
        let name = self.session.name().clone();
        for output in self.session.drain().unsaved() {
            match output {
                Output::Event(event) => self.outcomes.push_back(Outcome::Event(event)),
                Output::Channel(action) => {
                    if let Err(error) = self.client.act(&name, action) {
                        self.outcomes.push_back(Outcome::NotAsked(error));
                    }
                }
            }
        }
        result
    }

    /// The next thing to show, oldest first.
    pub(crate) fn next_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// Sends a packet of the application's own into the channel.
    pub(crate) fn send_packet(&mut self, bytes: Vec<u8>) {
        let action = concilium::channel::ChannelAction::Send { bytes };
        if let Err(error) = self.client.act(self.session.name(), action) {
            self.outcomes.push_back(Outcome::NotAsked(error));
        }
    }

    /// The session, to look at.
    pub(crate) fn session(&self) -> &dyn AnySession {
        &*self.session
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Closes the connection in good order.
    pub(crate) async fn close(self) {
        self.client.close().await;
    }
}
