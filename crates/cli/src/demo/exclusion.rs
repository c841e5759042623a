//! Whether an excluded member can read on.

use std::collections::BTreeSet;
use std::sync::Arc;

use concilium::MemberId;

/// Packets with data, as they stood on the channel. A packet that was sent again counts once.
pub(super) type Spoken = BTreeSet<Arc<[u8]>>;

/// What was said up to an exclusion.
#[derive(Debug)]
pub(super) struct Excluded {
    /// The excluded member.
    pub(super) whom: usize,
    /// All that was said until then.
    pub(super) before: Spoken,
    /// How many messages were sent in the last subsession that it was in: those it must be able to read.
    pub(super) said_before: usize,
    /// How many messages had been sent in all.
    pub(super) sent_until_then: usize,
}

/// Shows that the excluded member reads nothing that was said later, by `reads`: all that it ever held. And
/// shows that this means something: it reads what was said before, and `later` holds all `said_later`
/// messages, as others read them.
///
/// Returns what is shown. None if nothing was said later.
///
/// # Errors
/// It does not hold; the error says what was found.
pub(super) fn judge(
    name: &MemberId,
    excluded: &Excluded,
    reads: impl Fn(&[u8]) -> bool,
    later: &Spoken,
    said_later: usize,
) -> Result<Option<String>, String> {
    // What was said before and sent again later is no secret.
    let later: Vec<&Arc<[u8]>> = later.difference(&excluded.before).collect();
    let count =
        |packets: &mut dyn Iterator<Item = &Arc<[u8]>>| packets.filter(|packet| reads(packet)).count();
    let read_before = count(&mut excluded.before.iter());
    let read_later = count(&mut later.iter().copied());
    if read_later > 0 {
        return Err(format!(
            "{name}, excluded, can read {read_later} of the {} messages that were sent later",
            later.len()
        ));
    }
    if read_before < excluded.said_before {
        return Err(format!(
            "{name} should be able to read {} messages from before it was excluded, and reads {read_before}",
            excluded.said_before
        ));
    }
    if later.len() != said_later {
        return Err(format!(
            "{said_later} messages were sent after {name} was excluded, and the others have read {}",
            later.len()
        ));
    }
    let line = format!(
        "{name}, excluded, reads none of the {said_later} messages said later with all the keys that it had \
         ({read_before} from before it still reads)"
    );
    Ok((said_later > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(packets: &[&str]) -> Spoken {
        packets.iter().map(|packet| packet.as_bytes().into()).collect()
    }

    fn judged(readable: &[&str], later: &[&str], said_later: usize) -> Result<Option<String>, String> {
        let excluded = Excluded {
            whom: 1,
            before: spoken(&["long ago", "hello", "hi"]),
            said_before: 2,
            sent_until_then: 3,
        };
        let reads = |packet: &[u8]| readable.iter().any(|text| text.as_bytes() == packet);
        judge(
            &MemberId::new("bob").unwrap(),
            &excluded,
            reads,
            &spoken(later),
            said_later,
        )
    }

    #[test]
    fn k12_reading_on_is_found_and_so_is_a_comparison_that_shows_nothing() {
        let line = judged(&["hello", "hi"], &["hi", "secret"], 1).unwrap().unwrap();
        assert!(
            line.contains("none of the 1 messages") && line.contains("(2 from before"),
            "{line}"
        );
        assert_eq!(judged(&["hello", "hi"], &["hi"], 0), Ok(None));
        let cases: [(&[&str], &[&str], usize, &str); 4] = [
            (&["hello", "hi", "secret"], &["secret"], 1, "can read 1 of the 1"),
            (&["hello"], &["secret"], 1, "should be able to read 2"),
            (&["hello", "hi"], &["hi"], 1, "the others have read 0"),
            (
                &["hello", "hi"],
                &["secret", "forged"],
                1,
                "the others have read 2",
            ),
        ];
        for (readable, later, said_later, part) in cases {
            let error = judged(readable, later, said_later).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
