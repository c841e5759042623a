//! To speak in a member's name.

use std::time::Duration;

use concilium_core::channel::ChannelEvent;
use concilium_core::keys::Signature;
use concilium_core::packet;

use crate::attacker::Attacker;
use crate::cipher::Text;
use crate::course::{VICTIM, members};
use crate::loot::Loot;
use crate::stage::{Process, Stage, id};

/// What an attacker says.
pub(crate) const FORGED: &str = "forged";

/// So many of the latest packets are shown again, as they are and altered.
const MAX_REPLAYED: usize = 24;

/// Whether an honest member accepts a message as from `author` that `author` did not write. Tried are
/// `packets` of the attacker's own making, all that T's session can make (`stolen`), and recorded packets
/// again, altered or not.
pub(crate) fn speak(
    stage: &Stage,
    attacker: Attacker,
    author: &str,
    stolen: Option<&mut Process>,
    packets: &[Vec<u8>],
) -> bool {
    let mut candidates = packets.to_vec();
    if let Some(stolen) = stolen {
        candidates.extend(made_with(stage, attacker, author, stolen));
    }
    let mut shown = shown_from(&candidates, &[author, VICTIM]);
    shown.extend(shown_from(&shown_again(stage), &[author]));
    is_believed(stage, attacker, author, &shown)
}

/// Each of these packets as sent by each of these members.
pub(crate) fn shown_from(packets: &[Vec<u8>], names: &[&str]) -> Vec<ChannelEvent> {
    let shown = packets.iter().flat_map(|bytes| {
        names.iter().map(|from| ChannelEvent::Packet {
            from: id(from),
            bytes: bytes.clone(),
        })
    });
    shown.collect()
}

/// Shows this to all honest members, and checks whether they accept anything new as written by `author`.
pub(crate) fn is_believed(stage: &Stage, attacker: Attacker, author: &str, shown: &[ChannelEvent]) -> bool {
    let mut stage = stage.copy();
    let honest: Vec<&str> = members()
        .filter(|who| *who != author && !(*who == VICTIM && attacker == Attacker::Seat))
        .collect();
    let said = |stage: &Stage, who: &str| {
        let messages = stage.session(who).messages();
        messages.filter(|message| *message.author == id(author)).count()
    };
    let before: Vec<usize> = honest.iter().map(|who| said(&stage, who)).collect();
    for event in shown {
        for who in &honest {
            stage.give(&id(who), event.clone());
        }
    }
    stage.run(Duration::from_secs(5));
    honest
        .iter()
        .zip(before)
        .any(|(who, before)| said(&stage, who) > before)
}

/// What T's session, and its keys without it, make in the author's name.
pub(crate) fn made_with(
    stage: &Stage,
    attacker: Attacker,
    author: &str,
    stolen: &mut Process,
) -> Vec<Vec<u8>> {
    let loot = Loot::of(stage.parts, &stolen.session.snapshot());
    let _ = stolen.packets();
    let _ = stolen.act(stage.now, |session, cx| session.send(FORGED.as_bytes(), cx));
    let honest_ones = stolen.packets();
    let mut made = Vec::new();
    for keys in &loot.subsessions {
        let Some(place) = keys.place(&id(author)) else {
            continue;
        };
        // With the parents that T's session gives its messages, so that nothing but the author is wrong.
        let templates: Vec<Text> = honest_ones.iter().filter_map(|bytes| keys.open(bytes)).collect();
        let authors_own = stage
            .channel
            .packets()
            .iter()
            .rev()
            .filter_map(|sent| keys.open(&sent.bytes))
            .find(|text| text.author() == place);
        for template in templates {
            let text = template.retold(place, FORGED.as_bytes());
            let of_subsession = keys.signing().cloned();
            let identity = attacker.identity_as(VICTIM);
            let mut seal = |salt: u8, sign: &dyn Fn(&[u8; 64]) -> Signature| {
                made.extend(keys.seal(&text, [salt; 12], sign));
            };
            seal(1, &|digest| {
                of_subsession
                    .as_ref()
                    .map_or(Signature::from_bytes([0; 64]), |key| key.sign(digest))
            });
            seal(2, &|digest| identity.sign(digest));
            seal(3, &|_| Signature::from_bytes([0; 64]));
            seal(4, &|_| Signature::from_bytes(template.signature));
            if let Some(own) = &authors_own {
                seal(5, &|_| Signature::from_bytes(own.signature));
            }
        }
    }
    made.extend(honest_ones);
    made
}

/// The latest messages of the channel again, as they are, with a bit flipped, and cut short.
fn shown_again(stage: &Stage) -> Vec<Vec<u8>> {
    let messages = stage
        .channel
        .packets()
        .iter()
        .rev()
        .filter(|sent| matches!(packet::read(&sent.bytes), Ok((packet::PacketKind::Message, _))));
    let mut shown = Vec::new();
    for sent in messages.take(MAX_REPLAYED) {
        let flipped = |place: usize| {
            let mut bytes = sent.bytes.clone();
            bytes[place] ^= 1;
            bytes
        };
        let last = sent.bytes.len() - 1;
        shown.extend([
            sent.bytes.clone(),
            flipped(2),
            flipped(20),
            flipped(last / 2),
            flipped(last),
        ]);
        shown.push(sent.bytes[..last].to_vec());
    }
    shown
}
