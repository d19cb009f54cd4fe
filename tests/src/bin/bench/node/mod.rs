//! The shipped node daemon, release build, in a mount namespace of its own, called as kubelet calls it.
//!
//! ```text
//!  publish ──▶ one volume after the other: how late, at the client; what of that is the disk's
//!  crowd ────▶ a thousand volumes at once, each in kubelet's three connections
//!  steady ───▶ 250 filled by a real server: what the daemon adds to it, its memory, and its processor time later on
//! ```
//!
//! The records are on the disk that holds the build: a temporary directory may be in memory, where durable costs nothing.

mod calls;
mod crowd;
mod publish;
mod scene;
mod steady;

use anyhow::Result;

use crate::table::Table;

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    publish::measure(table).await?;
    crowd::measure(table).await?;
    steady::measure(table).await
}
