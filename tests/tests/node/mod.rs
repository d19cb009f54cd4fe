//! The node daemon's parts against the shipped server and a real PostgreSQL.

mod fill;
mod manifests;
