//! `init`: fetch everything into the pod's volumes and env files, then end.

use super::block_on;
use crate::config::Config;
use crate::deliver::Delivery;
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Leaves the leases alive for the containers that start next. After a failure they are left too: kubelet starts
/// this container again, and its next issue takes the place of what nobody acknowledged.
///
/// # Errors
/// If not every plan is fulfilled.
pub(crate) fn init(config: Config) -> Result<u8, Failure> {
    let delivery = Delivery::new(config.volumes.clone(), Some(config.env_dir.clone()));
    block_on(|runtime| runtime.block_on(async { Session::new(config)?.start(&delivery).await }))?;
    Ok(Exit::Done.code())
}
