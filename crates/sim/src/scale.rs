//! One large group without faults, and its costs as it grows.

use std::io::{self, Write};
use std::time::Duration;

use concilium_core::{Change, MemberSet};
use concilium_session::SessionState;
use concilium_testkit::network::EPOCH;
use serde_json::json;

use crate::plan::{Plan, Who, name};
use crate::world::{Work, World};
use crate::{Faults, Rules, Suite, Violation, Wishes};

/// Does something, and says whether all had it in the end.
type Doing = fn(&mut World<'_>) -> bool;

/// What one phase has cost.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What was done.
    pub name: &'static str,
    /// Whether everyone had it in the end.
    pub done: bool,
    /// Inputs, packets, bytes.
    pub work: Work,
    /// Simulated time.
    pub span: Duration,
    /// Real time, by the caller's clock.
    pub took: Duration,
    /// Bytes of a member's snapshot at the end, the mean.
    pub snapshot: u64,
}

/// Runs one group of this size, as [`phases`] does, and writes what each phase has cost.
///
/// # Errors
/// `out` cannot be written to.
pub fn run(
    members: usize,
    seed: u64,
    suite: &Suite,
    as_json: bool,
    elapsed: &mut dyn FnMut() -> Duration,
    out: &mut dyn Write,
) -> io::Result<bool> {
    if !as_json {
        writeln!(out, "{members} members, {}/{}", suite.gka, suite.cipher)?;
        writeln!(
            out,
            "  {:<10} {:>10} {:>10} {:>12} {:>9} {:>9} {:>10} {:>10} {:>12}",
            "phase", "inputs", "packets", "bytes", "sim s", "real s", "inputs/s", "us/input", "snapshot"
        )?;
    }
    let mut good = true;
    let violations = phases(members, seed, suite, elapsed, &mut |phase| {
        good &= phase.done;
        write_phase(&phase, members, as_json, out)
    })?;
    for violation in &violations {
        good = false;
        writeln!(out, "  {violation}")?;
    }
    Ok(good)
}

/// Runs one group of this size through meeting, talking, changing and refreshing, and stops where a phase
/// does not complete. Passes the costs of each phase to `report`, and returns the rules that were broken.
/// `elapsed` is the caller's clock: the simulator reads none.
///
/// # Errors
/// Those of `report`.
pub fn phases<E>(
    members: usize,
    seed: u64,
    suite: &Suite,
    elapsed: &mut dyn FnMut() -> Duration,
    report: &mut dyn FnMut(Phase) -> Result<(), E>,
) -> Result<Vec<Violation>, E> {
    let wishes = Wishes {
        members: Some(members),
        steps: 0,
        faults: Faults::none(),
        auto_include: Some(false),
        policy: Some(Rules::Everybody),
        deniable: Some(false),
        ..Wishes::default()
    };
    let mut plan = Plan::new(seed, &wishes);
    (plan.full_ack, plan.slowness) = (60, 40);
    plan.steps.clear();
    let mut world = World::new(suite, &plan);
    (world.saves, world.keeps_held, world.is_thorough) = (false, false, false);
    let phases: [(&'static str, Doing); 6] = [
        ("enter", enter),
        ("establish", establish),
        ("confirm", confirm),
        ("talk", talk),
        ("change", change),
        ("refresh", refresh),
    ];
    for (name, run) in phases {
        let (before, begun, clock) = (world.work, world.now, elapsed());
        let done = run(&mut world);
        let took = elapsed().saturating_sub(clock);
        let phase = Phase {
            name,
            done,
            work: Work {
                inputs: world.work.inputs - before.inputs,
                packets: world.work.packets - before.packets,
                bytes: world.work.bytes - before.bytes,
            },
            span: world.now.since(begun),
            took,
            snapshot: snapshot_bytes(&world),
        };
        report(phase)?;
        if !done {
            break;
        }
    }
    Ok(std::mem::take(&mut world.checks.violations))
}

fn write_phase(phase: &Phase, members: usize, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
    let Phase { name, work, .. } = phase;
    let seconds = phase.took.as_secs_f64();
    let rate = if seconds > 0.0 {
        work.inputs as f64 / seconds
    } else {
        0.0
    };
    let each = if work.inputs > 0 {
        seconds * 1e6 / work.inputs as f64
    } else {
        0.0
    };
    if as_json {
        let line = json!({
            "members": members, "phase": name, "done": phase.done, "inputs": work.inputs,
            "packets": work.packets, "bytes": work.bytes, "sim_s": phase.span.as_secs_f64(),
            "real_s": seconds, "inputs_per_s": rate, "snapshot_bytes": phase.snapshot,
        });
        return writeln!(out, "{line}");
    }
    writeln!(
        out,
        "  {name:<10} {:>10} {:>10} {:>12} {:>9.1} {seconds:>9.2} {rate:>10.0} {each:>10.1} {:>12}{}",
        work.inputs,
        work.packets,
        work.bytes,
        phase.span.as_secs_f64(),
        phase.snapshot,
        if phase.done { "" } else { "  NOT DONE" },
    )?;
    out.flush()
}

/// The mean over a few members; those of one group are much alike.
fn snapshot_bytes(world: &World<'_>) -> u64 {
    let some: Vec<u64> = (0..world.members.len().min(4))
        .filter_map(|who| world.peer(who))
        .map(|peer| peer.snapshot().len() as u64)
        .collect();
    some.iter().sum::<u64>() / (some.len() as u64).max(1)
}

/// Lets time pass until it is so, for a limited time.
fn wait(world: &mut World<'_>, is_so: impl Fn(&World<'_>) -> bool) -> bool {
    let members = u32::try_from(world.members.len()).unwrap_or(u32::MAX);
    let end = world.now.after(world.full_ack() * 4 + world.latency() * members);
    while world.now < end && !world.checks.is_hopeless() {
        world.run_until(world.now.after(world.latency()));
        if is_so(world) {
            return true;
        }
    }
    false
}

fn enter(world: &mut World<'_>) -> bool {
    for who in 0..world.members.len() {
        world.members[who].wants_in = true;
        world.command(who, |peer, cx| peer.join(cx).is_ok());
        if who == 0 {
            world.run_until(EPOCH.after(world.latency() * 2));
        }
    }
    let all = world.members.len();
    wait(world, |world| {
        world
            .peer(0)
            .is_some_and(|peer| peer.channel().is_some_and(|channel| channel.len() == all))
    })
}

fn propose(world: &mut World<'_>, who: Who, change: Change) -> bool {
    let asked = world.command(who, |peer, cx| peer.change(change, cx).is_ok());
    asked == Some(true)
}

fn establish(world: &mut World<'_>) -> bool {
    let include: MemberSet = world.members[1..]
        .iter()
        .map(|member| member.id.clone())
        .collect();
    propose(world, 0, Change::include(include)) && wait(world, crate::attack::is_one)
}

/// Everyone confirms the chain, and acknowledges that (O-10, L-2).
fn confirm(world: &mut World<'_>) -> bool {
    world.run_until(world.now.after(world.full_ack()));
    crate::attack::is_one(world)
}

fn talk(world: &mut World<'_>) -> bool {
    for round in 0..10 {
        let who = round * world.members.len() / 10;
        if !world.say(who, format!("{round} of {}", name(who)).as_bytes()) {
            return false;
        }
        world.run_until(world.now.after(world.latency() * 2));
    }
    let written: Vec<_> = world.checks.written.keys().copied().collect();
    wait(world, |world| {
        written.iter().all(|id| {
            let view = world
                .peer(0)
                .and_then(|peer| peer.message(id).map(|view| view.fully_acked));
            view == Some(true)
        })
    })
}

fn change(world: &mut World<'_>) -> bool {
    let last = world.members.len() - 1;
    let id = world.members[last].id.clone();
    world.members[last].wants_in = false;
    if !propose(world, 0, Change::exclude([id.clone()])) {
        return false;
    }
    let out = |world: &World<'_>| {
        world.state(last) == Some(SessionState::Parted)
            && (0..last).all(|who| world.peer(who).is_some_and(|peer| peer.members().len() == last))
    };
    wait(world, out) && propose(world, 0, Change::include([id])) && wait(world, crate::attack::is_one)
}

fn refresh(world: &mut World<'_>) -> bool {
    let before = world.peer(0).and_then(|peer| peer.subsession());
    propose(world, 0, Change::refresh())
        && wait(world, |world| {
            crate::attack::is_one(world) && world.peer(0).and_then(|peer| peer.subsession()) != before
        })
}
