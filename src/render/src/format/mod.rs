//! The formats that hold a whole credential, and the two files that hold a binding's variables.

mod dotenv;
mod env;
mod environ;
mod json;

pub(crate) use dotenv::dotenv;
pub(crate) use env::env;
pub use env::env_file;
pub use environ::{EnvironError, environ, read_environ};
pub(crate) use json::json;
