//! The formats that hold a whole credential, and the env file of a binding.

mod dotenv;
mod env;
mod json;

pub(crate) use dotenv::dotenv;
pub(crate) use env::env;
pub use env::env_file;
pub(crate) use json::json;
