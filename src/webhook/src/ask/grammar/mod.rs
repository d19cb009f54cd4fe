//! The grammars of annotation values: text to parts, each with the entry it comes from. What the parts may be is
//! decided by the plan's own reader, so that there is one validator.
//!
//! ```text
//!  "DB_USER=username,DB_PASS=password" ──list──▶ entries ──env──▶ Variables
//!  "db.json=json,password=.password"   ──list──▶ entries ──files──▶ File
//! ```

mod env;
mod files;
mod list;
mod position;

pub(super) use env::{Variable, variables};
pub(super) use files::{File, Shown, files};
pub(super) use list::{at, entries, word};
pub(super) use position::position;
