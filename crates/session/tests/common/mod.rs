//! Groups for the tests in this folder.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    missing_debug_implementations,
    missing_docs,
    reason = "test code; each test file takes in all of it and uses a part"
)]

use std::ops::{Deref, DerefMut};

use concilium::sessions::GkaFactory;
use concilium_core::{Change, MemberId, MemberSet, SessionName};
use concilium_encryptor::DefaultEncryptor;
use concilium_gka::GroupKeyAgreement;
use concilium_gka_cliques::Cliques;
use concilium_session::Settings;
use concilium_testkit::network::{Conduct, Network};

pub fn id(name: &str) -> MemberId {
    MemberId::new(name).unwrap()
}

pub fn set(names: &str) -> MemberSet {
    names.split_whitespace().map(id).collect()
}

/// A network of the default parts.
pub struct Net(Network<Cliques, DefaultEncryptor>);

impl Deref for Net {
    type Target = Network<Cliques, DefaultEncryptor>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Net {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Net {
    pub fn of(
        members: Vec<MemberId>,
        name: SessionName,
        settings: Settings,
        seed: u64,
        conduct: Conduct,
    ) -> Self {
        Self(Network::of_default_parts(members, name, settings, seed, conduct))
    }

    pub fn outside<const N: usize>(names: [&str; N], seed: u64) -> Self {
        let name = SessionName::new("s").unwrap();
        Self::of(
            names.map(id).to_vec(),
            name,
            Settings::default(),
            seed,
            Conduct::default(),
        )
    }

    pub fn trio_of(name: SessionName, seed: u64) -> Self {
        let members = ["alice", "bob", "carol"].map(id).to_vec();
        let mut net = Self::of(members, name, Settings::default(), seed, Conduct::default());
        establish(&mut net.0, "alice", "bob carol");
        net
    }
}

/// Alice, Bob and Carol in a session.
pub fn trio(seed: u64) -> Net {
    Net::trio_of(SessionName::new("s").unwrap(), seed)
}

/// `first` joins and includes the others.
pub fn establish<G: GroupKeyAgreement>(net: &mut Network<G, DefaultEncryptor>, first: &str, others: &str) {
    net.command(&id(first), |session, cx| session.join(cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
    let change = Change::include(set(others));
    net.command(&id(first), |session, cx| session.change(change, cx))
        .unwrap()
        .unwrap();
    net.settle().unwrap();
}

/// Three people on a network of any key agreement.
pub fn trio_over<G: GroupKeyAgreement>(gka: GkaFactory<G>, seed: u64) -> Network<G, DefaultEncryptor> {
    let members = ["alice", "bob", "carol"].map(id);
    let name = SessionName::new("s").unwrap();
    let mut net = Network::new(members, name, Settings::default(), gka, seed, Conduct::default());
    establish(&mut net, "alice", "bob carol");
    net
}

/// Saying things, and reading what was said.
pub trait Talk {
    fn talk(&mut self, who: &str, text: &str);
    fn log(&self, who: &str) -> Vec<String>;
}

impl<G: GroupKeyAgreement> Talk for Network<G, DefaultEncryptor> {
    fn talk(&mut self, who: &str, text: &str) {
        self.command(&id(who), |session, cx| session.send(text.as_bytes(), cx))
            .unwrap()
            .unwrap();
    }

    fn log(&self, who: &str) -> Vec<String> {
        let session = self.session(&id(who)).unwrap();
        session
            .messages()
            .map(|message| String::from_utf8_lossy(message.body).into_owned())
            .collect()
    }
}
