//! Which life of the node this is: what is in memory does not outlast it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the kernel says it: a UUID that is made anew at each boot, the same in every container (random(4)).
const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// One life of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(String);

impl BootId {
    /// Asks the kernel.
    ///
    /// # Errors
    /// If it does not say.
    pub fn read() -> std::io::Result<Self> {
        std::fs::read_to_string(PATH).map(|text| Self(text.trim().to_owned()))
    }

    /// One that a test chose.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
