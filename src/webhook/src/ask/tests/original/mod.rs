//! The original's annotations.

mod files;
mod generators;
mod keys;
mod server;
mod switches;
mod variables;

use esi_core::plan::Source;

use super::*;

const SERVER: (&str, &str) = ("old/federated-server-url", URL);
const ONE: (&str, &str) = ("old/federated-generators", "VaultDynamicSecret/platform/db");
const TWO: (&str, &str) = (
    "old/federated-generators",
    "PostgreSQL/platform/db,VaultDynamicSecret/platform/cloud",
);
const ENV: (&str, &str) = ("old/env-vars", "true");
const FILES: (&str, &str) = ("old/file-secrets", "true");
const USER: (&str, &str) = ("old/inject-on-env", "DB_USER=db.username");
const EXEC: (&str, &str) = ("esi/env-method", "exec");

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [SERVER, ONE].iter().chain(more).copied().collect()
}

fn with_two<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [SERVER, TWO].iter().chain(more).copied().collect()
}

fn generator(binding: &Binding) -> String {
    let Source::Generator(generator) = &binding.plan.source else {
        panic!("no generator")
    };
    generator.to_string()
}
