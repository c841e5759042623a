//! The program as its users have it: processes, pipes, exit codes. Every wait is for something that must
//! come, and has an end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait by the clock"
)]

mod chat;
mod command_line;
mod demo;
mod process;
mod relay;
mod scenario;
