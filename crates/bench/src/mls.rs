//! Membership operations over MLS, beside the library alone.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use concilium_core::keys::SigningKey;
use concilium_core::testing::{name, names, rng::seeded};
use concilium_core::{Context, MemberId, MemberSet, Secret, Time};
use concilium_gka::GroupKeyAgreement as _;
use concilium_gka::conformance::{Echo, Group, directory, identity};
use concilium_gka_mls::Mls;
use concilium_gka_mls::bare::{Client, Desk, Group as BareGroup, Things, client, leaf_extensions, no_time};
use mls_rs::{ExtensionList, MlsMessage};

use crate::measure::{Effort, in_turn};
use crate::report::Row;

/// Including one, excluding one, and a refresh at some sizes, each for the proposer, a receiver and a joiner:
/// our whole work with a packet, beside the library's with its messages.
pub fn rows(effort: Effort, sizes: &[usize], report: &mut dyn FnMut(Row)) {
    for &n in sizes {
        for (what, before, after) in [
            ("include one", names(0..n), names(0..=n)),
            ("exclude one", names(0..=n), names(0..n)),
            ("refresh", names(0..n), names(0..n)),
        ] {
            let mut operation = Operation::new(&before, &after);
            let mut row = |who: &str, [ours, bare]: [Duration; 2]| {
                let name = format!("mls: {what}, {who}, n = {n}");
                report(Row::time(name, ours, bare, "the library alone").at_most(1.2));
            };
            row("proposer", operation.proposing(effort));
            row("receiver", operation.receiving(effort));
            if after.len() > before.len() {
                row("joiner", operation.joining(effort));
            }
        }
    }
}

/// The same operation in a group of ours and in one of the library's.
struct Operation {
    ours: Group<Mls>,
    echo: Echo,
    bare: Bare,
    before: MemberSet,
    after: MemberSet,
}

impl Operation {
    /// The first member proposes, the second receives, the last joins.
    fn new(before: &MemberSet, after: &MemberSet) -> Self {
        let people = before.len().max(after.len());
        let mut ours = Group::new(people, 1, Mls::new);
        ours.run(&name(0), before);
        // So that the first member has a path, as in a group that has lived for a while.
        ours.run(&name(0), before);
        let packet = ours.propose(&name(0), after).unwrap();
        let echo = ours.echo(&name(0), packet);
        Self {
            ours,
            echo,
            bare: Bare::new(people, before.len(), after),
            before: before.clone(),
            after: after.clone(),
        }
    }

    fn proposing(&mut self, effort: Effort) -> [Duration; 2] {
        let alice = name(0);
        let data = self.ours.data(&alice, &self.after);
        let session = self.ours.session().clone();
        // A key package serves once: learned ones are restored each time, and that time is taken off.
        let learned = self.ours.people[&alice].gka.export_announcements();
        let mut restored = Mls::new(identity(0), Arc::new(directory(1)));
        let mut random = seeded(2);
        let bare = &self.bare;
        let (group, id) = (&mut self.ours, self.echo.id);
        let [ours, restoring, library, copy] = in_turn(
            effort,
            [
                &mut || {
                    let member = group.member(&alice);
                    member.gka.restore_announcements(&learned).unwrap();
                    let mut cx = Context::new(Time::ZERO, &mut random);
                    let state = member.state.as_ref();
                    let (packet, proposal) = member.gka.propose(state, data.clone(), &mut cx).unwrap();
                    let opened = member.gka.open(&session, &alice, &packet).unwrap();
                    let started = member.gka.accept(state, Some(proposal), id, opened, &mut cx);
                    drop(black_box(started.unwrap()));
                },
                &mut || restored.restore_announcements(&learned).unwrap(),
                &mut || drop(black_box(bare.commit())),
                &mut || drop(black_box(bare.groups[0].clone())),
            ],
        );
        [ours.saturating_sub(restoring), library.saturating_sub(copy)]
    }

    fn receiving(&mut self, effort: Effort) -> [Duration; 2] {
        let bare = &self.bare;
        let (ours, echo) = (&self.ours, &self.echo);
        let [ours, library, copy] = in_turn(
            effort,
            [
                &mut || accept(ours, &name(1), echo, true),
                &mut || bare.receive(1),
                &mut || drop(black_box(bare.groups[1].clone())),
            ],
        );
        [ours, library.saturating_sub(copy)]
    }

    fn joining(&mut self, effort: Effort) -> [Duration; 2] {
        let joiner = name(self.before.len());
        // A key package serves once: the announced one is restored each time, and that time is taken off.
        let announced = self.ours.people[&joiner].gka.export_announcements();
        let mut restored = Mls::new(identity(self.before.len()), Arc::new(directory(self.after.len())));
        let bare = &self.bare;
        let (group, echo) = (&mut self.ours, &self.echo);
        let [ours, restoring, library] = in_turn(
            effort,
            [
                &mut || {
                    let member = group.member(&joiner);
                    member.gka.restore_announcements(&announced).unwrap();
                    accept(group, &joiner, echo, false);
                },
                &mut || restored.restore_announcements(&announced).unwrap(),
                &mut || bare.join(),
            ],
        );
        [ours.saturating_sub(restoring), library]
    }
}

fn accept(group: &Group<Mls>, who: &MemberId, echo: &Echo, stays: bool) {
    let opened = group.open(who, echo).unwrap();
    let member = &group.people[who];
    let mut random = seeded(3);
    let mut cx = Context::new(Time::ZERO, &mut random);
    let state = member.state.as_ref().filter(|_| stays);
    let started = member.gka.accept(state, None, echo.id, opened, &mut cx);
    drop(black_box(started.unwrap()));
}

/// The library alone, in the same group.
struct Bare {
    desk: Desk,
    groups: Vec<BareGroup>,
    joiner: Option<(Client, Things)>,
    key_package: Option<Vec<u8>>,
    excluded: Option<u32>,
    commit: Vec<u8>,
    welcome: Vec<u8>,
}

/// Random numbers of the n-th call.
fn seeded_things(n: usize) -> Things {
    let mut seed = [0xbb; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    Things::random(&Secret::new(seed))
}

/// More calls than there are members come before those that are measured.
const LATER: usize = 1 << 20;

fn leaf() -> ExtensionList {
    leaf_extensions(SigningKey::from_seed(&Secret::new([8; 32])).verifying_key())
}

impl Bare {
    fn new(people: usize, before: usize, after: &MemberSet) -> Self {
        let desk = Desk::default();
        let known = Arc::new(directory(people));
        let clients: Vec<Client> = (0..people)
            .map(|n| client(&identity(n), known.clone(), &desk))
            .collect();
        let mut packages = Vec::new();
        for (n, client) in clients.iter().enumerate().skip(1) {
            let key = SigningKey::from_seed(&Secret::new([u8::try_from(n % 251).unwrap(); 32]));
            let (message, things) = desk.with(seeded_things(n), || {
                let extensions = leaf_extensions(key.verifying_key());
                client.generate_key_package_message(ExtensionList::new(), extensions, Some(no_time()))
            });
            packages.push((message.unwrap(), things.key_package.unwrap()));
        }
        let (alice, _) = desk.with(seeded_things(LATER), || {
            clients[0].create_group(ExtensionList::new(), leaf(), Some(no_time()))
        });
        let mut alice = alice.unwrap();
        let mut groups = Vec::new();
        let (output, _) = desk.with(seeded_things(LATER + 1), || {
            let mut commit = alice.commit_builder().commit_time(no_time());
            for (message, _) in packages.iter().take(before - 1) {
                commit = commit.add_member(message.clone()).unwrap();
            }
            commit.build().unwrap()
        });
        let (applied, _) = desk.with(Things::default(), || alice.apply_pending_commit());
        applied.unwrap();
        // Only the measured members.
        for n in 1..before.min(2) {
            let things = Things {
                key_package: Some(packages[n - 1].1.clone()),
                ..Things::default()
            };
            let welcome = output.welcome_messages.first().unwrap();
            let (joined, _) = desk.with(things, || clients[n].join_group(None, welcome, Some(no_time())));
            groups.push(joined.unwrap().0);
        }
        groups.insert(0, alice);
        let (output, _) = desk.with(seeded_things(LATER + 2), || {
            groups[0].commit_builder().commit_time(no_time()).build().unwrap()
        });
        let (applied, _) = desk.with(Things::default(), || groups[0].apply_pending_commit());
        applied.unwrap();
        for group in groups.iter_mut().skip(1) {
            let (received, _) = desk.with(Things::default(), || {
                group.process_incoming_message_with_time(output.commit_message.clone(), no_time())
            });
            let _ = received.unwrap();
        }
        let joins = after.len() > before;
        let mut bare = Self {
            desk,
            groups,
            joiner: None,
            key_package: None,
            excluded: (after.len() < before).then(|| u32::try_from(before - 1).unwrap()),
            commit: Vec::new(),
            welcome: Vec::new(),
        };
        if joins {
            let (message, private) = packages.swap_remove(before - 1);
            bare.key_package = Some(message.to_bytes().unwrap());
            let things = Things {
                key_package: Some(private),
                ..Things::default()
            };
            let client = clients.into_iter().nth(before).unwrap();
            bare.joiner = Some((client, things));
        }
        let (commit, welcome) = bare.commit();
        (bare.commit, bare.welcome) = (commit, welcome);
        bare
    }

    /// Makes a commit, as bytes, and applies it.
    fn commit(&self) -> (Vec<u8>, Vec<u8>) {
        let mut group = self.groups[0].clone();
        let (messages, _) = self.desk.with(seeded_things(LATER + 3), || {
            let mut commit = group
                .commit_builder()
                .authenticated_data(vec![7; 32])
                .set_leaf_node_extensions(leaf())
                .commit_time(no_time());
            if let Some(key_package) = &self.key_package {
                let key_package = MlsMessage::from_bytes(key_package).unwrap();
                commit = commit.add_member(key_package).unwrap();
            }
            if let Some(excluded) = self.excluded {
                commit = commit.remove_member(excluded).unwrap();
            }
            let output = commit.build().unwrap();
            group.apply_pending_commit().unwrap();
            let _ = black_box(group.export_secret(b"label", &[7; 32], 32).unwrap());
            let welcome = output.welcome_messages.first();
            (
                output.commit_message.to_bytes().unwrap(),
                welcome
                    .map(|welcome| welcome.to_bytes().unwrap())
                    .unwrap_or_default(),
            )
        });
        messages
    }

    /// Processes the commit's bytes.
    fn receive(&self, who: usize) {
        let mut group = self.groups[who].clone();
        let (received, _) = self.desk.with(Things::default(), || {
            let commit = MlsMessage::from_bytes(&self.commit).unwrap();
            group.process_incoming_message_with_time(commit, no_time())
        });
        let _ = black_box(received.unwrap());
        let _ = black_box(group.export_secret(b"label", &[7; 32], 32).unwrap());
    }

    /// Joins by the welcome's bytes.
    fn join(&self) {
        let (client, things) = self.joiner.as_ref().unwrap();
        let things = Things {
            key_package: things.key_package.clone(),
            ..Things::default()
        };
        let (joined, _) = self.desk.with(things, || {
            let welcome = MlsMessage::from_bytes(&self.welcome).unwrap();
            client.join_group(None, &welcome, Some(no_time()))
        });
        let (group, _) = joined.unwrap();
        let _ = black_box(group.export_secret(b"label", &[7; 32], 32).unwrap());
    }
}
