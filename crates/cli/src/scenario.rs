//! `concilium scenario`: text files that drive whole groups over a simulated channel.

use std::io;

use concilium_scenario::{Options, run_file};

use crate::args::ScenarioArgs;
use crate::screen;

/// Runs the files, one after the other. Returns the exit code: 2 if one cannot be read, else 1 if one fails,
/// else 0.
pub(crate) fn run(args: &ScenarioArgs) -> u8 {
    let options = Options {
        seed: args.seed,
        trace: args.trace,
        json: args.json,
        gka: args.gka,
        cipher: args.cipher,
        ..Options::default()
    };
    let mut worst = 0;
    for file in &args.files {
        match run_file(file, std::fs::read(file), &options, &mut io::stdout().lock()) {
            Ok(report) => worst = worst.max(report.exit_code()),
            // The reader is gone.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return worst,
            Err(error) => {
                screen::error(&format!("the report cannot be written: {error}"));
                return crate::FAILED.max(worst);
            }
        }
    }
    worst
}
