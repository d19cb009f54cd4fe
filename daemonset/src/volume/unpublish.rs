//! Unpublish: a volume is gone, and what is to be released is durable.

use esi_core::chain;
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use tracing::{debug, warn};

use super::port::UnpublishError;
use super::start::{Parts, next};
use super::table::Turn;
use crate::mount::MountError;
use crate::request::Unpublish;
use crate::state::{Phase, Record};

pub(super) fn run(parts: &Parts, turn: &Turn, request: &Unpublish) -> Result<(), UnpublishError> {
    let record = turn.record();
    if let Some(record) = &record {
        release(parts, turn, record.clone());
    }
    parts.checkpoint.reach("unpublish/recorded");
    match parts.pods.place(&request.target) {
        Ok(place) => {
            place.unmount().map_err(unmount)?;
            parts.checkpoint.reach("unpublish/unmounted");
            place.remove().map_err(unmount)?;
            parts.checkpoint.reach("unpublish/removed");
        }
        // kubelet has removed its directory, so nothing is in it.
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(unmount(error)),
    }
    if let Some(record) = &record {
        remove_env_file(parts, record);
    }
    parts.checkpoint.reach("unpublish/done");
    parts.keep.gone(&request.id);
    Ok(())
}

/// Records that the volume is to be released. A disk without room does not keep a pod from being deleted: the older
/// record stays there, and names a volume whose directory will be gone; the next start finds that out.
pub(super) fn release(parts: &Parts, turn: &Turn, record: Record) {
    if record.phase == Phase::Releasing {
        return;
    }
    let record = next(parts, record, Phase::Releasing);
    if let Err(error) = parts.store.replace(&record) {
        warn!(volume = %record.id, error = %chain(&error), "a release is not durable yet");
    }
    turn.set(Some(record));
}

/// The pod's memory volume ends with the pod; a container that starts until then is not to read what is revoked.
fn remove_env_file(parts: &Parts, record: &Record) {
    if !record.plan.has_variables() || record.plan.has_environ() {
        return;
    }
    let name = format!("{}.env", record.plan.binding);
    let removed = parts
        .pods
        .directory(&record.target.env_directory())
        .and_then(
            |directory| match unlinkat(directory, name.as_str(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(MountError {
                    action: "remove an env file",
                    source: errno.into(),
                }),
            },
        );
    if let Err(error) = removed {
        debug!(volume = %record.id, error = %chain(&error), "an env file is left to kubelet");
    }
}

fn unmount(error: MountError) -> UnpublishError {
    UnpublishError::Unmount(Box::new(error))
}
