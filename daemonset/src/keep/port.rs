//! What the keeper needs of everything else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esi_client::Verdict;
use esi_core::Generation;
use esi_core::names::ServerName;

use super::error::{RotateError, SendError};
use crate::fill::Filled;
use crate::request::{Publish, VolumeId};
use crate::state::Record;

/// The volumes of the node and the servers. Each call ends in a bounded time by itself.
#[async_trait]
pub trait World: Send + Sync + fmt::Debug {
    /// All records, as they are now.
    fn records(&self) -> Vec<Record>;

    /// Whether the volume's pod has a token that could be shown to its server now.
    fn has_token(&self, volume: &Publish) -> bool;

    /// Tells a server what these volumes show, those that show anything. Every volume whose verdict was had is in the
    /// answer, also where a later part failed.
    async fn report(&self, server: &ServerName, volumes: Vec<Record>) -> Reported;

    /// Gives a volume its next generation, and says so to the server.
    ///
    /// # Errors
    /// If the volume still shows what it showed.
    async fn rotate(&self, volume: Arc<Publish>) -> Result<Filled, RotateError>;

    /// Tells a server that these volumes are gone, and forgets them. At most
    /// [`MAX_RELEASED_VOLUMES`](esi_api::MAX_RELEASED_VOLUMES).
    ///
    /// # Errors
    /// If any of them is not forgotten yet.
    async fn release(&self, server: &ServerName, volumes: Vec<VolumeId>) -> Result<(), SendError>;
}

/// What came of a report.
#[derive(Debug, Default)]
pub struct Reported {
    /// What the server says of each volume, and of which generation.
    pub verdicts: Vec<(VolumeId, Generation, Verdict)>,
    /// When it wants the next report.
    pub report_in: Option<Duration>,
    /// Why not all were reported.
    pub error: Option<SendError>,
}
