//! A channel that loses a member's request to leave: the member asks again, whatever made it leave.

use std::time::Duration;

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::testing::rng::seeded;
use concilium_core::{Change, Context, Time};
use concilium_session::{Event, Output, Session, Settings, Timing};
use concilium_testkit::network::Conduct;

use crate::common::{Net, id};
use crate::{MINUTE, Process, change, group, group_with, withdraw};

/// A member's process, cut off from its network: the channel hears nothing of what it asks.
struct Unheard {
    session: Process,
    now: Time,
    /// When it has asked to leave.
    asked: Vec<Time>,
    /// Whether it said that it means to come back.
    comes_back: bool,
}

impl Unheard {
    fn new(net: &Net, who: &str) -> Self {
        Self {
            session: net.last_saved(&id(who)).unwrap(),
            now: net.now(),
            asked: Vec::new(),
            comes_back: false,
        }
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Process, &mut Context<'_>) -> T) -> T {
        let mut source = seeded(5);
        let acted = act(&mut self.session, &mut Context::new(self.now, &mut source));
        for output in self.session.drain().unsaved() {
            match output {
                Output::Channel(ChannelAction::Leave) => self.asked.push(self.now),
                Output::Event(Event::ComingBack { .. }) => self.comes_back = true,
                _ => {}
            }
        }
        acted
    }

    fn tell(&mut self, event: ChannelEvent) {
        self.act(|session, cx| session.handle(event, cx));
    }

    /// Time passes, and whatever becomes due is done.
    fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while let Some(at) = self.session.next_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.act(|session, cx| session.handle_timeout(cx));
        }
        self.now = end;
    }

    /// Demands that it asks at its leisure for as long as nobody answers, and no more once it is out.
    fn asks_until_it_is_out(mut self, why: &str) {
        assert!(!self.asked.is_empty(), "{why}: it wants to leave");
        let reply = Timing::default().channel_reply();
        let already = self.asked.len();
        self.wait(reply * 5);
        let again = self.asked.len() - already;
        assert!((4..=6).contains(&again), "{why}: asked {again} more times");
        self.tell(ChannelEvent::Left);
        let asked = self.asked.len();
        self.wait(reply * 2);
        assert_eq!(self.asked.len(), asked, "{why}: it is out");
    }
}

#[test]
fn t13_the_last_member_asks_again_when_its_leave_is_lost() {
    let mut alice = Unheard::new(&group(2, 0, 1), "alice");
    alice.tell(ChannelEvent::MemberLeft { member: id("bob") });
    alice.asks_until_it_is_out("the last member");
}

#[test]
fn t10_a_member_that_may_be_out_asks_again_when_its_leave_is_lost() {
    let mut net = group(3, 0, 2);
    change(&mut net, "alice", Change::exclude([id("carol")]));
    net.deliver_next_to(&id("carol")).unwrap();
    let mut carol = Unheard::new(&net, "carol");
    // As far as Carol sees, it fails.
    carol.tell(ChannelEvent::MemberLeft { member: id("bob") });
    assert!(carol.session.is_provisional() && carol.asked.is_empty());
    carol.wait(Timing::default().excluded_departure());
    carol.asks_until_it_is_out("a member that may be out");
}

#[test]
fn t10_an_excluded_member_asks_again_when_its_leave_is_lost() {
    let mut net = group(3, 0, 3);
    change(&mut net, "alice", Change::exclude([id("carol")]));
    net.deliver_next_to(&id("carol")).unwrap();
    let mut carol = Unheard::new(&net, "carol");
    carol.wait(Timing::default().excluded_departure());
    carol.asks_until_it_is_out("an excluded member");
}

#[test]
fn t9_a_member_that_parts_asks_again_when_its_leave_is_lost() {
    let mut alice = Unheard::new(&group(2, 0, 4), "alice");
    alice.act(Session::part).unwrap();
    alice.wait(Timing::default().finish());
    alice.asks_until_it_is_out("a parting member");
}

#[test]
fn t17_a_member_that_comes_back_asks_again_when_its_leave_is_lost() {
    let mut settings = Settings::default();
    settings.stay_if_last = true;
    let mut net = group_with(2, 0, 5, settings, Conduct::default());
    net.disconnect(&id("bob")).unwrap();
    net.run(MINUTE).unwrap();
    let _ = withdraw(&mut net, "alice");
    let mut alice = Unheard::new(&net, "alice");
    while !alice.comes_back && alice.now < net.now().after(MINUTE * 60) {
        alice.wait(Duration::from_secs(1));
    }
    alice.asks_until_it_is_out("a member that comes back");
}
