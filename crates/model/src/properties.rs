//! What must hold in every state, and what must happen in some.

use concilium_core::{ChainHash, MemberId, PacketId};
use concilium_server_order::{ChainRole, Comparison, Outcome, Record, Resolver, chain_step};
use stateright::{Model, Property};

use crate::member::Member;
use crate::watch::{Rule, Sight, Watch};

/// A state of either server.
pub trait Run {
    /// The members of the channel.
    fn members(&self) -> impl Iterator<Item = &Member>;

    /// Whether these two have been told the same, each from when it came.
    fn same_place(&self, one: &MemberId, other: &MemberId) -> bool;

    /// What was noted on the way.
    fn watch(&self) -> &Watch;
}

/// Whether a state has the properties, or how it fails them.
pub(crate) type Verdict = Result<(), String>;

/// Pairs of members, each once.
fn pairs<R: Run>(run: &R) -> impl Iterator<Item = (&Member, &Member)> {
    let later = |one: &Member, other: &Member| one.resolver.me() < other.resolver.me();
    run.members()
        .flat_map(move |one| run.members().map(move |other| (one, other)))
        .filter(move |(one, other)| later(one, other))
}

/// Whether both are sure to be in a session with the other.
fn together(one: &Member, other: &Member) -> bool {
    let knows =
        |one: &Resolver, other: &Resolver| one.head().is_some_and(|head| head.members.contains(other.me()));
    let mutual = knows(&one.resolver, &other.resolver) && knows(&other.resolver, &one.resolver);
    mutual && one.is_sure() && other.is_sure()
}

/// The same operation, by members that count from their own beginning.
fn same(one: &Record, other: &Record) -> bool {
    let number = one.number;
    *one == Record {
        number,
        ..other.clone()
    }
}

/// O-5: members that were told the same hold the same.
pub(crate) fn agreement<R: Run>(run: &R) -> Verdict {
    for (one, other) in pairs(run).filter(|(one, other)| together(one, other)) {
        let (one, other) = (&one.resolver, &other.resolver);
        if !run.same_place(one.me(), other.me()) {
            continue;
        }
        let tails = one.history().iter().rev().zip(other.history().iter().rev());
        let alike = one.head() == other.head()
            && one.running() == other.running()
            && tails.into_iter().all(|(one, other)| same(one, other));
        if !alike {
            return Err(format!(
                "{} and {} were told the same and differ",
                one.me(),
                other.me()
            ));
        }
    }
    Ok(())
}

/// O-4, O-11, T-5: an operation has one end for all who can see how it ends. Excluded members cannot (T-10).
pub(crate) fn one_end<R: Run>(run: &R) -> Verdict {
    let records = |member: &Member| -> Vec<Record> {
        let me = member.resolver.me().clone();
        let history = member.resolver.history().iter();
        history
            .filter(|record| !record.exclude.contains(&me))
            .cloned()
            .collect()
    };
    for member in run.members() {
        let records = records(member);
        for (i, record) in records.iter().enumerate() {
            if records
                .iter()
                .skip(i.saturating_add(1))
                .any(|later| later.initial == record.initial)
            {
                return Err(format!(
                    "{} has ended {:.4} twice",
                    member.resolver.me(),
                    record.initial
                ));
            }
        }
    }
    for (one, other) in pairs(run) {
        for record in records(one) {
            let theirs = records(other)
                .into_iter()
                .find(|theirs| theirs.initial == record.initial);
            if theirs.is_some_and(|theirs| theirs.link != record.link || theirs.outcome != record.outcome) {
                let names = (one.resolver.me(), other.resolver.me());
                return Err(format!(
                    "{:.4} has two ends, for {} and {}",
                    record.initial, names.0, names.1
                ));
            }
        }
    }
    Ok(())
}

/// O-5: the chain hash covers every packet as it was accepted, and the end of one operation is the parent of
/// the next.
pub(crate) fn chain<R: Run>(run: &R) -> Verdict {
    for member in run.members() {
        let history = member.resolver.history();
        for (previous, record) in history.iter().zip(history.iter().skip(1)) {
            let before = &previous.link.chain;
            let (first, last) = (&record.initial, &record.link.packet);
            let role = match record.outcome {
                Outcome::Finished if first == last => ChainRole::Both, // O-9
                Outcome::Finished => ChainRole::Final,
                Outcome::Aborted { .. } => ChainRole::Abort,
                Outcome::Left { .. } => ChainRole::Leave,
            };
            let started = chain_step(before, first, ChainRole::Initial);
            let start = if role == ChainRole::Both { before } else { &started };
            let expected = chain_step(start, last, role);
            let roles = [
                ChainRole::Initial,
                ChainRole::Final,
                ChainRole::Both,
                ChainRole::Abort,
                ChainRole::Leave,
            ];
            let others = roles.into_iter().filter(|other| *other != role);
            if others
                .map(|other| chain_step(start, last, other))
                .any(|hash| hash == expected)
                || chain_step(&expected, last, role) == expected
            {
                return Err(String::from(
                    "the chain hash leaves out the role, or what came before",
                ));
            }
            if expected != record.link.chain {
                return Err(format!("{} has a wrong chain hash", member.resolver.me()));
            }
        }
        let head = member.resolver.head();
        if let (Some(head), Some(newest)) = (head, history.last())
            && member.resolver.running().is_none()
            && head.link != newest.link
        {
            return Err(format!(
                "{} does not stand where its history ends",
                member.resolver.me()
            ));
        }
    }
    Ok(())
}

/// O-5, A-24: equal chain hashes mean equal histories.
pub(crate) fn binding<R: Run>(run: &R) -> Verdict {
    let until = |member: &Member, chain: &ChainHash| -> Vec<Record> {
        let history = member.resolver.history();
        let end = history.iter().rposition(|record| record.link.chain == *chain);
        let length = end.map_or(0, |end| end.saturating_add(1));
        history.iter().take(length).cloned().collect()
    };
    for (one, other) in pairs(run) {
        for record in one.resolver.history() {
            let (ours, theirs) = (until(one, &record.link.chain), until(other, &record.link.chain));
            let alike = ours
                .iter()
                .rev()
                .zip(theirs.iter().rev())
                .all(|(one, other)| same(one, other));
            if !alike {
                let names = (one.resolver.me(), other.resolver.me());
                return Err(format!(
                    "{} and {} have one chain hash {:.4} for two histories",
                    names.0, names.1, record.link.chain
                ));
            }
        }
    }
    Ok(())
}

/// O-10: behind an honest channel no member accuses another.
pub(crate) fn peace<R: Run>(run: &R) -> Verdict {
    for member in run.members() {
        if let Some((other, _)) = member.resolver.differences().first_key_value() {
            return Err(format!("{} accuses {other}", member.resolver.me()));
        }
    }
    for (one, other) in pairs(run).filter(|(one, other)| together(one, other)) {
        let names = (one.resolver.me(), other.resolver.me());
        if run.same_place(names.0, names.1) {
            for (said, found) in exchange(one, other) {
                if found != Comparison::Consistent {
                    return Err(format!(
                        "{} and {} confirm, and {said} by {found:?}",
                        names.0, names.1
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Both confirm to each other what they hold, if they have something to confirm. Returns what each heard.
fn exchange(one: &Member, other: &Member) -> Vec<(String, Comparison)> {
    let hear = |one: &Member, other: &Member| {
        let claim = other.resolver.claim()?;
        let found = one.resolver.clone().confirm(other.resolver.me(), claim);
        Some((
            format!("{} hears {}", one.resolver.me(), other.resolver.me()),
            found,
        ))
    };
    [hear(one, other), hear(other, one)]
        .into_iter()
        .flatten()
        .collect()
}

/// O-10, A-24: when two members have confirmed to each other, one of them reports a difference at once, or
/// when its running operation ends. Only differences are reported.
pub(crate) fn discovery<R: Run>(run: &R) -> Verdict {
    for (one, other) in pairs(run).filter(|(one, other)| together(one, other)) {
        let (Some(ours), Some(theirs)) = (one.resolver.claim(), other.resolver.claim()) else {
            continue;
        };
        let found = exchange(one, other);
        let reported = found.iter().any(|(_, found)| *found == Comparison::Different);
        let consistent = found.iter().all(|(_, found)| *found == Comparison::Consistent);
        let right = if ours == theirs {
            consistent
        } else {
            reported || reported_later(one, other) || reported_later(other, one)
        };
        if !right {
            let names = (one.resolver.me(), other.resolver.me());
            return Err(format!(
                "{} and {} confirm to each other: {found:?}",
                names.0, names.1
            ));
        }
    }
    Ok(())
}

/// Whether `one` waits for the end of its operation to judge `other`'s confirmation, and reports it if its
/// own end differs.
fn reported_later(one: &Member, other: &Member) -> bool {
    let mut resolver = one.resolver.clone();
    let (me, them) = (resolver.me().clone(), other.resolver.me());
    let Some(running) = resolver.running().map(|running| running.id) else {
        return false;
    };
    let held = other.resolver.claim().map(|claim| resolver.confirm(them, claim));
    let elsewhere = PacketId::from_bytes([3; 32]);
    held == Some(Comparison::Ahead)
        && resolver.aborted(elsewhere, &running, &me).is_ok()
        && resolver.differences().contains_key(them)
}

/// Whether two members that believe to be in one session hold different histories, and find out.
fn difference_found<R: Run>(run: &R) -> bool {
    pairs(run)
        .filter(|(one, other)| together(one, other))
        .any(|(one, other)| {
            exchange(one, other)
                .iter()
                .any(|(_, found)| *found == Comparison::Different)
        })
}

fn difference_held<R: Run>(run: &R) -> bool {
    pairs(run)
        .filter(|(one, other)| together(one, other))
        .any(|(one, other)| reported_later(one, other) || reported_later(other, one))
}

/// What every step must do, and what must happen, behind either server.
fn steps<M: Model<State: Run>>() -> Vec<Property<M>> {
    use Property as P;
    let saw: [Property<M>; 12] = [
        P::sometimes("an operation with joiners finishes", |_, s: &M::State| {
            s.watch().sights.has(Sight::Joined)
        }),
        P::sometimes("one packet is an operation", |_, s: &M::State| {
            s.watch().sights.has(Sight::OnePacket)
        }),
        P::sometimes("a proposal loses to one that runs", |_, s: &M::State| {
            s.watch().sights.has(Sight::LostToRunning)
        }),
        P::sometimes("a proposal loses to one that is over", |_, s: &M::State| {
            s.watch().sights.has(Sight::LostToFinished)
        }),
        P::sometimes("a proposal finds somebody gone", |_, s: &M::State| {
            s.watch().sights.has(Sight::Absent)
        }),
        P::sometimes(
            "a proposal names a parent that was remembered",
            |_, s: &M::State| s.watch().sights.has(Sight::Remembered),
        ),
        P::sometimes("a proposal leaves out who waits", |_, s: &M::State| {
            s.watch().sights.has(Sight::NotIncluded)
        }),
        P::sometimes("an abort wins", |_, s: &M::State| {
            s.watch().sights.has(Sight::Aborted)
        }),
        P::sometimes("an abort comes too late", |_, s: &M::State| {
            s.watch().sights.has(Sight::LateAbort)
        }),
        P::sometimes("a share comes too late", |_, s: &M::State| {
            s.watch().sights.has(Sight::LateShare)
        }),
        P::sometimes("a leave ends an operation", |_, s: &M::State| {
            s.watch().sights.has(Sight::Left)
        }),
        P::sometimes("who is being excluded sees a failure", |_, s: &M::State| {
            s.watch().sights.has(Sight::PerhapsExcluded)
        }),
    ];
    let mut all = vec![
        P::always(
            "O-4 the first proposal and the first end count",
            |_, s: &M::State| !s.watch().broke(Rule::FirstCome),
        ),
        P::always("O-6 all of M are in the channel", |_, s: &M::State| {
            !s.watch().broke(Rule::Present)
        }),
        P::always("O-7 what is not for us uses its parent up", |_, s: &M::State| {
            !s.watch().broke(Rule::NotForUs)
        }),
        P::always("O-8 a joiner adopts, and is provisional", |_, s: &M::State| {
            !s.watch().broke(Rule::ForUs)
        }),
        P::always("O-9 one packet is one step", |_, s: &M::State| {
            !s.watch().broke(Rule::OnePacket)
        }),
        P::always("O-11 an abort counts if it is first", |_, s: &M::State| {
            !s.watch().broke(Rule::FirstEnd)
        }),
        P::always("T-5 a leave of M ends the operation", |_, s: &M::State| {
            !s.watch().broke(Rule::LeaveEnds)
        }),
        P::always(
            "T-10 who is excluded cannot be sure of a failure",
            |_, s: &M::State| !s.watch().broke(Rule::PerhapsExcluded),
        ),
        P::always("O-5 the hash takes in what was accepted", |_, s: &M::State| {
            chain(s).is_ok()
        }),
        P::always("O-5 equal hashes, equal histories", |_, s: &M::State| {
            binding(s).is_ok()
        }),
    ];
    all.extend(saw);
    all
}

/// Whether a joiner runs what no member runs or has ended.
fn misled<R: Run>(run: &R) -> bool {
    run.members().any(|one| {
        let resolver = &one.resolver;
        let Some(running) = resolver.running().filter(|_| !resolver.is_member()) else {
            return false;
        };
        let author = run.members().find(|other| *other.resolver.me() == running.author);
        author.is_some_and(|author| {
            let resolver = &author.resolver;
            let asked_elsewhere = resolver.running().is_some_and(|other| other.id != running.id);
            asked_elsewhere && run.same_place(one.resolver.me(), author.resolver.me())
        })
    })
}

/// What is asked behind an honest server.
pub(crate) fn honest<M: Model<State: Run>>() -> Vec<Property<M>> {
    use Property as P;
    let mut all = steps();
    all.extend([
        P::always("O-5 told the same, hold the same", |_, s: &M::State| {
            agreement(s).is_ok()
        }),
        P::always("O-4, O-11, T-5 one end for all", |_, s: &M::State| {
            one_end(s).is_ok()
        }),
        P::always("O-10 no accusation", |_, s: &M::State| {
            !s.watch().broke(Rule::NoAccusation) && peace(s).is_ok()
        }),
    ]);
    all.extend([
        P::sometimes("a joiner is confirmed by all", |_, s: &M::State| {
            s.watch().sights.has(Sight::Firm)
        }),
        P::sometimes("an older operation is confirmed", |_, s: &M::State| {
            s.watch().sights.has(Sight::Older)
        }),
        P::sometimes(
            "a joiner follows a proposal that the members reject",
            |_, s: &M::State| misled(s),
        ),
        P::sometimes("T-11 somebody founds a session", |_, s: &M::State| {
            s.watch().sights.has(Sight::Founded)
        }),
    ]);
    all
}

/// The properties behind a server that shows each member what it likes.
pub(crate) fn reordering<M: Model<State: Run>>() -> Vec<Property<M>> {
    use Property as P;
    let mut all = steps();
    all.extend([
        P::always(
            "O-10 a difference is found, and nothing else",
            |_, s: &M::State| discovery(s).is_ok(),
        ),
        P::always("O-5 at the same place, hold the same", |_, s: &M::State| {
            agreement(s).is_ok()
        }),
    ]);
    all.extend([
        P::sometimes("a difference is reported", |_, s: &M::State| difference_found(s)),
        P::sometimes("a claim is held, then reported", |_, s: &M::State| {
            difference_held(s)
        }),
    ]);
    all
}

/// Why a state fails: all the reasons there are.
pub(crate) fn reasons<R: Run>(run: &R) -> Vec<String> {
    let fault = run.watch().fault.iter().map(ToString::to_string);
    let checks = [
        chain(run),
        binding(run),
        agreement(run),
        one_end(run),
        peace(run),
        discovery(run),
    ];
    fault.chain(checks.into_iter().filter_map(Result::err)).collect()
}
