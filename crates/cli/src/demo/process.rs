//! One member of the demo: a session in a task of its own, with a connection of its own.

use concilium::channel::ChannelEvent;
use concilium::{AnySession, Body, Event, MemberId, MessageId, SessionState, Time};
use concilium_relay::ClientEvent;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::exclusion::Spoken;
use crate::driver::{Driver, Input, Outcome, is_race};

/// Something to do with a process, in its own task.
type Job = Box<dyn FnOnce(&mut Process) + Send>;

/// A session, and what the demo keeps of what passes by.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) driver: Driver,
    /// Packets that came from the channel and say something that we could read, if they are to be kept.
    pub(super) tap: Option<Spoken>,
    /// The last snapshot while in the session, if it is to be kept: all that the member ever held at that
    /// time.
    pub(super) last_words: Option<Zeroizing<Vec<u8>>>,
    pub(super) keep_last_words: bool,
}

/// What a process tells.
#[derive(Debug)]
pub(super) struct Told {
    /// Which process.
    pub(super) who: usize,
    /// When.
    pub(super) at: Time,
    /// What.
    pub(super) news: News,
}

/// What has happened to a process.
#[derive(Debug)]
pub(super) enum News {
    /// The session tells something.
    Event(Event),
    /// A message came, and this is how it stands in the transcript.
    Message {
        /// Which.
        id: MessageId,
        /// Its author.
        author: MemberId,
        /// What it says.
        body: Vec<u8>,
        /// The messages that it answers.
        parents: Vec<MessageId>,
        /// Whether that is just the one shown above it.
        follows: bool,
    },
    /// We are in the channel now.
    Entered,
    /// The channel does not work as it should.
    Trouble(String),
}

/// A process, from outside.
#[derive(Debug)]
pub(super) struct Handle {
    jobs: mpsc::UnboundedSender<Job>,
    task: JoinHandle<()>,
}

/// The process is gone. It only ever goes when its handle does, or by a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member's task has ended by itself; this is a bug, please report it")]
pub(crate) struct GoneError;

impl Handle {
    /// Does something in the process, and waits for what comes of it.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Process) -> T + Send + 'static,
    ) -> Result<T, GoneError> {
        self.begin(job).await.map_err(|_| GoneError)
    }

    /// As [`Self::ask`], to be waited for later: so that several members do something at the same time.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Process) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        let job = move |process: &mut Process| {
            let _ = answer.send(job(process));
        };
        // If the process is gone the job is dropped, and with it the sender of the answer.
        let _ = self.jobs.send(Box::new(job));
        answered
    }

    /// Ends the process and its connection.
    pub(super) async fn end(self) {
        drop(self.jobs);
        let _ = self.task.await;
    }
}

/// Starts a process.
pub(super) fn start(who: usize, driver: Driver, news: mpsc::UnboundedSender<Told>) -> Handle {
    let (jobs, inbox) = mpsc::unbounded_channel();
    let process = Process {
        driver,
        tap: None,
        last_words: None,
        keep_last_words: false,
    };
    let task = tokio::spawn(process.run(who, inbox, news));
    Handle { jobs, task }
}

impl Process {
    /// The session, to look at.
    pub(super) fn session(&self) -> &dyn AnySession {
        self.driver.session()
    }

    async fn run(
        mut self,
        who: usize,
        mut jobs: mpsc::UnboundedReceiver<Job>,
        news: mpsc::UnboundedSender<Told>,
    ) {
        loop {
            let news_item = tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => {
                        job(&mut self);
                        None
                    }
                    None => break,
                },
                input = self.driver.wait() => self.take(input),
            };
            self.remember();
            let at = self.driver.now();
            let tell = |news_item| {
                let _ = news.send(Told {
                    who,
                    at,
                    news: news_item,
                });
            };
            if let Some(item) = news_item {
                let over = matches!(item, News::Trouble(_));
                tell(item);
                if over {
                    break;
                }
            }
            while let Some(outcome) = self.driver.next_outcome() {
                tell(match outcome {
                    Outcome::Event(Event::Message { id, author, body }) => self.message(id, author, body),
                    Outcome::Event(event) => News::Event(event),
                    Outcome::NotAsked(error) => News::Trouble(error.to_string()),
                });
            }
        }
        self.driver.close().await;
    }

    /// Feeds an input. On a local relay a race is the only thing that happens to a connection; anything else
    /// is trouble.
    fn take(&mut self, input: Input) -> Option<News> {
        let entered = matches!(input, Input::Channel(ChannelEvent::Entered { .. }));
        match &input {
            Input::Connection(ClientEvent::Refused { refusal, .. }) if is_race(*refusal) => {}
            Input::Connection(event) => return Some(News::Trouble(format!("the connection: {event:?}"))),
            Input::Closed => return Some(News::Trouble("the connection is closed".to_owned())),
            Input::Channel(ChannelEvent::Packet { bytes, .. }) => {
                if let Some(tap) = &mut self.tap
                    && self
                        .driver
                        .session()
                        .reads(bytes)
                        .is_some_and(|body| !body.is_empty())
                {
                    tap.insert(bytes.as_slice().into());
                }
            }
            Input::Channel(_) | Input::Timeout => {}
        }
        self.driver.feed(input);
        entered.then_some(News::Entered)
    }

    fn remember(&mut self) {
        if self.keep_last_words && self.session().state() != SessionState::Parted {
            self.last_words = Some(self.session().snapshot());
        }
    }

    fn message(&self, id: MessageId, author: MemberId, body: Body) -> News {
        match self.session().message(&id) {
            Some(view) => News::Message {
                id,
                author,
                body: body.into_bytes(),
                parents: view.parents.to_vec(),
                follows: view.follows,
            },
            None => News::Trouble(format!(
                "message {id:.8} was announced and is not in the transcript"
            )),
        }
    }
}
