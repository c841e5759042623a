//! A process of the program, with its lines.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long anything may take that must come: far more than it does, as the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running program. Dropping it ends it.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// What a program that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concilium"));
    command.args(arguments).env_remove("RUST_LOG");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end, with nothing to read.
pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
    Program::spawn(command(arguments)).end()
}

/// Starts the program.
pub(crate) fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Program {
    Program::spawn(command(arguments))
}

/// As [`start`], with a place of its own for its files.
pub(crate) fn start_at(
    home: &std::path::Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Program {
    let mut command = command(arguments);
    command.env("XDG_CONFIG_HOME", home);
    Program::spawn(command)
}

const STDERR: &str = "stderr: ";

impl Program {
    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr_sender = sender.clone();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = stderr_sender.send(format!("{STDERR}{line}"));
            }
        });
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            lines,
            seen: Vec::new(),
        }
    }

    /// Waits for a line with this part, from now on.
    pub(crate) fn expect(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("{part:?} did not come ({error}); seen:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Writes a line to its input.
    pub(crate) fn say(&mut self, line: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(&[line.as_ref(), b"\n"].concat()).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends it a signal, by name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Closes its input, and waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.stdin.take());
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                // Both outputs are closed.
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; seen:\n{}", self.seen.join("\n")),
            }
        }
        let code = self.child.wait().unwrap().code();
        let seen = std::mem::take(&mut self.seen);
        let (stderr, stdout): (Vec<String>, Vec<String>) =
            seen.into_iter().partition(|line| line.starts_with(STDERR));
        let stderr = stderr
            .iter()
            .map(|line| line[STDERR.len()..].to_owned())
            .collect();
        Ended { code, stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
