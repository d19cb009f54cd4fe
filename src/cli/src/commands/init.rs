//! `init`: fetch everything into the pod's volumes and env files, then end. Where a command of the pod is to be
//! started by `exec`, a copy of this program goes there too: first, since whatever fails without a credential is
//! better without one.

use super::{GIVE_BACK_AFTER_FAILURE, block_on};
use crate::config::Config;
use crate::deliver::Delivery;
use crate::exit::{Exit, Failure};
use crate::install::install;
use crate::session::Session;

/// Leaves the leases alive for the containers that start next.
///
/// # Errors
/// If not every plan is fulfilled; then what was fetched is given back: nobody knows whether kubelet will start this
/// container again, and until then it would live on unused.
pub(crate) fn init(config: Config) -> Result<u8, Failure> {
    if let Some(directory) = &config.install {
        install(directory).map_err(|source| Failure::Install {
            directory: directory.display().to_string(),
            source,
        })?;
    }
    let delivery = Delivery::new(config.volumes.clone(), Some(config.env_dir.clone()));
    block_on(|runtime| {
        runtime.block_on(async {
            let session = Session::new(config)?;
            if let Err(failure) = session.start(&delivery).await {
                session.give_back(GIVE_BACK_AFTER_FAILURE).await;
                return Err(failure);
            }
            Ok(Exit::Done.code())
        })
    })
}
