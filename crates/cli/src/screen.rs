//! Lines out.

use std::io::{self, Write};

/// A line on standard output. If its reader is gone, the program has no purpose left and ends, quietly.
pub(crate) fn out(line: &str) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

/// What went wrong, in one line on standard error.
pub(crate) fn error(line: &str) {
    let _ = writeln!(io::stderr().lock(), "concilium: {line}");
}
