//! A queue with two limits, between many senders and the one task that writes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Bytes;

use crate::CloseReason;

/// How much may wait in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLimit {
    /// Messages.
    pub packets: usize,
    /// Bytes, over all messages.
    pub bytes: usize,
}

impl QueueLimit {
    /// At most this many messages, and this many bytes together.
    #[must_use]
    pub const fn new(packets: usize, bytes: usize) -> Self {
        Self { packets, bytes }
    }
}

/// Why something was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    /// It would go over a limit. The queue is as it was.
    Full,
    /// The queue is closed.
    Closed,
}

/// What to do next about a queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write this.
    Item(Bytes),
    /// The last item has been taken, and nothing will follow.
    End(CloseReason),
}

/// The queue of encoded messages. Any number of threads push, one task takes.
#[derive(Debug)]
pub(crate) struct Queue {
    limit: QueueLimit,
    state: Mutex<State>,
    /// Wakes the one that takes.
    filled: Notify,
    /// Wakes the one that waits for a sudden end.
    cut: Notify,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Bytes>,
    bytes: usize,
    /// Set once; nothing is pushed afterwards.
    end: Option<End>,
}

#[derive(Clone, Copy, Debug)]
struct End {
    reason: CloseReason,
    /// Whether what was queued does not matter any more.
    sudden: bool,
}

impl Queue {
    pub(crate) fn new(limit: QueueLimit) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                items: VecDeque::new(),
                bytes: 0,
                end: None,
            }),
            filled: Notify::new(),
            cut: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in this file panics while it holds the lock, so a poisoned lock guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item at the end.
    pub(crate) fn push(&self, item: Bytes) -> Result<(), PushError> {
        let mut state = self.state();
        if state.end.is_some() {
            return Err(PushError::Closed);
        }
        let bytes = state.bytes.saturating_add(item.len());
        if state.items.len() >= self.limit.packets || bytes > self.limit.bytes {
            return Err(PushError::Full);
        }
        state.bytes = bytes;
        state.items.push_back(item);
        self.filled.notify_one();
        Ok(())
    }

    /// Ends the queue: its contents are still written, nothing follows. The first end counts.
    pub(crate) fn finish(&self, reason: CloseReason) {
        self.end(reason, false);
    }

    /// Ends the queue at once and drops its contents. Overrules [`Queue::finish`], not an earlier cut.
    pub(crate) fn cut(&self, reason: CloseReason) {
        self.end(reason, true);
    }

    fn end(&self, reason: CloseReason, sudden: bool) {
        let mut state = self.state();
        if state.end.is_none_or(|end| sudden && !end.sudden) {
            state.end = Some(End { reason, sudden });
        }
        if sudden {
            state.items = VecDeque::new();
            state.bytes = 0;
            self.cut.notify_one();
        }
        self.filled.notify_one();
    }

    /// The next item if there is one.
    pub(crate) fn take(&self) -> Option<Next> {
        let mut state = self.state();
        match state.items.pop_front() {
            Some(item) => {
                state.bytes = state.bytes.saturating_sub(item.len());
                Some(Next::Item(item))
            }
            None => state.end.map(|end| Next::End(end.reason)),
        }
    }

    /// Whether there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().items.is_empty()
    }

    /// Waits for the next item. Losing the future loses no item.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.filled.notified().await;
        }
    }

    /// Waits until the queue is cut.
    pub(crate) async fn until_cut(&self) -> CloseReason {
        loop {
            let end = self.state().end;
            match end {
                Some(End { reason, sudden: true }) => return reason,
                _ => self.cut.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(packets: usize, bytes: usize) -> Queue {
        Queue::new(QueueLimit::new(packets, bytes))
    }

    #[test]
    fn a39_both_limits_hold_and_a_refused_item_changes_nothing() {
        let q = queue(2, 5);
        assert_eq!(q.push(Bytes::from_static(b"abc")), Ok(()));
        assert_eq!(q.push(Bytes::from_static(b"def")), Err(PushError::Full), "bytes");
        assert_eq!(q.push(Bytes::from_static(b"de")), Ok(()));
        assert_eq!(q.push(Bytes::from_static(b"")), Err(PushError::Full), "items");
        assert_eq!(q.take(), Some(Next::Item(Bytes::from_static(b"abc"))));
        assert_eq!(
            q.push(Bytes::from_static(b"xyz")),
            Ok(()),
            "what was taken made room"
        );
        assert_eq!(q.take(), Some(Next::Item(Bytes::from_static(b"de"))));
        assert_eq!(q.take(), Some(Next::Item(Bytes::from_static(b"xyz"))));
        assert_eq!(q.take(), None);
    }

    #[tokio::test]
    async fn finishing_lets_the_rest_out_and_cutting_does_not() {
        let q = queue(9, 99);
        q.push(Bytes::from_static(b"a")).unwrap();
        q.finish(CloseReason::Done);
        assert_eq!(q.push(Bytes::from_static(b"b")), Err(PushError::Closed));
        assert_eq!(q.next().await, Next::Item(Bytes::from_static(b"a")));
        assert_eq!(q.next().await, Next::End(CloseReason::Done));

        let q = queue(9, 99);
        q.push(Bytes::from_static(b"a")).unwrap();
        q.finish(CloseReason::Done);
        q.cut(CloseReason::TooSlow);
        q.cut(CloseReason::Shutdown);
        assert_eq!(q.next().await, Next::End(CloseReason::TooSlow));
        assert_eq!(q.until_cut().await, CloseReason::TooSlow);
        assert_eq!(q.push(Bytes::from_static(b"b")), Err(PushError::Closed));
    }
}
