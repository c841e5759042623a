//! What each call of the resolver must do, said anew from the rules.

use concilium_core::{MemberId, MemberSet, PacketId};
use concilium_server_order::{
    Acceptance, EndRejection, Initial, Outcome, Record, Rejection, Resolver, leave_id,
};

use crate::member::Member;
use crate::watch::{Rule, Sight, Watch};

/// An initial packet (O-4, O-6, O-7, O-8), before the member does anything about it.
pub(crate) fn initial(
    before: &Resolver,
    member: &mut Member,
    pi: &Initial,
    channel: &MemberSet,
    verdict: Result<&Acceptance, &Rejection>,
    watch: &mut Watch,
) {
    let me = before.me();
    let after = &member.resolver;
    let tell = |what: &str| format!("{me} answers {:.4} by {verdict:?}: {what}", pi.id);
    let present = pi.after.is_subset(channel);
    let proper = pi.before.contains(&pi.author) && pi.after.contains(&pi.author);
    if !present {
        watch.saw(Sight::Absent);
        let ignored = verdict.is_err() && after == before;
        watch.demand(Rule::Present, ignored, || tell("not all of M are here (O-6)"));
    }
    if before.running().is_some() {
        watch.saw(Sight::LostToRunning);
        let lost = verdict.is_err() && after.running() == before.running();
        watch.demand(Rule::FirstCome, lost, || tell("another operation runs (O-4)"));
    } else if before.is_member() {
        let continues = before
            .head()
            .is_some_and(|head| head.link == pi.parent && head.members == pi.before);
        let right = continues && present && proper;
        watch.demand(Rule::FirstCome, verdict.is_ok() == right, || {
            tell("the first with the right parent, and no other, is accepted (O-4)")
        });
        if present && !continues {
            watch.saw(Sight::LostToFinished);
        }
    } else if present && proper {
        let parent = pi.parent.packet;
        let used = member.named.contains(&parent);
        if used {
            watch.saw(Sight::Remembered);
        }
        watch.demand(Rule::NotForUs, !(used && verdict.is_ok()), || {
            tell("an earlier proposal has used the parent up (O-7)")
        });
        if pi.joins(me) {
            // A waiting member that knows the head from a failed try judges as a member does.
            let known = before.head().filter(|head| head.link.packet == parent);
            let fits = known.is_none_or(|head| head.link == pi.parent && head.members == pi.before);
            let right = verdict.is_ok() == (!used && fits);
            watch.demand(Rule::ForUs, right, || {
                tell("a proposal that includes us is taken (O-8)")
            });
        } else {
            watch.saw(Sight::NotIncluded);
            watch.demand(Rule::NotForUs, verdict.is_err(), || {
                tell("it is not for us (O-7)")
            });
        }
        if verdict.is_ok() {
            let adopted = after.head().is_some_and(|head| head.link == pi.parent);
            let trusting = after.is_provisional() && verdict == Ok(&Acceptance::Joining);
            watch.demand(Rule::ForUs, adopted && trusting, || {
                tell("its history is adopted, provisionally (O-8)")
            });
        }
    }
    if verdict.is_ok() {
        let runs = after.running() == Some(pi);
        watch.demand(Rule::FirstCome, runs, || tell("what is accepted runs (O-4)"));
    }
    if !before.is_member() && present && proper {
        member.named.insert(pi.parent.packet);
    }
}

/// A final packet or an abort (O-4, O-9, O-11).
pub(crate) fn ended(
    before: &Resolver,
    member: &Member,
    (last, pi): (PacketId, &PacketId),
    aborted_by: Option<&MemberId>,
    verdict: Result<&Record, &EndRejection>,
    watch: &mut Watch,
) {
    let (me, after) = (before.me(), &member.resolver);
    let tell = || format!("{me} answers the end {last:.4} of {pi:.4} by {verdict:?}");
    let rule = if aborted_by.is_some() {
        Rule::FirstEnd
    } else if last == *pi {
        Rule::OnePacket
    } else {
        Rule::FirstCome
    };
    let running = before.running().filter(|running| running.id == *pi);
    let Some(running) = running else {
        watch.saw(if aborted_by.is_some() {
            Sight::LateAbort
        } else {
            Sight::LateShare
        });
        return watch.demand(rule, verdict.is_err() && after == before, tell);
    };
    let takes_part = |by: &MemberId| running.before.contains(by) || running.after.contains(by);
    if aborted_by.is_some_and(|by| !takes_part(by)) {
        return watch.demand(rule, verdict.is_err() && after == before, tell);
    }
    let outcome = aborted_by.map_or(Outcome::Finished, |by| Outcome::Aborted { by: by.clone() });
    let members = if aborted_by.is_some() {
        &running.before
    } else {
        &running.after
    };
    let recorded = verdict
        .is_ok_and(|record| record.initial == *pi && record.outcome == outcome && record.link.packet == last);
    let holds = recorded && stands_at(after, last, members);
    watch.demand(rule, holds, tell);
}

/// A member left (T-5).
pub(crate) fn left(
    before: &Resolver,
    member: &Member,
    who: &MemberId,
    remaining: &MemberSet,
    record: Option<&Record>,
    watch: &mut Watch,
) {
    let (me, after) = (before.me(), &member.resolver);
    let hit = before.running().filter(|running| running.after.contains(who));
    let holds = match (hit, record) {
        (None, None) => after == before,
        (Some(running), Some(record)) => {
            let last = leave_id(&running.id, who, remaining);
            record.outcome == Outcome::Left { who: who.clone() }
                && record.link.packet == last
                && stands_at(after, last, &running.before)
        }
        _ => false,
    };
    watch.demand(Rule::LeaveEnds, holds, || {
        format!("{me} takes the leave of {who} for {record:?}")
    });
}

/// Nothing runs any more, the chain ends at `last`, and these are the members.
fn stands_at(resolver: &Resolver, last: PacketId, members: &MemberSet) -> bool {
    let head = resolver.head();
    resolver.running().is_none()
        && head.is_some_and(|head| head.link.packet == last && head.members == *members)
}

/// O-8: a member that took its history on trust says so until all have confirmed it.
pub(crate) fn firmness(member: &Member, watch: &mut Watch) {
    let resolver = &member.resolver;
    let Some(head) = resolver.head().filter(|_| resolver.is_member()) else {
        return;
    };
    let me = MemberSet::of(resolver.me().clone());
    let all = head.members.is_subset(&member.heard.union(&me));
    let right = !member.adopted || all || resolver.is_provisional();
    watch.demand(Rule::ForUs, right, || {
        let heard = &member.heard;
        format!(
            "{} is sure although only {heard:?} have confirmed (O-8)",
            resolver.me()
        )
    });
}
