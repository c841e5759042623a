//! One line for each thing that happens, without secrets.

use concilium_core::channel::{ChannelAction, ChannelEvent};
use concilium_core::packet;

fn packet_text(bytes: &[u8]) -> String {
    let hash = concilium_core::FramedHash::new("concilium-sim 2026 trace")
        .field(bytes)
        .finish();
    let kind = match packet::read(bytes) {
        Ok((kind, _)) => format!("{kind:?}"),
        Err(error) => error.to_string(),
    };
    let [a, b, c, ..] = hash;
    format!("packet {a:02x}{b:02x}{c:02x} ({kind}, {} bytes)", bytes.len())
}

pub(crate) fn action(action: &ChannelAction) -> String {
    match action {
        ChannelAction::Send { bytes } => packet_text(bytes),
        ChannelAction::Invite { member } => format!("invite {member}"),
        ChannelAction::Kick { member } => format!("kick {member}"),
        other => format!("{other:?}"),
    }
}

pub(crate) fn event(event: &ChannelEvent) -> String {
    match event {
        ChannelEvent::Packet { from, bytes } => format!("{} from {from}", packet_text(bytes)),
        ChannelEvent::Entered { members } => format!("in, with {members}"),
        ChannelEvent::MemberEntered { member } => format!("{member} entered"),
        ChannelEvent::MemberLeft { member } => format!("{member} left"),
        other => format!("{other:?}"),
    }
}
