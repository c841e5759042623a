//! The checks for encryptors that erase keys (M-8): each panics where the encryptor breaks the rule in its
//! name.

use crate::{Content, Kind, MessageEncryptor, OpenError, Sealed};

use super::Group;
use super::group::seal;

const USUAL: Group = Group::USUAL;

/// No encryptor of these winds further than this at once. A burst of this size is more than any channel
/// reorders.
const FAR: usize = 4096;

fn says(body: &str) -> Content {
    Content {
        kind: Kind::DATA,
        parents: vec![],
        confirmation: None,
        body: body.into(),
    }
}

/// So many messages by Alice, one after the other.
fn sealed<E: MessageEncryptor>(alice: &mut E, count: usize) -> Vec<Sealed> {
    (0..count)
        .map(|n| seal(alice, &says(&format!("message {n}")), n as u64))
        .collect()
}

fn take<E: MessageEncryptor>(reader: &mut E, sealed: &Sealed) {
    let opened = reader
        .open(&sealed.packet)
        .expect("a packet made for this member does not open");
    assert_eq!(opened.id, sealed.id);
    reader.commit(opened.step);
}

fn reads<E: MessageEncryptor>(reader: &E, sealed: &Sealed) -> bool {
    match reader.open(&sealed.packet) {
        Ok(opened) => {
            assert_eq!(opened.id, sealed.id);
            true
        }
        Err(error) => {
            assert_eq!(error, OpenError::NotDecryptable);
            false
        }
    }
}

/// M-8: whatever overtakes whatever, within reason, each message opens, its own author's included.
pub fn m08_messages_open_in_any_order<E: MessageEncryptor>() {
    let mut group: Vec<E> = USUAL.all();
    let sealed = sealed(&mut group[0], 40);
    for (by, reader) in group.iter_mut().enumerate() {
        // 17 and 40 have no common divisor.
        for n in 0..40 {
            let sealed = &sealed[(n * 17 + by) % 40];
            take(reader, sealed);
            assert!(reads(reader, sealed), "a message that came once more");
        }
    }
}

/// M-8, A-20: once everybody has a message, it opens neither for those who have it nor from anything that
/// they stored since; nor does what its author wrote before. Later messages do.
pub fn m08_a20_what_everybody_has_opens_from_no_export<E: MessageEncryptor>() {
    let mut group: Vec<E> = USUAL.all();
    let sealed = sealed(&mut group[0], 6);
    let (early, later) = sealed.split_at(4);
    for (reader, name) in group.iter_mut().zip(USUAL.members) {
        for sealed in early {
            take(reader, sealed);
        }
        assert!(early.iter().all(|sealed| reads(reader, sealed)), "too early");
        reader.fully_acked(&early[3].packet);
        let stolen = E::restore(&reader.export()).expect("an export does not restore");
        for holder in [&*reader, &stolen] {
            assert!(
                !early.iter().any(|sealed| reads(holder, sealed)),
                "{name} keeps a key"
            );
            assert!(
                later.iter().all(|sealed| reads(holder, sealed)),
                "{name} erases too much"
            );
        }
    }
}

/// M-8: what was skipped opens when it comes after all, unless everybody has what its author wrote later,
/// which says that nobody waits for it.
pub fn m08_skipped_messages_open_until_everybody_is_past_them<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let sealed = sealed(&mut alice, 8);
    take(&mut bob, &sealed[5]);
    let mut bob = E::restore(&bob.export()).expect("an export does not restore");
    take(&mut bob, &sealed[2]);
    assert!(sealed.iter().all(|sealed| reads(&bob, sealed)));
    bob.fully_acked(&sealed[2].packet);
    for (n, sealed) in sealed.iter().enumerate() {
        assert_eq!(reads(&bob, sealed), n > 2, "message {n}");
    }
}

/// M-8, G-3: two messages from one place of a chain, as a process makes that was restored from an old state,
/// are both read by whoever has not seen that everybody has one, so that nobody builds on what others cannot
/// read.
pub fn m08_two_stories_are_both_readable<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let mut carol: E = USUAL.member("carol");
    let mut again = E::restore(&alice.export()).expect("an export does not restore");
    let one = seal(&mut alice, &says("one"), 1);
    let two = seal(&mut again, &says("two"), 2);
    assert!(one.id != two.id && one.packet != two.packet);
    take(&mut bob, &one);
    take(&mut bob, &two);
    take(&mut carol, &two);
    take(&mut carol, &one);
}

/// M-8, L-4: that a message came before can be told when its key is gone, and of no other packet.
pub fn m08_what_everybody_has_is_recognised<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let sealed = sealed(&mut alice, 3);
    assert_eq!(bob.recognise(&sealed[0].packet), None, "it never came");
    take(&mut bob, &sealed[0]);
    bob.fully_acked(&sealed[0].packet);
    assert!(!reads(&bob, &sealed[0]));
    assert_eq!(bob.recognise(&sealed[0].packet), Some(sealed[0].id));
    let restored = E::restore(&bob.export()).expect("an export does not restore");
    assert_eq!(restored.recognise(&sealed[0].packet), Some(sealed[0].id));
    let elsewhere: E = Group { secret: 9, ..USUAL }.member("bob");
    assert_eq!(elsewhere.recognise(&sealed[0].packet), None, "of another group");
    for garbage in [&[][..], &[0; 16], &[7; 200]] {
        assert_eq!(bob.recognise(garbage), None);
    }
}

/// M-8, A-19: a message too far ahead is refused, changes nothing, and opens once enough of the others have
/// come.
pub fn m08_a19_skips_are_bounded<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let sealed = sealed(&mut alice, FAR + 1);
    let last = &sealed[FAR];
    let before = bob.export();
    assert!(!reads(&bob, last), "{FAR} messages are skipped at once");
    assert_eq!(bob.export(), before);
    let mut came = 0;
    for sealed in &sealed[..FAR] {
        take(&mut bob, sealed);
        came += 1;
        if reads(&bob, last) {
            break;
        }
    }
    assert!(came < FAR, "nothing may be skipped at all");
    take(&mut bob, last);
    for sealed in &sealed[came..FAR] {
        take(&mut bob, sealed);
    }
}

/// M-8, A-18, M-6: packets that are refused cost no message its key, however often they come.
pub fn m08_a18_what_is_refused_erases_nothing<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let sealed = sealed(&mut alice, 4);
    take(&mut bob, &sealed[2]);
    let before = bob.export();
    for good in &sealed {
        for at in 0..good.packet.len() {
            let mut altered = good.packet.clone();
            altered[at] ^= 1;
            assert!(bob.open(&altered).is_err());
            let _ = bob.recognise(&altered);
        }
    }
    assert_eq!(bob.export(), before, "a refused packet changed the state");
    for sealed in &sealed {
        take(&mut bob, sealed);
    }
}
