//! `expect secret`: what a member cannot read, with all that it ever held.

use concilium_core::Context;
use concilium_core::MemberId;
use concilium_core::channel::ChannelEvent;
use concilium_core::packet::{self, PacketKind};
use concilium_core::testing::rng::seeded;
use concilium_session::AnySession;
use concilium_test_parts::Parts;
use concilium_testkit::network::{Held, NetworkOf};

use super::runner::Mismatch;

/// Fails if `who` can read a packet with this body. Fails too if no other member can: there is then no such
/// secret, and the expectation would say nothing.
///
/// `who` is given every packet of the run, also those that the server lost, and uses every state that it ever
/// had. Where it was told less than the others, or was told to leave, it also listens on from the state that
/// it had then.
pub(super) fn check(network: &NetworkOf<Parts>, who: &MemberId, body: &str) -> Result<(), Mismatch> {
    let expected = format!("that {who} has no key for \"{body}\", and that another member has one");
    let mut honest = network.members().filter(|member| *member != who);
    let readable = honest.try_fold(false, |found, member| {
        Ok::<_, Mismatch>(found || held_states_read(network, member, body)?.is_some())
    })?;
    if !readable {
        let seen = format!("nobody else can read a packet with \"{body}\" either");
        return Err(Mismatch::new(expected, seen));
    }
    let read = match held_states_read(network, who, body)? {
        Some(number) => Some(number),
        None => listening_on_reads(network, who, body)?,
    };
    match read {
        Some(number) => Err(Mismatch::new(
            expected,
            format!("{who} reads it in packet {number}"),
        )),
        None => Ok(()),
    }
}

/// The number of the first packet with this body that opens with a state that this member ever had.
fn held_states_read(
    network: &NetworkOf<Parts>,
    who: &MemberId,
    body: &str,
) -> Result<Option<usize>, Mismatch> {
    for held in network.held(who) {
        let session = network.copy(who, &held.snapshot)?;
        if let Some(number) = reads_any(network, &*session, body) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The number of the first packet with this body that this session can read.
fn reads_any(network: &NetworkOf<Parts>, session: &dyn AnySession, body: &str) -> Option<usize> {
    let packets = network.channel().packets();
    let position = packets.iter().position(|sent| {
        matches!(packet::read(&sent.bytes), Ok((PacketKind::Message, _)))
            && session
                .reads(&sent.bytes)
                .is_some_and(|read| read == body.as_bytes())
    })?;
    Some(position + 1)
}

/// As [`held_states_read`], by going on listening wherever the member was cut off, and at last.
fn listening_on_reads(
    network: &NetworkOf<Parts>,
    who: &MemberId,
    body: &str,
) -> Result<Option<usize>, Mismatch> {
    let all = network.held(who);
    let gaps = all.iter().filter(|held| held.last_before_gap).chain(all.last());
    for held in gaps {
        if let Some(number) = listens_on(network, who, held, body)? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

fn listens_on(
    network: &NetworkOf<Parts>,
    who: &MemberId,
    held: &Held,
    body: &str,
) -> Result<Option<usize>, Mismatch> {
    let mut session = network.copy(who, &held.snapshot)?;
    // Its outputs go nowhere, so any randomness will do.
    let mut rng = seeded(0);
    for (at, event) in network.channel().order_from(held.position) {
        if let ChannelEvent::MemberEntered { member } | ChannelEvent::MemberLeft { member } = event
            && member == who
        {
            continue;
        }
        session.handle(event.clone(), &mut Context::new(*at, &mut rng));
        let _ = session.drain().unsaved().count();
        let is_operation = matches!(event, ChannelEvent::Packet { bytes, .. }
            if matches!(packet::read(bytes), Ok((PacketKind::Operation, _))));
        if is_operation && let Some(number) = reads_any(network, &*session, body) {
            return Ok(Some(number));
        }
    }
    Ok(reads_any(network, &*session, body))
}
