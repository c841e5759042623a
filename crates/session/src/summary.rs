//! How things stand, in three lines for a screen.

use std::fmt;

use concilium_core::MemberSet;
use concilium_encryptor::MessageEncryptor;
use concilium_gka::GroupKeyAgreement;

use crate::subsession::Subsession;
use crate::{Session, WarningKind};

/// How things stand, as far as can be seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Messages and packets that wait for others which are missing here (M-2, G-1).
    pub waiting: usize,
    /// Messages that some present members have perhaps not seen (G-6).
    pub unseen: usize,
    /// Members that are not in the channel, or have owed a sign of life for long (L-5).
    pub absent: MemberSet,
}

impl Summary {
    /// Whether all is well.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.waiting == 0 && self.unseen == 0 && self.absent.is_empty()
    }

    /// The three lines.
    pub fn lines(&self) -> [String; 3] {
        [
            match self.waiting {
                0 => "not missing any message".to_owned(),
                count => format!("missing messages: {count} wait for them"),
            },
            match self.unseen {
                0 => "everyone has seen what we have seen".to_owned(),
                count => format!("not seen by everyone, as far as we know: {count}"),
            },
            if self.absent.is_empty() {
                "everyone is here".to_owned()
            } else {
                format!("not here: {}", self.absent)
            },
        ]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

impl<G: GroupKeyAgreement, E: MessageEncryptor> Session<G, E> {
    /// The state in brief, for a line on a screen. Acknowledgements are held back for a while (L-2), so a new
    /// message counts as unseen. Faults are in [`warnings`](Self::warnings).
    #[must_use]
    pub fn summary(&self) -> Summary {
        let present = self.present();
        let deferred: usize = self
            .subsessions()
            .map(|subsession| subsession.transcript.deferred_len())
            .sum();
        let unseen = |subsession: &Subsession<E>| {
            let messages = subsession.transcript.unacked_messages();
            messages
                .filter(|id| !subsession.missing(id, &present).is_empty())
                .count()
        };
        let silent = self
            .warnings
            .iter()
            .filter(|warning| warning.kind == WarningKind::MemberAbsent)
            .flat_map(|warning| warning.members.clone());
        let mut absent = self.members().minus(&present);
        absent.extend(silent);
        Summary {
            waiting: deferred + self.waiting.len(),
            unseen: self.subsessions().map(unseen).sum(),
            absent,
        }
    }

    /// The members with a sign of life newer than our own last message (L-5): they have written something
    /// after seeing it.
    #[must_use]
    pub fn presence(&self) -> MemberSet {
        let answered = self.current.as_ref().and_then(|current| {
            let last = current.transcript.last_of(self.gka.me())?;
            current.transcript.acked_by(last).ok()
        });
        answered.unwrap_or_default()
    }
}
