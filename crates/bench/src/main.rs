//! Runs the benchmarks and prints them; see the crate's README.

#![expect(clippy::print_stdout, reason = "the program's output")]

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use concilium_bench::measure::Effort;
use concilium_bench::report::Row;
use concilium_bench::{agreements, messages, mls, operations, sessions, transcripts};
use concilium_test_parts::Gka;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Benchmarks: every figure beside the bare primitives that the job cannot do without, from the same run.
#[derive(Parser)]
struct Arguments {
    /// Write all rows to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fewer and smaller measurements: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
    /// Only these: agreements, messages, mls, operations, sessions or transcripts.
    #[arg(long, value_name = "PART")]
    only: Option<String>,
    /// The key agreements to set beside the default one; may be repeated.
    #[arg(long, value_name = "NAME", default_values_t = [Gka::Cliques, Gka::BurmesterDesmedt, Gka::Mls])]
    gka: Vec<Gka>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let effort = if arguments.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    println!(
        "{:<44} {:>18} {:>18} {:>7}  target     beside",
        "what", "measured", "beside", "ratio"
    );
    let mut rows = Vec::new();
    let mut report = |row: Row| {
        println!("{row}");
        rows.push(row);
    };
    if wanted("messages") {
        messages::rows(effort, &mut report);
        messages::ratchet_rows(effort, &mut report);
    }
    if wanted("operations") {
        let sizes: &[usize] = if arguments.quick {
            &[2, 8]
        } else {
            &[2, 8, 32, 128]
        };
        operations::rows(effort, sizes, &mut report);
    }
    if wanted("agreements") {
        let sizes: &[usize] = if arguments.quick {
            &[2, 8]
        } else {
            &[2, 8, 32, 128, 512]
        };
        agreements::rows(&arguments.gka, sizes, &mut report);
    }
    if wanted("mls") {
        let sizes: &[usize] = if arguments.quick {
            &[2, 8]
        } else {
            &[2, 8, 32, 128]
        };
        mls::rows(effort, sizes, &mut report);
    }
    if wanted("sessions") {
        sessions::rows(effort, 50, &mut report);
        let sizes: &[usize] = if arguments.quick { &[5] } else { &[5, 20, 100] };
        for &members in sizes {
            sessions::chatter(members, &mut report);
        }
        let sizes: &[usize] = if arguments.quick { &[5, 20] } else { &[5, 50, 500] };
        sessions::growth(sizes, &mut report);
    }
    if wanted("transcripts") {
        let sizes: &[usize] = if arguments.quick {
            &[1_000, 10_000]
        } else {
            &[1_000, 10_000, 100_000, 1_000_000]
        };
        transcripts::rows(effort, sizes, &MEMORY, &mut report);
    }
    let missed = rows
        .iter()
        .filter(|row| row.target.is_some_and(|target| row.ratio > target))
        .count();
    println!("{} rows, {missed} miss their target", rows.len());
    if let Some(file) = &arguments.json {
        let json = serde_json::to_vec_pretty(&rows)?;
        std::fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
