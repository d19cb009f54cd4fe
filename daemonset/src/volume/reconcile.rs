//! What kubelet's calls will not tell: records, mounts and kubelet's directories brought together.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use esi_core::chain;
use tracing::{info, warn};

use super::start::{Parts, next};
use super::table::{Table, Turn};
use super::unpublish;
use crate::mount::{self, MountError, Place, Seen};
use crate::request::{SOURCE_PREFIX, Target};
use crate::state::{Phase, Record};

/// What there is of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    /// It is mounted at its place.
    mounted: bool,
    /// It is mounted somewhere else: below another kubelet root than this process was told of.
    elsewhere: bool,
    /// kubelet has a directory for it.
    parent: bool,
    /// In which is a record, by which kubelet will unpublish it.
    kept: bool,
}

/// What comes of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// All is as it should be, or kubelet's next call makes it so.
    Left,
    /// Its file system is gone, after a reboot or by hand: it shows nothing until the next publish.
    Unmounted,
    /// kubelet has forgotten it, and so has its pod ended.
    Released,
    /// It was released, and kubelet will not come back for what is left.
    Cleaned,
}

fn fate(phase: Phase, facts: Facts) -> Fate {
    match facts {
        Facts {
            mounted: true,
            kept: false,
            ..
        } if phase == Phase::Releasing => Fate::Cleaned,
        // Pods may be using it.
        Facts { mounted: true, .. } | Facts { elsewhere: true, .. } => Fate::Left,
        Facts { parent: true, .. } if phase == Phase::Ready => Fate::Unmounted,
        Facts { parent: true, .. } => Fate::Left,
        Facts { .. } if phase == Phase::Releasing => Fate::Left,
        Facts { .. } => Fate::Released,
    }
}

pub(super) fn run(parts: &Parts, table: &Arc<Table>) {
    let mounts = match mount::Table::read() {
        Ok(mounts) => mounts,
        Err(error) => {
            warn!(error = %chain(&error), "the table of mounts cannot be read; volumes are not looked through");
            return;
        }
    };
    let sources: BTreeSet<&str> = mounts
        .0
        .iter()
        .filter(|entry| entry.source.starts_with(SOURCE_PREFIX))
        .map(|entry| entry.source.as_str())
        .collect();
    // With the turn, so that no call changes the volume meanwhile.
    for turn in table
        .records()
        .iter()
        .filter_map(|record| table.try_turn(&record.id))
    {
        let Some(record) = turn.record() else { continue };
        let facts = facts(parts, &record, &sources);
        let done = facts.and_then(|facts| meet(parts, &turn, record.clone(), fate(record.phase, facts)));
        if let Err(error) = done {
            warn!(volume = %record.id, error = %chain(&error), "a volume cannot be looked at");
        }
    }
    let known: BTreeSet<(String, String)> =
        table.records().iter().map(|record| key(&record.target)).collect();
    for target in strays(parts, &mounts) {
        if !known.contains(&key(&target)) {
            clean_stray(parts, &target);
        }
    }
}

fn key(target: &Target) -> (String, String) {
    (target.pod().to_string(), target.volume().to_owned())
}

fn facts(parts: &Parts, record: &Record, sources: &BTreeSet<&str>) -> Result<Facts, MountError> {
    let place = match parts.pods.place(&record.target) {
        Ok(place) => Some(place),
        Err(error) if error.is_absent() => None,
        Err(error) => return Err(error),
    };
    let mounted = match &place {
        Some(place) => matches!(place.look()?, Seen::Volume(_)),
        None => false,
    };
    Ok(Facts {
        mounted,
        elsewhere: !mounted && sources.contains(record.id.source().as_str()),
        parent: place.is_some(),
        kept: place.as_ref().map_or(Ok(false), Place::is_kept)?,
    })
}

fn meet(parts: &Parts, turn: &Turn, record: Record, fate: Fate) -> Result<(), MountError> {
    match fate {
        Fate::Left => Ok(()),
        Fate::Unmounted => {
            info!(volume = %record.id, target = %record.target, "a volume is not mounted any more; the next publish makes it again");
            let record = next(parts, record, Phase::Publishing);
            if let Err(error) = parts.store.replace(&record) {
                warn!(volume = %record.id, error = %chain(&error), "what became of a volume is not durable");
            }
            turn.set(Some(record));
            Ok(())
        }
        Fate::Released => {
            info!(volume = %record.id, target = %record.target, "a volume ended unseen and is released");
            let id = record.id.clone();
            unpublish::release(parts, turn, record);
            parts.keep.gone(&id);
            Ok(())
        }
        Fate::Cleaned => {
            let place = parts.pods.place(&record.target)?;
            clean(&place)
        }
    }
}

/// The volumes of ours that the table of mounts has below kubelet's directory of pods.
fn strays(parts: &Parts, mounts: &mount::Table) -> Vec<Target> {
    let Ok(pods) = parts.pods.path() else {
        return Vec::new();
    };
    mounts
        .0
        .iter()
        .filter(|entry| entry.kind == "tmpfs" && entry.source.starts_with(SOURCE_PREFIX))
        .filter_map(|entry| entry.point.strip_prefix(&pods).ok())
        .filter_map(target)
        .collect()
}

/// Takes `<pod UID>/volumes/kubernetes.io~csi/<volume name>/mount` apart.
fn target(path: &Path) -> Option<Target> {
    let mut parts = path.iter().map(|part| part.to_str().unwrap_or_default());
    let (pod, volume) = (parts.next()?.parse().ok()?, parts.nth(2)?);
    let target = Target::new(pod, volume.to_owned()).ok()?;
    (target.parent().join(Target::MOUNT) == path).then_some(target)
}

/// A volume of a daemon whose records are lost. Where kubelet knows it, its publish or unpublish comes.
fn clean_stray(parts: &Parts, target: &Target) {
    let cleaned = parts.pods.place(target).and_then(|place| {
        if place.is_kept()? {
            return Ok(false);
        }
        clean(&place).map(|()| true)
    });
    match cleaned {
        Ok(true) => info!(%target, "a volume that nobody knows is unmounted"),
        Ok(false) => info!(%target, "a volume has no record; it is left until kubelet's next call"),
        Err(error) => {
            warn!(%target, error = %chain(&error), "a volume that nobody knows cannot be unmounted")
        }
    }
}

fn clean(place: &Place) -> Result<(), MountError> {
    place.unmount()?;
    place.remove()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOTHING: Facts = Facts {
        mounted: false,
        elsewhere: false,
        parent: false,
        kept: false,
    };
    const DIRECTORY: Facts = Facts {
        parent: true,
        kept: true,
        ..NOTHING
    };
    const MOUNTED: Facts = Facts {
        mounted: true,
        ..DIRECTORY
    };

    #[rstest]
    #[case::the_daemon_restarted(MOUNTED, [Fate::Left, Fate::Left, Fate::Left])]
    #[case::kubelet_forgot_it(Facts { kept: false, ..MOUNTED }, [Fate::Left, Fate::Left, Fate::Cleaned])]
    #[case::the_node_rebooted(DIRECTORY, [Fate::Left, Fate::Unmounted, Fate::Left])]
    #[case::without_kubelets_record(Facts { kept: false, ..DIRECTORY }, [Fate::Left, Fate::Unmounted, Fate::Left])]
    #[case::its_pod_is_gone(NOTHING, [Fate::Released, Fate::Released, Fate::Left])]
    #[case::another_kubelet_root(Facts { elsewhere: true, ..NOTHING }, [Fate::Left, Fate::Left, Fate::Left])]
    fn after(#[case] facts: Facts, #[case] expected: [Fate; 3]) {
        let phases = [Phase::Publishing, Phase::Ready, Phase::Releasing];
        assert_eq!(phases.map(|phase| fate(phase, facts)), expected);
    }

    #[test]
    fn a_mount_that_is_no_volume_of_a_pod_is_nobodys_stray() {
        let good = "u-1/volumes/kubernetes.io~csi/esi-db/mount";
        assert_eq!(target(Path::new(good)).unwrap().volume(), "esi-db");
        for other in [
            "",
            "u-1",
            "u-1/volumes/kubernetes.io~empty-dir/esi-db/mount",
            "u-1/volumes/kubernetes.io~csi/esi-db",
            "u-1/volumes/kubernetes.io~csi/esi-db/mount/x",
            "u-1/volumes/kubernetes.io~csi/ESI/mount",
        ] {
            assert_eq!(target(Path::new(other)), None, "{other}");
        }
    }
}
