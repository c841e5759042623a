//! The checks: each panics where the encryptor breaks the rule in its name.

use std::collections::BTreeSet;

use crate::{
    ChainConfirmation, Content, Kind, MAX_BODY_BYTES, MAX_PARENTS, MessageEncryptor, OpenError, SealError,
};
use concilium_core::keys::{SigningKey, SubsessionKeys, VerifyingKey};
use concilium_core::{ChainHash, Context, MessageId, PacketId, RandomnessError, Time};

use super::Group;
use super::group::seal;
use concilium_core::testing::rng::{Broken, seeded};

const USUAL: Group = Group::USUAL;

/// The longest name of a suite that members can tell each other.
const MAX_SUITE_BYTES: usize = 128;

fn ids(count: usize) -> Vec<MessageId> {
    let id = |number: u16| {
        let mut id = [0x77; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        MessageId::from_bytes(id)
    };
    (0..u16::try_from(count).unwrap()).map(id).collect()
}

fn confirmation() -> ChainConfirmation {
    ChainConfirmation {
        packet: PacketId::from_bytes([0x33; 32]),
        chain: ChainHash::from_bytes([0x44; 32]),
    }
}

fn says(body: &[u8]) -> Content {
    Content {
        kind: Kind::DATA,
        parents: ids(1),
        confirmation: None,
        body: body.to_vec(),
    }
}

/// One content of each form.
fn forms() -> Vec<Content> {
    let mut forms = Vec::new();
    for parents in [0, 1, 2, 300] {
        for confirmation in [None, Some(confirmation())] {
            for body in [&b""[..], b"x", &[0; 64], &[0x80; 33], &[0xff; 5000]] {
                forms.push(Content {
                    kind: Kind::DATA,
                    parents: ids(parents),
                    confirmation,
                    body: body.to_vec(),
                });
            }
        }
    }
    forms
}

/// That the reader takes the packet as this message of this author, and for good.
fn takes<E: MessageEncryptor>(reader: &mut E, packet: &[u8], author: &str, content: &Content) -> MessageId {
    let opened = reader
        .open(packet)
        .expect("a packet made for this member does not open");
    assert_eq!(opened.author, Group::id(author), "another author");
    assert_eq!(&opened.content, content, "another content");
    reader.commit(opened.step);
    opened.id
}

/// M-3: what a member seals, every member opens, itself included, with nothing lost.
pub fn m03_every_member_opens_what_is_sealed<E: MessageEncryptor>() {
    let mut group: Vec<E> = USUAL.all();
    for (seed, content) in (0..).zip(forms()) {
        for (by, author) in USUAL.members.iter().enumerate() {
            let sealed = seal(&mut group[by], &content, seed);
            for reader in &mut group {
                assert_eq!(takes(reader, &sealed.packet, author, &content), sealed.id);
            }
        }
    }
}

/// M-3: author, parents, confirmation and body are inside the encryption.
pub fn m03_packets_show_nothing_of_what_they_say<E: MessageEncryptor>() {
    let mut content = says(&b"a body that is easily found again ".repeat(8));
    content.parents = ids(3);
    content.confirmation = Some(confirmation());
    let author = Group::id("alice");
    let packet = seal(&mut USUAL.member::<E>("alice"), &content, 1).packet;
    // Eight bytes do not turn up by chance; a name of five does in a packet of this size once in 2^31.
    let shown = |secret: &[u8]| {
        let window = secret.len().min(8);
        let mut windows = secret.windows(window);
        windows.any(|part| packet.windows(window).any(|at| at == part))
    };
    assert!(!shown(author.as_bytes()), "the author shows");
    assert!(!shown(&content.body), "the body shows");
    assert!(
        !shown(&[0x33; 32]) && !shown(&[0x44; 32]),
        "the confirmation shows"
    );
    assert!(
        content.parents.iter().all(|parent| !shown(parent.as_bytes())),
        "a parent shows"
    );
    let verifying = *Group::signing("alice").verifying_key();
    assert!(!shown(verifying.as_bytes()), "the author's key shows");
}

/// M-3: the length of a packet tells its body's length to within a bucket.
pub fn m03_lengths_tell_only_a_bucket<E: MessageEncryptor>() {
    let mut alice: E = USUAL.member("alice");
    let mut lengths = BTreeSet::new();
    for len in 0..=1024_usize {
        lengths.insert(seal(&mut alice, &says(&vec![1; len]), 1).packet.len());
    }
    assert!(
        lengths.len() <= 12,
        "1025 lengths of bodies give {} lengths of packets",
        lengths.len()
    );
}

/// The limits of the contract: what is at them passes, what is beyond is an error and changes nothing.
pub fn m03_limits_are_kept<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let mut content = says(&vec![7; MAX_BODY_BYTES]);
    content.parents = ids(MAX_PARENTS);
    content.confirmation = Some(confirmation());
    let sealed = seal(&mut alice, &content, 1);
    takes(&mut bob, &sealed.packet, "alice", &content);

    let before = alice.export();
    let mut random = seeded(2);
    let mut refused = |content: &Content| {
        alice
            .seal(content, &mut Context::new(Time::ZERO, &mut random))
            .err()
    };
    assert_eq!(
        refused(&says(&vec![7; MAX_BODY_BYTES + 1])),
        Some(SealError::BodyTooLong(MAX_BODY_BYTES + 1))
    );
    content.parents = ids(MAX_PARENTS + 1);
    assert_eq!(
        refused(&content),
        Some(SealError::TooManyParents(MAX_PARENTS + 1))
    );
    content.parents = ids(2).into_iter().rev().collect();
    assert_eq!(refused(&content), Some(SealError::ParentsNotAscending));
    content.parents = vec![ids(1)[0]; 2];
    assert_eq!(
        refused(&content),
        Some(SealError::ParentsNotAscending),
        "one twice"
    );
    assert_eq!(alice.export(), before);
}

/// M-4, A-16: however often the same is said, no packet and no id comes twice.
pub fn m04_a16_nothing_repeats<E: MessageEncryptor>() {
    let mut group: Vec<E> = USUAL.all();
    let mut random = seeded(1);
    let (mut packets, mut names) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..500 {
        for member in &mut group {
            let sealed = member.seal(&says(b"same"), &mut Context::new(Time::ZERO, &mut random));
            let sealed = sealed.unwrap();
            assert!(packets.insert(sealed.packet), "a packet comes twice");
            assert!(names.insert(sealed.id), "an id comes twice");
        }
    }
}

/// M-4, A-16: nor after a member came back from an older state, again and again.
pub fn m04_a16_nothing_repeats_after_a_crash<E: MessageEncryptor>() {
    let mut alice: E = USUAL.member("alice");
    let bob: E = USUAL.member("bob");
    let saved = alice.export();
    let mut random = seeded(1);
    let (mut packets, mut names) = (BTreeSet::new(), BTreeSet::new());
    for send in 0..500 {
        if send % 5 == 0 {
            alice = E::restore(&saved).unwrap();
        }
        let sealed = alice.seal(&says(b"same"), &mut Context::new(Time::ZERO, &mut random));
        let sealed = sealed.unwrap();
        assert_eq!(bob.open(&sealed.packet).map(|opened| opened.id), Ok(sealed.id));
        assert!(packets.insert(sealed.packet), "a packet comes twice");
        assert!(names.insert(sealed.id), "an id comes twice");
    }
}

/// M-4, A-16: two members with one randomness, as two devices that started from one image, do not encrypt
/// with one key stream.
pub fn m04_a16_members_with_the_same_randomness_share_no_key<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let packets = [
        seal(&mut alice, &says(&[0x00; 4096]), 1).packet,
        seal(&mut bob, &says(&[0xff; 4096]), 1).packet,
    ];
    // Under one key stream the difference of the packets is the difference of the bodies.
    let difference: Vec<u8> = packets[0].iter().zip(&packets[1]).map(|(a, b)| a ^ b).collect();
    assert!(
        !difference.windows(16).any(|window| window == [0xff; 16]),
        "the difference of two packets is the difference of what they say"
    );
}

/// M-4, A-17, A-35: a packet of one subsession is nothing in another, whether the secret or the id differs.
pub fn m04_a17_no_packet_opens_in_another_subsession<E: MessageEncryptor>() {
    let sealed = seal(&mut USUAL.member::<E>("alice"), &says(b"here"), 1);
    let another_secret = Group { secret: 9, ..USUAL };
    let another_subsession = Group {
        subsession: 9,
        ..USUAL
    };
    for other in [another_secret, another_subsession] {
        for name in USUAL.members {
            let opened = other.member::<E>(name).open(&sealed.packet);
            assert_eq!(opened.err(), Some(OpenError::NotDecryptable), "{other:?}");
        }
    }
}

/// M-5: one message has one id for every member; another message, or the same under other keys, has another.
pub fn m05_ids_name_one_message<E: MessageEncryptor>() {
    let mut names = BTreeSet::new();
    let mut expected = 0;
    for subsession in 1..4 {
        for secret in 1..4 {
            let group = Group {
                subsession,
                secret,
                ..USUAL
            };
            for author in group.members {
                for body in [b"one", b"two"] {
                    let sealed = seal(&mut group.member::<E>(author), &says(body), 1);
                    for reader in group.all::<E>() {
                        assert_eq!(reader.open(&sealed.packet).map(|opened| opened.id), Ok(sealed.id));
                    }
                    names.insert(sealed.id);
                    expected += 1;
                }
            }
        }
    }
    assert_eq!(names.len(), expected, "two messages have one id");
}

/// Packets that Bob must refuse, each with what it is.
fn refused<E: MessageEncryptor>() -> Vec<(&'static str, Vec<u8>)> {
    let good = seal(&mut USUAL.member::<E>("alice"), &says(b"good"), 1).packet;
    let elsewhere = |group: Group| seal(&mut group.member::<E>("alice"), &says(b"good"), 1).packet;
    let mut packets = vec![
        ("nothing", vec![]),
        ("a truncated packet", good[..good.len() - 1].to_vec()),
        ("a packet and a byte", [good.as_slice(), &[0]].concat()),
        ("zeros", vec![0; good.len()]),
        ("another group's", elsewhere(Group { secret: 9, ..USUAL })),
        (
            "another subsession's",
            elsewhere(Group {
                subsession: 9,
                ..USUAL
            }),
        ),
        ("a forged author's", forged::<E>()),
    ];
    for at in [0, good.len() / 3, good.len() / 2, good.len() - 1] {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        packets.push(("a damaged packet", flipped));
    }
    packets
}

/// What Carol, who has the group's secret, makes in Alice's name with a key of her own.
fn forged<E: MessageEncryptor>() -> Vec<u8> {
    let mut keys: SubsessionKeys = USUAL.keys("carol");
    let carols = *Group::signing("carol").verifying_key();
    keys.verifying.insert(Group::id("alice"), carols);
    let mut impostor = E::new(&Group::id("alice"), &keys).unwrap();
    seal(&mut impostor, &says(b"forged"), 1).packet
}

/// M-6, A-18: whatever is refused leaves the exported state as it was, and good packets open afterwards.
pub fn m06_a18_rejected_packets_change_nothing<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let first = seal(&mut alice, &says(b"first"), 1);
    takes(&mut bob, &first.packet, "alice", &says(b"first"));
    let before = bob.export();
    for (what, packet) in refused::<E>() {
        assert!(bob.open(&packet).is_err(), "{what} opens");
        assert_eq!(bob.export(), before, "{what} changed the state");
    }
    let second = seal(&mut alice, &says(b"second"), 2);
    takes(&mut bob, &second.packet, "alice", &says(b"second"));
}

/// M-6: opening alone changes nothing, and can be done again.
pub fn m06_opening_changes_nothing_before_the_commit<E: MessageEncryptor>() {
    let mut alice: E = USUAL.member("alice");
    let mut bob: E = USUAL.member("bob");
    let sealed = seal(&mut alice, &says(b"body"), 1);
    let before = bob.export();
    for _ in 0..3 {
        assert!(bob.open(&sealed.packet).is_ok());
        assert_eq!(bob.export(), before, "opening changed the state");
    }
    takes(&mut bob, &sealed.packet, "alice", &says(b"body"));
}

/// M-7: kinds that this version does not know come through like those that it knows.
pub fn m07_unknown_kinds_are_carried<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    for number in 0..=Kind::MAX {
        for confirmation in [None, Some(confirmation())] {
            let content = Content {
                kind: Kind::from_number(number).unwrap(),
                confirmation,
                ..says(b"of some kind")
            };
            let sealed = seal(&mut alice, &content, u64::from(number));
            takes(&mut bob, &sealed.packet, "alice", &content);
        }
    }
}

/// A finish that names this key for control messages.
fn finish(control: &VerifyingKey) -> Content {
    Content {
        kind: Kind::FINISH,
        ..says(control.as_bytes())
    }
}

fn control_key<E: MessageEncryptor>(of: &mut E, seed: u64) -> VerifyingKey {
    let key = of.control_key(&mut Context::new(Time::ZERO, &mut seeded(seed)));
    key.unwrap()
        .expect("this encryptor signs, but has no control key")
}

fn of_kind(kind: Kind) -> Content {
    Content {
        kind,
        ..says(b"of some kind")
    }
}

/// M-9: a finish that names a control key is its author's last word by its first key. What comes after is
/// signed with the other one, is an acknowledgement or a control message, and opens once the finish is taken.
/// All of it is exported.
pub fn m09_a_finish_names_the_key_that_signs_from_then_on<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let first = *Group::signing("alice").verifying_key();
    let control = control_key(&mut alice, 1);
    assert_ne!(control, first);
    let mut alice = E::restore(&alice.export()).expect("an export does not restore");
    assert_eq!(control_key(&mut alice, 2), control, "another one each time");
    assert!(alice.retired_key().is_none(), "nothing is named yet");
    let before = seal(&mut alice, &says(b"before"), 3);
    let last = seal(&mut alice, &finish(&control), 4);
    let mut alice = E::restore(&alice.export()).expect("an export does not restore");
    let seed = alice.retired_key().expect("the first key is retired");
    assert_eq!(*SigningKey::from_seed(&seed).verifying_key(), first);
    for number in 0..=Kind::MAX {
        let kind = Kind::from_number(number).unwrap();
        let mut random = seeded(5);
        let sealed = alice.seal(&of_kind(kind), &mut Context::new(Time::ZERO, &mut random));
        if !kind.is_control() {
            assert_eq!(sealed, Err(SealError::Finished), "kind {number}");
            continue;
        }
        let packet = sealed.unwrap().packet;
        let early: E = USUAL.member("carol");
        let refused = early.open(&packet).err();
        assert_eq!(refused, Some(OpenError::KeyNotNamed(Group::id("alice"))));
        if !bob
            .open(&packet)
            .is_ok_and(|opened| opened.signer == Some(control))
        {
            let opened = bob.open(&last.packet).unwrap();
            assert!(opened.retires && opened.signer == Some(first));
            bob.commit(opened.step);
            bob = E::restore(&bob.export()).expect("an export does not restore");
        }
        let opened = bob.open(&packet).unwrap();
        assert!(!opened.retires && opened.signer == Some(control), "kind {number}");
        takes(&mut bob, &packet, "alice", &of_kind(kind));
        takes(&mut alice, &packet, "alice", &of_kind(kind));
    }
    // What was on its way when the finish overtook it is told by its key.
    assert_eq!(bob.open(&before.packet).unwrap().signer, Some(first));
    let plain = seal(&mut USUAL.member::<E>("carol"), &of_kind(Kind::FINISH), 1);
    assert!(!bob.open(&plain.packet).unwrap().retires, "it names no key");
}

/// M-9, A-15: whoever has a published key can do nothing that its owner does with the other one, nor name
/// another.
pub fn m09_a15_a_published_key_signs_nothing_as_the_control_key<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let control = control_key(&mut alice, 1);
    let last = seal(&mut alice, &finish(&control), 2);
    takes(&mut bob, &last.packet, "alice", &finish(&control));
    let ack = seal(&mut alice, &of_kind(Kind::AUTOMATIC_ACK), 3);

    // Carol knows the group's secret, and now what Alice signed with.
    let keys = SubsessionKeys {
        signing: SigningKey::from_seed(&alice.retired_key().unwrap()),
        ..USUAL.keys("alice")
    };
    let first = *keys.signing.verifying_key();
    let mut impostor = E::new(&Group::id("alice"), &keys).unwrap();
    for kind in [Kind::DATA, Kind::AUTOMATIC_ACK, Kind::KEY_PUBLICATION] {
        let forged = seal(&mut impostor, &of_kind(kind), 4);
        let signer = bob.open(&forged.packet).map(|opened| opened.signer);
        assert_eq!(signer, Ok(Some(first)), "it does not show which key signed");
    }
    let other = control_key(&mut impostor, 5);
    let again = seal(&mut impostor, &finish(&other), 6);
    takes(&mut bob, &again.packet, "alice", &finish(&other));
    let forged = seal(&mut impostor, &of_kind(Kind::AUTOMATIC_ACK), 7);
    let refused = bob.open(&forged.packet).err();
    assert_eq!(refused, Some(OpenError::BadSignature(Group::id("alice"))));
    takes(&mut bob, &ack.packet, "alice", &of_kind(Kind::AUTOMATIC_ACK));
}

/// with a random source that is broken there is an error, no packet and no change; with one that works,
/// things go on.
pub fn a04_broken_randomness_is_an_error_and_changes_nothing<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let before = alice.export();
    for mut broken in Broken::ALL {
        let sealed = alice.seal(&says(b"body"), &mut Context::new(Time::ZERO, &mut broken));
        assert_eq!(sealed, Err(SealError::Randomness(RandomnessError)), "{broken:?}");
        assert_eq!(alice.export(), before, "{broken:?} changed the state");
    }
    let sealed = seal(&mut alice, &says(b"body"), 1);
    takes(&mut bob, &sealed.packet, "alice", &says(b"body"));
}

/// contents that are one string of bytes but for where the fields end come back as themselves.
pub fn a09_contents_are_never_confused<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let string: Vec<u8> = ids(8).iter().flat_map(|id| *id.as_bytes()).collect();
    let mut names = BTreeSet::new();
    let mut expected = 0;
    for parents in 0..=6 {
        for confirmed in [false, true] {
            let (front, mut rest) = string.split_at(32 * parents);
            let confirmation = confirmed.then(|| {
                let (packet, after) = rest.split_first_chunk().unwrap();
                let (chain, after) = after.split_first_chunk().unwrap();
                rest = after;
                ChainConfirmation {
                    packet: PacketId::from_bytes(*packet),
                    chain: ChainHash::from_bytes(*chain),
                }
            });
            let content = Content {
                kind: Kind::DATA,
                parents: ids(front.len() / 32),
                confirmation,
                body: rest.to_vec(),
            };
            let sealed = seal(&mut alice, &content, 1);
            names.insert(takes(&mut bob, &sealed.packet, "alice", &content));
            expected += 1;
        }
    }
    assert_eq!(names.len(), expected, "two contents have one id");
}

/// a member with the group's secret cannot write in another member's name.
pub fn a14_a45_an_insider_cannot_write_as_another<E: MessageEncryptor>() {
    for reader in USUAL.all::<E>() {
        assert!(
            reader.open(&forged::<E>()).is_err(),
            "a message signed by another member opens"
        );
    }
}

/// no bit of a packet can change.
pub fn a18_every_flipped_bit_is_refused<E: MessageEncryptor>() {
    let (mut alice, bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    for (len, stride) in [(0, 1), (40, 1), (5000, 97)] {
        let good = seal(&mut alice, &says(&vec![0; len]), 1).packet;
        for bit in (0..8 * good.len()).step_by(stride) {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                bob.open(&flipped).is_err(),
                "bit {bit} of {} does not matter",
                8 * good.len()
            );
        }
    }
}

/// a packet is all of itself and nothing more, at either end.
pub fn a18_every_truncation_and_extension_is_refused<E: MessageEncryptor>() {
    let (mut alice, bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let good = seal(&mut alice, &says(b"body"), 1).packet;
    for at in 0..good.len() {
        assert!(bob.open(&good[..at]).is_err(), "the first {at} bytes open");
        assert!(
            at == 0 || bob.open(&good[at..]).is_err(),
            "all but {at} bytes open"
        );
    }
    for more in [1, 12, 16, 32, 128, 1 << 20] {
        let (zeros, ones) = (vec![0; more], vec![1; more]);
        for extended in [
            [&good[..], &zeros],
            [&good, &ones],
            [&zeros, &good[..]],
            [&ones, &good],
        ] {
            assert!(bob.open(&extended.concat()).is_err(), "{more} bytes more open");
        }
    }
}

/// neither the encryptor nor an error prints a byte of a secret.
pub fn a21_nothing_printed_holds_a_secret<E: MessageEncryptor>() {
    let (mut alice, bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    let content = says(b"body");
    let sealed = seal(&mut alice, &content, 1);
    let step = bob.open(&sealed.packet).unwrap().step;
    let mut printed = format!("{alice:?} {bob:#?} {step:?} {step:#?}");
    for (_, packet) in refused::<E>() {
        let error = bob.open(&packet).err().unwrap();
        printed += &format!("{error} {error:?} {error:#?}");
    }
    let error = alice
        .seal(&content, &mut Context::new(Time::ZERO, &mut Broken::Error))
        .unwrap_err();
    printed += &format!("{error} {error:?}");
    let error = E::restore(b"").err().unwrap();
    printed += &format!("{error} {error:?}");
    let printed: String = printed.split_whitespace().collect::<String>().to_lowercase();

    // An export holds every secret; names and ids are in it too, but no six bytes of an id are ever printed.
    let secrets = [alice.export().to_vec(), vec![USUAL.secret; 8]];
    for window in secrets.iter().flat_map(|bytes| bytes.windows(6)) {
        let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<String> = window.iter().map(u8::to_string).collect();
        assert!(!printed.contains(&hex), "{hex} is printed");
        assert!(!printed.contains(&list.join(",")), "{hex} is printed as a list");
    }
}

/// an exported encryptor restores to one that does the same.
pub fn a29_exports_restore<E: MessageEncryptor>() {
    let (mut alice, mut bob): (E, E) = (USUAL.member("alice"), USUAL.member("bob"));
    for round in 0..3 {
        let sealed = seal(&mut alice, &says(b"body"), round);
        let restored = E::restore(&bob.export()).expect("an export does not restore");
        assert_eq!(restored.export(), bob.export(), "restoring changes the export");
        bob = restored;
        assert_eq!(
            takes(&mut bob, &sealed.packet, "alice", &says(b"body")),
            sealed.id
        );
        alice = E::restore(&alice.export()).expect("an export does not restore");
    }
    let sealed = seal(&mut bob, &says(b"answer"), 9);
    takes(&mut alice, &sealed.packet, "bob", &says(b"answer"));
}

/// a damaged export is an error, never another encryptor.
pub fn a29_damaged_exports_are_refused<E: MessageEncryptor>() {
    let alice: E = USUAL.member("alice");
    let export = alice.export();
    for at in 0..export.len() {
        for change in [1, 0x80, 0xff] {
            let mut damaged = export.to_vec();
            damaged[at] ^= change;
            assert!(
                E::restore(&damaged).is_err(),
                "byte {at} of {} does not matter",
                export.len()
            );
        }
        assert!(E::restore(&export[..at]).is_err(), "the first {at} bytes restore");
    }
    let extended = [export.as_slice(), &[0]].concat();
    assert!(E::restore(&extended).is_err(), "a byte more restores");
}

/// only a member, with the key that the others know it by, has an encryptor.
pub fn a35_only_members_get_an_encryptor<E: MessageEncryptor>() {
    let eve = E::new(&Group::id("eve"), &USUAL.keys("eve"));
    assert!(eve.is_err(), "someone who is not a member");
    let wrong_key = E::new(&Group::id("alice"), &USUAL.keys("bob"));
    assert!(wrong_key.is_err(), "a member with another's key");
    let nobody = Group {
        members: &[],
        ..USUAL
    };
    assert!(
        E::new(&Group::id("alice"), &nobody.keys("alice")).is_err(),
        "nobody"
    );
}

/// A-35, G-4: with the group's secret, but as an author whom the group does not have, or for readers whom it
/// does not have: refused.
pub fn a35_strangers_and_other_readers_are_refused<E: MessageEncryptor>() {
    let groups: [&[&str]; 4] = [
        &["alice", "bob", "carol", "eve"],
        &["alice", "bob", "eve"],
        &["alice", "bob"],
        &["alice", "anna", "bob", "carol"],
    ];
    for members in groups {
        let other = Group { members, ..USUAL };
        for author in members {
            let packet = seal(&mut other.member::<E>(author), &says(b"body"), 1).packet;
            let opened = USUAL.member::<E>("bob").open(&packet);
            assert!(
                opened.is_err(),
                "{author} among {members:?} is taken among {:?}",
                USUAL.members
            );
        }
    }
}

/// bytes that are no packet are refused, of any length and without a panic.
pub fn a40_a41_garbage_is_refused<E: MessageEncryptor>() {
    use concilium_core::RandomSource as _;

    let bob: E = USUAL.member("bob");
    let mut random = seeded(1);
    for len in (0..300).chain([1000, 4096, 70_000, 140_000, 1 << 20]) {
        for fill in [None, Some(0), Some(1), Some(0xff)] {
            let mut garbage = vec![fill.unwrap_or(0); len];
            if fill.is_none() {
                random.fill(&mut garbage).expect("a seeded source works");
            }
            assert!(bob.open(&garbage).is_err(), "{len} bytes of {fill:?} open");
        }
    }
}

/// A suite has a name that members can compare and tell each other.
pub fn suites_have_names<E: MessageEncryptor>() {
    let name = E::SUITE;
    assert!(!name.is_empty() && name.len() <= MAX_SUITE_BYTES, "{name:?}");
    assert!(
        name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'),
        "{name:?}"
    );
}
