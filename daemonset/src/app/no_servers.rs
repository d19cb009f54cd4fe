//! A daemon that knows no federation server: the pods' init containers fill their volumes themselves.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use esi_core::{Classify, Code, Retry};
use thiserror::Error;

use crate::fill::{Fill, FillError, Filled};
use crate::request::Publish;

/// Fills nothing.
#[derive(Debug)]
pub(super) struct NoServers;

/// Delivery `node` was asked of a daemon without servers.
#[derive(Debug, Error)]
#[error("the node daemon has no federation server: write `delivery: init`")]
struct NoServer;

impl Classify for NoServer {
    // Not final, although it may last: the volume has a record by now, which an unpublish removes.
    fn code(&self) -> Code {
        Code::Unavailable
    }

    fn retry(&self) -> Retry {
        Retry::Backoff
    }

    fn kind(&self) -> &'static str {
        "no_server"
    }
}

#[async_trait]
impl Fill for NoServers {
    async fn fill(&self, _: &Publish, _: OwnedFd) -> Result<Filled, FillError> {
        Err(FillError::new(NoServer))
    }

    async fn shown(&self, _: &Publish, _: &Filled) {}

    async fn give_back(&self, _: &Publish) {}
}
