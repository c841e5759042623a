//! The implementations that a scenario can name.

use std::io::{self, Write};

use concilium_encryptor::{Aead, Aes256Gcm, Buckets, ChaCha20Poly1305};
use concilium_gka::GroupKeyAgreement;
use concilium_gka_cliques::Cliques;

use super::report::{Report, unreadable};
use super::runner::{self, Suite};
use super::{Options, Scenario};
use crate::gka::Dictator;
use crate::network::GkaFactory;

/// The key agreements, by name; the first is the default.
pub const GKAS: &[&str] = &["cliques", "dictator"];

/// The ciphers, by name; the first is the default.
pub const CIPHERS: &[&str] = &["aead", "chacha20poly1305"];

fn known(what: &str, name: &str, names: &[&str]) -> Result<(), String> {
    if names.contains(&name) {
        Ok(())
    } else {
        Err(format!(
            "there is no {what} `{name}`; there are: {}",
            names.join(", ")
        ))
    }
}

pub(super) fn known_gka(name: &str) -> Result<(), String> {
    known("key agreement", name, GKAS)
}

pub(super) fn known_cipher(name: &str) -> Result<(), String> {
    known("cipher", name, CIPHERS)
}

/// Runs a scenario with the implementations that the options, or else the file, or else the defaults name.
pub(super) fn run(scenario: &Scenario, options: &Options, out: &mut dyn Write) -> io::Result<Report> {
    let named = |option: &Option<String>, file: &Option<String>, names: &[&str]| {
        let name = option.as_deref().or(file.as_deref()).or(names.first().copied());
        name.unwrap_or_default().to_owned()
    };
    let suite = Suite {
        gka: named(&options.gka, &scenario.setup.gka, GKAS),
        cipher: named(&options.cipher, &scenario.setup.cipher, CIPHERS),
    };
    if let Err(reason) = known_gka(&suite.gka).and_then(|()| known_cipher(&suite.cipher)) {
        return unreadable(&scenario.file, reason, options, out);
    }
    match suite.gka.as_str() {
        "dictator" => with_gka(Dictator::new, scenario, &suite, options, out),
        _ => with_gka(Cliques::new, scenario, &suite, options, out),
    }
}

fn with_gka<G: GroupKeyAgreement>(
    gka: GkaFactory<G>,
    scenario: &Scenario,
    suite: &Suite,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<Report> {
    match suite.cipher.as_str() {
        "chacha20poly1305" => {
            runner::run::<G, Aead<ChaCha20Poly1305, Buckets>>(gka, scenario, suite, options, out)
        }
        _ => runner::run::<G, Aead<Aes256Gcm, Buckets>>(gka, scenario, suite, options, out),
    }
}
