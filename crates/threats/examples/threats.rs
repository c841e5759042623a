//! Measures the table of threats and writes it into the file that is named: `cargo xtask threats`.
#![allow(clippy::print_stderr, reason = "a tool for people at a terminal")]

use std::process::ExitCode;

use concilium_threats::facts::Facts;
use concilium_threats::table::{self, Measured};

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: threats FILE");
        return ExitCode::FAILURE;
    };
    let measured: Measured = table::pairs()
        .map(|parts| (parts, Facts::measure(parts)))
        .collect();
    let table = table::render(&measured);
    let written = std::fs::read_to_string(&file)
        .map_err(|error| error.to_string())
        .and_then(|text| table::written_into(&text, &table).ok_or_else(|| "has no marks".to_owned()))
        .and_then(|text| std::fs::write(&file, text).map_err(|error| error.to_string()));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}
