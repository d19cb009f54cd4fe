//! `PostgreSQL`: users at a real server are made, renewed and ended, with an admin of the lowest privileges.

mod faults;
mod issue;
mod late;
mod revoke;
mod tls;
mod world;
