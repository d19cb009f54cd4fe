//! `esi-cli`: fetches a workload's credentials, delivers them as files and variables, and gives them back.
//!
//! ```text
//!  args ──▶ config ──▶ session: issue ─▶ render ─▶ deliver ─▶ acknowledge   (calls: esi-client)
//!                        │
//!        init: ends      │  exec: becomes the command      run: keeps, rotates, revokes
//! ```
//!
//! Invariants: it trusts the CA it is given and no other; a value goes nowhere but into the files and variables
//! that a plan names; every wait ends by one deadline.

mod app;
mod args;
mod command;
mod commands;
mod config;
mod deliver;
mod environ;
mod exit;
mod harden;
mod install;
mod log;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(app::main())
}
