//! The `concilium` program: a demonstration, a chat for the terminal, a relay, scenarios, and the simulator.
//!
//! | module | what it is about |
//! |---|---|
//! | `args` | the command line |
//! | `driver` | the thin async driver: a session, its channel on a relay, the clock |
//! | `clock` | the only reader of time and of the system's randomness |
//! | `identity`, `known_keys`, `introduction` | our key, the keys of others, and how they are shown |
//! | `chat`, `demo`, `relay` | the commands for people |
//! | `scenario`, `sim` | the commands of the laboratory, with the feature `lab` |
//! | `text`, `place`, `screen` | bytes of others on a terminal; files; lines out |
//!
//! It exits with 0 if all went well, 1 if something failed, and 2 if it was called in a wrong way.

mod args;
mod chat;
mod clock;
mod demo;
mod driver;
mod identity;
mod introduction;
mod known_keys;
mod place;
mod relay;
#[cfg(feature = "lab")]
mod scenario;
mod screen;
#[cfg(feature = "lab")]
mod sim;
mod text;

use std::process::ExitCode;

use args::{Command, Stop};

/// Something failed.
const FAILED: u8 = 1;

/// The command line, or a scenario file, cannot be understood.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    log_to_stderr();
    let command = match args::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(Stop::Show(text)) => {
            screen::out(text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(line)) => {
            screen::error(&line);
            return ExitCode::from(WRONG);
        }
    };
    let result = match command {
        Command::Demo(args) => on_runtime(demo::run(args)),
        Command::Chat(args) => on_runtime(chat::run(args)),
        Command::Relay(args) => on_runtime(relay::run(args)),
        #[cfg(feature = "lab")]
        Command::Scenario(args) => return ExitCode::from(scenario::run(&args)),
        #[cfg(feature = "lab")]
        Command::Sim(args) => return ExitCode::from(sim::run(&args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen::error(&error.to_string());
            ExitCode::from(FAILED)
        }
    }
}

/// What a command fails with: shown in one line, and every one of them says what to do.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    #[error(transparent)]
    Chat(#[from] chat::ChatError),
    #[error(transparent)]
    Relay(#[from] relay::RelayError),
    #[error("this system gives no threads or timers: {0}; close other programs and try again")]
    Runtime(std::io::Error),
}

fn on_runtime<E>(command: impl Future<Output = Result<(), E>>) -> Result<(), Failure>
where
    Failure: From<E>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let result = runtime.block_on(command);
    // Tasks that are left over are not worth waiting for: the command has waited for those that matter.
    runtime.shutdown_background();
    Ok(result?)
}

/// Logs help to find a fault: none unless RUST_LOG asks for them, and never on standard output.
fn log_to_stderr() {
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_writer(std::io::stderr)
            .init();
    }
}
