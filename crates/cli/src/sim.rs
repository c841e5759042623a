//! `concilium sim`: production sessions under a seed that decides on the faults.

use std::io::{self, Write as _};

use concilium_sim::campaign::{self, Campaign};
use concilium_sim::{Suite, Wishes, report, scale};

use crate::args::SimArgs;
use crate::screen;

/// Runs the seeds; gives the exit code: 2 if there is no such implementation, else 1 if a run fails, else 0.
pub(crate) fn run(args: &SimArgs) -> u8 {
    let suite = Suite::named(args.parts.gka, args.parts.cipher);
    if args.scale {
        return written(run_scale(args, &suite));
    }
    if args.report {
        return written(make_report(args, &suite));
    }
    let campaign = Campaign {
        seed: args.seed,
        runs: args.runs,
        wishes: wishes(args),
        stop_at_first: args.stop_at_first,
        shrink: !args.no_shrink,
        trace: args.trace,
        json: args.json,
    };
    let mut out = io::stdout().lock();
    let tally = campaign::run(&campaign, &suite, &mut out).and_then(|tally| {
        if !args.json {
            campaign::write_tally(&tally, &mut out)?;
        }
        Ok(tally.failed == 0)
    });
    written(tally)
}

fn wishes(args: &SimArgs) -> Wishes {
    Wishes {
        members: args.members,
        steps: args.steps,
        faults: args.faults.clone(),
        all_faults: args.all_faults,
        auto_include: args.auto_include,
        policy: args.policy,
        deniable: args.deniable,
        keep: args.keep.clone().map(|keep| keep.0),
    }
}

/// The exit code of the written result: whether all was well.
fn written(result: io::Result<bool>) -> u8 {
    match result.and_then(|good| io::stdout().flush().map(|()| good)) {
        Ok(good) => u8::from(!good),
        // The reader is gone.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            screen::error(&format!("the report cannot be written: {error}"));
            crate::FAILED
        }
    }
}

fn make_report(args: &SimArgs, suite: &Suite) -> io::Result<bool> {
    let made = report::make(args.seed, args.runs, &wishes(args), suite);
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report::json(&made))?;
    } else {
        report::write(&made, &mut out)?;
    }
    Ok(made.is_good())
}

fn run_scale(args: &SimArgs, suite: &Suite) -> io::Result<bool> {
    let clock = crate::clock::Clock::start();
    let begun = clock.now();
    let members = args.members.unwrap_or(2);
    scale::run(
        members,
        args.seed,
        suite,
        args.json,
        &mut || clock.now().since(begun),
        &mut io::stdout().lock(),
    )
}
