//! One member: its resolver, and what an honest session around it does.

use std::collections::BTreeSet;
use std::fmt;

use concilium_core::{MemberId, MemberSet, PacketId};
use concilium_server_order::{Comparison, Initial, Link, Record, Resolver, packet_id};

use crate::judge;
use crate::packet::{Body, Event, Names, Packet};
use crate::watch::{Rule, Sight, Watch};

/// A member in the channel. It keeps what its session would keep, and what the rules are judged by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// The code that is checked.
    pub resolver: Resolver,
    /// Everyone in the channel, as far as it has heard.
    pub channel: MemberSet,
    /// The members that have taken part in the running operation.
    shares: MemberSet,
    /// A proposal of its own is on the way.
    asked: bool,
    /// The operation that it has sent its share for, and the one that it has aborted.
    shared: Option<PacketId>,
    aborted: Option<PacketId>,
    /// It has confirmed the newest operation.
    spoken: bool,
    /// The packets that began the current subsession and the one before: what it can read.
    subsessions: Vec<PacketId>,
    /// Whom it waits for before it founds a session (T-11).
    seniors: MemberSet,
    /// Sets its stays in the channel apart.
    stay: u8,
    /// For O-7: the parents that proposals have named since it came, or was last a member.
    pub(crate) named: BTreeSet<PacketId>,
    /// For O-8: whether it took its history on trust, and the members that have confirmed the newest
    /// operation to it since.
    pub(crate) adopted: bool,
    pub(crate) heard: MemberSet,
}

impl Member {
    /// `me` enters a channel, in which these are then.
    pub(crate) fn entering(me: MemberId, channel: MemberSet, stay: u8) -> Self {
        let mut seniors = channel.clone();
        seniors.remove(&me);
        let mut member = Self {
            resolver: Resolver::unsynchronised(me),
            channel,
            shares: MemberSet::new(),
            asked: false,
            shared: None,
            aborted: None,
            spoken: false,
            subsessions: Vec::new(),
            seniors,
            stay,
            named: BTreeSet::new(),
            adopted: false,
            heard: MemberSet::new(),
        };
        member.found_if_alone();
        member
    }

    /// The operation that the run begins after.
    pub(crate) fn begin(&mut self, initial: &Initial, last: PacketId) {
        let mut watch = Watch::default();
        self.hear_initial(initial, &initial.after.clone(), &mut watch);
        self.end(last, &initial.id, None, &mut watch);
    }

    /// All of `members`, which hold the same, have confirmed it.
    pub(crate) fn begin_confirmed(&mut self, members: &MemberSet) {
        if let Some(link) = self.resolver.claim() {
            for other in members.minus(&MemberSet::of(self.resolver.me().clone())).iter() {
                let _ = self.resolver.confirm(other, link);
            }
        }
        self.adopted = false;
        self.spoken = true;
    }

    /// T-11: without seniors and hopefuls, founds a session.
    fn found_if_alone(&mut self) -> bool {
        if self.resolver.is_synchronised() || !self.seniors.is_empty() {
            return false;
        }
        let me = self.resolver.me().clone();
        // O-2: random for real; here it need only be another one each time.
        let parent = packet_id(&[255, self.stay], &me, &self.channel);
        self.resolver = Resolver::found(me, parent);
        self.subsessions = vec![parent];
        self.named.clear();
        self.adopted = false;
        true
    }

    /// Whether the resolver is a member and not perhaps excluded (T-10).
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.resolver.is_member() && !self.perhaps_excluded() && !self.is_being_excluded()
    }

    fn is_being_excluded(&self) -> bool {
        let running = self.resolver.running();
        running.is_some_and(|running| running.excludes(self.resolver.me()))
    }

    /// docs/decisions/0013: a perhaps excluded member keeps quiet.
    pub(crate) fn perhaps_excluded(&self) -> bool {
        let failed =
            |record: &Record| !record.outcome.is_success() && record.exclude.contains(self.resolver.me());
        self.resolver.is_provisional() && self.resolver.history().iter().any(failed)
    }

    /// What it may send now.
    pub(crate) fn choices(&self) -> Vec<Body> {
        let me = self.resolver.me();
        let mut choices = Vec::new();
        if let Some(running) = self.resolver.running() {
            if running.after.contains(me) && !is_whole(running) && self.shared != Some(running.id) {
                choices.push(Body::Share(running.id));
            }
            if self.aborted != Some(running.id) {
                choices.push(Body::Abort(running.id));
            }
        } else if let Some(head) = self.resolver.head()
            && self.is_sure()
            && !self.asked
        {
            choices.extend(subsets(&self.channel, me).map(|after| Body::Proposal {
                parent: head.link,
                before: head.members.clone(),
                after,
            }));
        }
        if let (Some(link), Some(subsession), false) =
            (self.resolver.claim(), self.subsessions.last(), self.spoken)
        {
            let subsession = *subsession;
            choices.push(Body::Claim { link, subsession });
        }
        choices
    }

    /// It sends this.
    pub(crate) fn send(&mut self, body: &Body) {
        match body {
            Body::Proposal { .. } => self.asked = true,
            Body::Share(of) => self.shared = Some(*of),
            Body::Abort(of) => self.aborted = Some(*of),
            Body::Claim { .. } => self.spoken = true,
        }
    }

    /// The channel tells it this. Every step of the resolver is judged by the rules.
    pub(crate) fn hear(&mut self, event: &Event, watch: &mut Watch) {
        match event {
            Event::Packet { packet, id, channel } => self.hear_packet(packet, *id, channel, watch),
            Event::Entered(who) => {
                self.channel.insert(who.clone());
            }
            Event::Left(who, remaining) => {
                self.channel = remaining.clone();
                self.seniors.remove(who);
                let before = self.resolver.clone();
                let record = self.resolver.left(who, remaining);
                judge::left(&before, self, who, remaining, record.as_ref(), watch);
                if let Some(record) = record {
                    self.settled(&record);
                    watch.saw(Sight::Left);
                    self.see_failure(&record, watch);
                }
                if self.found_if_alone() {
                    watch.saw(Sight::Founded);
                }
            }
        }
    }

    fn hear_packet(&mut self, packet: &Packet, id: PacketId, channel: &MemberSet, watch: &mut Watch) {
        let author = &packet.author;
        match &packet.body {
            Body::Proposal {
                parent,
                before,
                after,
            } => {
                let initial = Initial {
                    id,
                    parent: *parent,
                    author: author.clone(),
                    before: before.clone(),
                    after: after.clone(),
                };
                self.hear_initial(&initial, channel, watch);
            }
            Body::Share(of) => {
                let running = self.resolver.running().filter(|running| running.id == *of);
                let Some(running) = running.cloned() else {
                    return self.end(id, of, None, watch); // Too late, or never ours: must be refused.
                };
                if running.after.contains(author) && !is_whole(&running) {
                    self.shares.insert(author.clone());
                }
                // T-10: a member that is being excluded cannot tell.
                if running.after.contains(self.resolver.me()) && self.shares == running.after {
                    self.end(id, of, None, watch);
                }
            }
            Body::Abort(of) => self.end(id, of, Some(author), watch),
            Body::Claim { link, subsession } => {
                if author != self.resolver.me() && self.subsessions.contains(subsession) {
                    self.hear_claim(author, *link, watch);
                }
            }
        }
    }

    fn hear_initial(&mut self, initial: &Initial, channel: &MemberSet, watch: &mut Watch) {
        let me = self.resolver.me().clone();
        if initial.author == me {
            self.asked = false;
        }
        if !self.resolver.is_synchronised() {
            // docs/decisions/0011: seniors and hopefuls are waited for.
            let others = initial.before.union(&initial.after).intersection(channel);
            self.seniors = self.seniors.union(&others);
            self.seniors.remove(&me);
        }
        let before = self.resolver.clone();
        let verdict = self.resolver.initial(initial, channel);
        judge::initial(&before, self, initial, channel, verdict.as_ref(), watch);
        if verdict.is_err() {
            return;
        }
        self.shares = MemberSet::new();
        if !before.is_member() {
            self.adopted = true;
            self.heard = MemberSet::new();
        }
        if is_whole(initial) && initial.after.contains(&me) {
            self.end(initial.id, &initial.id, None, watch); // O-9
        }
    }

    /// A packet that would end the operation of `initial`, with success unless `aborted_by` names a member.
    fn end(&mut self, last: PacketId, initial: &PacketId, aborted_by: Option<&MemberId>, watch: &mut Watch) {
        let before = self.resolver.clone();
        let verdict = match aborted_by {
            Some(by) => self.resolver.aborted(last, initial, by),
            None => self.resolver.finished(last, initial),
        };
        judge::ended(
            &before,
            self,
            (last, initial),
            aborted_by,
            verdict.as_ref(),
            watch,
        );
        if let Ok(record) = verdict {
            self.settled(&record);
            if !record.outcome.is_success() {
                watch.saw(Sight::Aborted);
                self.see_failure(&record, watch);
            } else if last == *initial {
                watch.saw(Sight::OnePacket);
            } else {
                watch.saw(Sight::Joined);
            }
        }
    }

    fn see_failure(&self, record: &Record, watch: &mut Watch) {
        if record.exclude.contains(self.resolver.me()) && self.resolver.is_member() {
            watch.saw(Sight::PerhapsExcluded);
            watch.demand(Rule::PerhapsExcluded, self.resolver.is_provisional(), || {
                let me = self.resolver.me();
                format!(
                    "{me} is sure that its exclusion by {:.4} failed (T-10)",
                    record.initial
                )
            });
        }
    }

    fn settled(&mut self, record: &Record) {
        if record.outcome.is_success() {
            self.subsessions = self.subsessions.last().copied().into_iter().collect();
            self.subsessions.push(record.link.packet);
        }
        self.shares = MemberSet::new();
        self.spoken = false;
        self.heard = MemberSet::new();
        if self.resolver.is_member() {
            self.named.clear();
        }
        // A lone or waiting member has no others that confirm.
        let head = self.resolver.head().filter(|_| self.resolver.is_member());
        self.adopted &= head.is_some_and(|head| head.members.len() > 1);
    }

    fn hear_claim(&mut self, author: &MemberId, link: Link, watch: &mut Watch) {
        let provisional = self.resolver.is_provisional();
        match self.resolver.confirm(author, link) {
            Comparison::Consistent => {
                self.heard.insert(author.clone());
                if provisional && !self.resolver.is_provisional() {
                    watch.saw(Sight::Firm);
                    self.adopted = false;
                }
            }
            Comparison::Older => watch.saw(Sight::Older),
            Comparison::Different => watch.demand(Rule::NoAccusation, false, || {
                format!("{} accuses {author}", self.resolver.me())
            }),
            Comparison::Ahead | Comparison::NotExpected => {}
        }
        judge::firmness(self, watch);
    }
}

/// O-9: an operation without joiners is a single packet.
pub(crate) fn is_whole(initial: &Initial) -> bool {
    initial.after.is_subset(&initial.before)
}

/// The subsets of `all` that `me` is in.
fn subsets(all: &MemberSet, me: &MemberId) -> impl Iterator<Item = MemberSet> + use<> {
    let start = vec![MemberSet::of(me.clone())];
    let others = all.iter().filter(|other| *other != me);
    let sets = others.fold(start, |sets, other| {
        let with = |set: &MemberSet| set.union(&MemberSet::of(other.clone()));
        let more: Vec<_> = sets.iter().map(with).collect();
        [sets, more].concat()
    });
    sets.into_iter()
}

/// One line for a trace.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resolver = &self.resolver;
        write!(f, "{}: ", resolver.me())?;
        match resolver.head() {
            None => write!(f, "outside")?,
            Some(head) => {
                let kind = if resolver.is_member() { "member" } else { "outside" };
                let (packet, chain) = (&head.link.packet, &head.link.chain);
                write!(
                    f,
                    "{kind}, {} after {packet:.4} with {chain:.4}",
                    Names(&head.members)
                )?;
            }
        }
        if let Some(running) = resolver.running() {
            write!(f, ", runs {:.4} to {}", running.id, Names(&running.after))?;
        }
        if resolver.is_provisional() {
            write!(f, ", provisional")?;
        }
        for record in resolver.history() {
            let outcome = format!("{:?}", record.outcome);
            let word = outcome.split_whitespace().next().unwrap_or_default();
            write!(f, "; {:.4} {word} at {:.4}", record.initial, record.link.packet)?;
        }
        Ok(())
    }
}
