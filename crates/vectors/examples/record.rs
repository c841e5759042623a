//! Prints a session of a seed: `record SEED [cliques|bd] [aead|chacha20poly1305|ratchet]`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its output is what it is for"
)]

use std::process::ExitCode;

use concilium_vectors::{Choice, record};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument =
        |place: usize, otherwise: &str| arguments.get(place).cloned().unwrap_or(otherwise.to_owned());
    let seed = argument(0, "1").parse::<u64>();
    let choice = Choice::named(&argument(1, "cliques"), &argument(2, "aead"));
    let (Ok(seed), Some(choice)) = (seed, choice) else {
        eprintln!("usage: record SEED [cliques|bd] [aead|chacha20poly1305|ratchet]");
        return ExitCode::from(2);
    };
    println!("{:#}", record(seed, &choice));
    ExitCode::SUCCESS
}
