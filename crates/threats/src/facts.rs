//! What came of every attack on one pair of parts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use concilium_gka::Identity;
use concilium_test_parts::Parts;

use crate::attacker::{Attacker, counterfeit, made_up};
use crate::course::{Course, Moment, VICTIM};
use crate::join::{Impostor, join, propose, take_seat};
use crate::listen::listen;
use crate::speak::speak;
use crate::stage::{Keys, Process, Stage, identity};

/// The members besides T in whose names attackers speak and join.
const NAMES: [&str; 2] = ["alice", "bob"];

/// What an attacker tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attempt {
    /// To come to hold what a message says.
    Read,
    /// To have a message taken as from T.
    SpeakAsVictim,
    /// The same, as from another member.
    SpeakAsOthers,
    /// To be in a subsession under T's name.
    JoinAsVictim,
    /// The same, under another member's.
    JoinAsOthers,
}

impl Attempt {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::SpeakAsVictim,
        Self::SpeakAsOthers,
        Self::JoinAsVictim,
        Self::JoinAsOthers,
    ];
}

/// The columns of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Subsessions that have ended before the leak.
    Earlier,
    /// The one of the leak, up to the next operation.
    AtHand,
    /// Those after it.
    ToCome,
}

impl Column {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Earlier, Self::AtHand, Self::ToCome];

    /// The moments at which an attempt is made for this column of an attacker's row.
    #[must_use]
    pub fn moments(self, attacker: Attacker, attempt: Attempt) -> &'static [Moment] {
        use Moment::{Acknowledged, AtHand, Before, Early, Excluded, Followed, Late, Renewed};
        let is_join = matches!(attempt, Attempt::JoinAsVictim | Attempt::JoinAsOthers);
        match (self, attacker) {
            (Self::Earlier, Attacker::Seat) => &[Before],
            (Self::Earlier, _) => &[Before, Early, Late],
            (Self::AtHand, _) if attempt == Attempt::Read => &[Acknowledged, AtHand],
            (Self::AtHand, _) => &[AtHand],
            (Self::ToCome, Attacker::Seat) => &[Excluded],
            (Self::ToCome, _) if is_join => &[Followed],
            (Self::ToCome, _) => &[Followed, Renewed],
        }
    }
}

/// Everything that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Which attacker succeeded in what, and when.
    pub successes: BTreeSet<(Attacker, Attempt, Moment)>,
    /// Of which moments a snapshot of T's process shows the messages, since T still shows them.
    pub shown: BTreeSet<Moment>,
}

impl Facts {
    /// Runs real sessions of these parts and carries out every attack on them.
    #[must_use]
    pub fn measure(parts: Parts) -> Self {
        let course = Course::run(parts);
        let mut facts = Self::default();
        for attacker in Attacker::ALL {
            facts.listeners(&course, attacker);
            facts.speakers(&course, attacker);
            facts.joiners(&course, attacker);
        }
        facts
    }

    fn note(&mut self, attacker: Attacker, attempt: Attempt, moment: Moment, succeeded: bool) {
        if succeeded {
            self.successes.insert((attacker, attempt, moment));
        }
    }

    fn listeners(&mut self, course: &Course, attacker: Attacker) {
        let heard = listen(course, attacker);
        for (attempt, moments) in [
            (Attempt::Read, heard.read),
            (Attempt::JoinAsVictim, heard.seat_of_victim),
            (Attempt::JoinAsOthers, heard.seat_of_others),
        ] {
            for moment in moments {
                self.note(attacker, attempt, moment, true);
            }
        }
        if attacker == Attacker::Session {
            self.shown = heard.shown;
        }
    }

    fn speakers(&mut self, course: &Course, attacker: Attacker) {
        let packets: Vec<Vec<u8>> = {
            let counterfeit = counterfeit(attacker, course.parts);
            let packets = counterfeit.channel.packets().iter();
            packets.map(|sent| sent.bytes.clone()).collect()
        };
        let mut tried = BTreeMap::new();
        let names = [VICTIM].into_iter().chain(NAMES);
        for (name, column) in names.flat_map(|name| Column::ALL.map(|column| (name, column))) {
            let attempt = if name == VICTIM {
                Attempt::SpeakAsVictim
            } else {
                Attempt::SpeakAsOthers
            };
            for moment in column.moments(attacker, attempt) {
                let scene = Scene::of(attacker, column, *moment);
                let succeeded = *tried.entry((name, scene)).or_insert_with(|| {
                    let mut stolen = scene.stolen(course, attacker);
                    let stage = course.at(scene.stage);
                    speak(stage, attacker, name, stolen.as_mut(), &packets)
                });
                self.note(attacker, attempt, *moment, succeeded);
            }
        }
    }

    fn joiners(&mut self, course: &Course, attacker: Attacker) {
        let everybody = course.end().directory();
        for name in [VICTIM].into_iter().chain(NAMES) {
            let attempt = if name == VICTIM {
                Attempt::JoinAsVictim
            } else {
                Attempt::JoinAsOthers
            };
            let impostor = |identity: Identity, accomplice: Option<&Stage>| {
                let directory = Attacker::directory_for(&identity, everybody);
                let accomplice = accomplice.map(|stage| corrupted(stage, &directory));
                Impostor {
                    identity,
                    directory,
                    accomplice,
                }
            };
            let as_name = || attacker.identity_as(name);
            // The session at hand has no operation.
            let stage = course.at(Moment::Acknowledged);
            let stolen = attacker
                .stolen_at(course, Moment::Acknowledged)
                .filter(|_| name == VICTIM);
            let sits = take_seat(stage, &impostor(as_name(), None), stolen, 1001);
            self.note(attacker, attempt, Moment::AtHand, sits);
            // By an operation. The member that includes it is honest, or is T, honest or not.
            let moment = Column::ToCome.moments(attacker, attempt)[0];
            let has_accomplice = name != VICTIM && !attacker.thefts().is_empty();
            let from_inside = if attacker == Attacker::Seat {
                course.at(Moment::Renewed)
            } else {
                stage
            };
            let from_outside = if attacker == Attacker::Seat {
                course.end()
            } else {
                stage
            };
            let other = if name == "alice" { "bob" } else { "alice" };
            let mut joins = join(from_outside, impostor(as_name(), None), other, 1002);
            if has_accomplice {
                // T cannot be in under two names with one key. Another key that only T trusts serves T as
                // well.
                joins |= join(
                    from_inside,
                    impostor(made_up(name), Some(from_inside)),
                    VICTIM,
                    1003,
                );
                joins |= join(from_inside, impostor(as_name(), Some(from_inside)), other, 1004);
            } else if name != VICTIM {
                joins |= join(from_outside, impostor(as_name(), None), VICTIM, 1005);
            }
            joins |= proposes(course, attacker, name);
            self.note(attacker, attempt, moment, joins);
        }
    }
}

/// Whether the attacker starts an operation in the name of a member whose key it does not have.
fn proposes(course: &Course, attacker: Attacker, name: &str) -> bool {
    let (before, after) = match name {
        "bob" => (Moment::Acknowledged, Moment::Followed),
        VICTIM if attacker == Attacker::Network => (Moment::Followed, Moment::Renewed),
        // With T's key it can, as T.
        _ => return false,
    };
    let identity = attacker.identity_as(name);
    propose(course.at(before), course.at(after), name, &identity)
}

/// T's session as it is, trusting whom the attacker wants it to trust.
fn corrupted(stage: &Stage, directory: &Arc<Keys>) -> Process {
    let snapshot = stage.session(VICTIM).snapshot();
    Process::stolen(stage.parts, identity(VICTIM), directory, &snapshot, 1006)
}

/// The subsession to speak in, and the secrets to speak with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Scene {
    /// The group at the end of this moment.
    stage: Moment,
    session: SessionOfVictim,
}

/// Which session of T's an attacker speaks with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SessionOfVictim {
    None,
    /// What T's process held at the end of this moment, in a subsession that has ended since: more than a
    /// thief has.
    Former(Moment),
    /// What was stolen, and has heard everything since.
    Stolen,
}

impl Scene {
    fn of(attacker: Attacker, column: Column, moment: Moment) -> Self {
        let stage = match column {
            Column::Earlier | Column::AtHand => Moment::Acknowledged,
            Column::ToCome => moment,
        };
        let session = match column {
            _ if attacker.thefts().is_empty() => SessionOfVictim::None,
            Column::Earlier if moment == Moment::Before => SessionOfVictim::None,
            Column::Earlier => SessionOfVictim::Former(moment),
            Column::AtHand | Column::ToCome => SessionOfVictim::Stolen,
        };
        Self { stage, session }
    }

    /// T's session as the attacker has it here.
    fn stolen(self, course: &Course, attacker: Attacker) -> Option<Process> {
        match self.session {
            SessionOfVictim::None => None,
            SessionOfVictim::Former(moment) => Some(corrupted(course.at(moment), course.end().directory())),
            SessionOfVictim::Stolen => attacker.stolen_at(course, self.stage),
        }
    }
}
