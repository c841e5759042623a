//! Larger searches than the tests do. `cargo xtask model --help` has the sizes.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use concilium_model::{Budget, Honest, Reordering, Scope};

/// Drives the real resolvers through every state of a bounded run, and prints what holds and what is broken.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask model")]
struct Arguments {
    /// What the server does.
    #[arg(long, value_enum, default_value_t = Server::Honest)]
    server: Server,
    /// How many members there are.
    #[arg(long, default_value_t = 3)]
    members: usize,
    /// How many of them are in the session to begin with.
    #[arg(long, default_value_t = 2)]
    grown: usize,
    /// How many of them are in the channel to begin with; all, unless said otherwise.
    #[arg(long)]
    present: Option<usize>,
    /// How many proposals are sent.
    #[arg(long, default_value_t = 2)]
    proposals: u8,
    /// How many members an operation brings in or puts out at most; any, unless said otherwise.
    #[arg(long)]
    change: Option<usize>,
    /// How many aborts are sent.
    #[arg(long, default_value_t = 1)]
    aborts: u8,
    /// How many confirmations are sent, behind the honest server.
    #[arg(long, default_value_t = 0)]
    claims: u8,
    /// How many members leave, or are hidden from one another by the reordering server.
    #[arg(long, default_value_t = 0)]
    leaves: u8,
    /// How many enter, or lose all that they know behind the reordering server.
    #[arg(long, default_value_t = 0)]
    enters: u8,
    /// Deliver to each member at another time, behind the honest server.
    #[arg(long)]
    lag: bool,
    /// How often the reordering server shows each packet to one member.
    #[arg(long, default_value_t = 1)]
    showings: u8,
    /// Stop after so many steps from the beginning.
    #[arg(long)]
    depth: Option<usize>,
    /// How many threads search.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Server {
    Honest,
    Reordering,
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the search took is printed and nothing else"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let budget = Budget {
        proposals: arguments.proposals,
        aborts: arguments.aborts,
        claims: arguments.claims,
        leaves: arguments.leaves,
        enters: arguments.enters,
    };
    let mut scope = Scope::new(arguments.members, arguments.grown, budget);
    scope.lag = arguments.lag;
    scope.present = arguments.present.unwrap_or(scope.present);
    scope.change = arguments.change.unwrap_or(scope.change);
    let (depth, threads) = (arguments.depth, arguments.threads);
    let start = Instant::now();
    let findings = match arguments.server {
        Server::Honest => Honest(scope).explore(depth, threads),
        Server::Reordering => {
            let showings = arguments.showings;
            Reordering { scope, showings }.explore(depth, threads)
        }
    };
    println!("{findings}{:.1} seconds", start.elapsed().as_secs_f64());
    if findings.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
