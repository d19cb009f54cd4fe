//! A binding, and what follows from it for the pod.

use esi_resources::injection::Delivery;

use super::error::{MutateError, shown_list};
use super::names::{BIN_VOLUME, ENV_VOLUME, INIT_VOLUMES, NOTHING, TOKEN_VOLUME, volume_of};
use crate::ask::{Asked, Binding};
use crate::config::{Configuration, Server, VolumeKind};
use crate::world::{EnvFiles, World};

/// A binding, and what follows from it for the pod.
#[derive(Debug)]
pub(super) struct Share<'a> {
    pub(super) binding: &'a Binding,
    /// Whom it is fetched from.
    pub(super) server: &'a Server,
    /// The name of its volume.
    pub(super) volume: String,
    /// Where the init container has that volume.
    pub(super) init_path: String,
    /// Its env file, in [`ENV_VOLUME`].
    pub(super) env_path: String,
    /// What that volume is; absent where it needs none.
    pub(super) carrier: Option<VolumeKind>,
    /// What containers see of the volume.
    pub(super) view: View,
    /// Whether kubelet reads its variables from [`ENV_VOLUME`].
    pub(super) env_file: bool,
    /// Whether commands are started with its variables.
    pub(super) exec: bool,
}

/// What the containers of a binding see of its volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// Its files.
    Files,
    /// An empty directory, here: only so that kubelet fills the volume.
    Nothing(String),
    /// No mount.
    Hidden,
}

impl<'a> Share<'a> {
    fn new(binding: &'a Binding, server: &'a Server, kind: VolumeKind) -> Self {
        let plan = &binding.plan;
        let exec = plan.has_environ();
        let shows = exec || !plan.files.is_empty();
        let volume = volume_of(plan.binding.as_str());
        let view = match (shows, binding.delivery) {
            (true, _) => View::Files,
            (false, Delivery::Node) => View::Nothing(format!("{NOTHING}{volume}")),
            (false, Delivery::Init) => View::Hidden,
        };
        // The driver's volume is there without files too: with it, the node daemon knows of the lease.
        let carrier = (shows || kind == VolumeKind::Csi).then_some(kind);
        let env_file = plan.has_variables() && !exec;
        Self {
            binding,
            server,
            volume,
            init_path: format!("{INIT_VOLUMES}{}", plan.binding),
            env_path: format!("{}.env", plan.binding),
            carrier,
            view,
            env_file,
            exec,
        }
    }

    /// Whether the init container fetches it.
    pub(super) fn by_init(&self) -> bool {
        self.binding.delivery == Delivery::Init
    }

    /// What messages call the place where it is stated.
    pub(super) fn origin(&self) -> String {
        self.binding.origin.clone()
    }
}

/// Derives what follows from each binding.
///
/// # Errors
/// If one cannot be had in this cluster, or not beside another.
pub(super) fn derive<'a>(
    asked: &'a Asked,
    world: &World,
    configuration: &'a Configuration,
) -> Result<Vec<Share<'a>>, MutateError> {
    let mut shares: Vec<Share<'a>> = Vec::with_capacity(asked.bindings.len());
    for binding in &asked.bindings {
        let share = Share::new(binding, server(binding, configuration)?, asked.options.volume);
        if [ENV_VOLUME, TOKEN_VOLUME, BIN_VOLUME].contains(&share.volume.as_str()) {
            let binding = share.binding.plan.binding.to_string();
            return Err(MutateError::ReservedBinding {
                origin: share.origin(),
                binding,
            });
        }
        if shares.iter().any(|other| other.volume == share.volume) {
            let binding = share.binding.plan.binding.to_string();
            return Err(MutateError::SameBinding {
                origin: share.origin(),
                binding,
            });
        }
        check_together(&share, asked.options.volume)?;
        if share.env_file {
            check_env_files(&share, &world.env_files)?;
        }
        shares.push(share);
    }
    Ok(shares)
}

fn server<'a>(binding: &Binding, configuration: &'a Configuration) -> Result<&'a Server, MutateError> {
    let name = &binding.plan.server;
    configuration
        .servers
        .get(name)
        .ok_or_else(|| MutateError::UnknownServer {
            origin: binding.origin.clone(),
            server: name.to_string(),
            known: shown_list(configuration.servers.keys().map(|name| name.as_str())),
        })
}

fn check_together(share: &Share<'_>, kind: VolumeKind) -> Result<(), MutateError> {
    if share.by_init() {
        return Ok(());
    }
    let together = |other, remedy| {
        let (origin, one) = (share.origin(), "`delivery: node`");
        Err(MutateError::Together {
            origin,
            one,
            other,
            remedy,
        })
    };
    if kind == VolumeKind::EmptyDir {
        return together(
            "`volume: emptydir`, which no daemon fills",
            "write `delivery: init`",
        );
    }
    if share.exec {
        return together(
            "`env-method: exec`, whose program the init container brings",
            "write `delivery: init`",
        );
    }
    Ok(())
}

fn check_env_files(share: &Share<'_>, env_files: &EnvFiles) -> Result<(), MutateError> {
    let what = match env_files {
        EnvFiles::Supported => return Ok(()),
        EnvFiles::TooOld { what, version } => format!("{what} has {version}"),
        EnvFiles::Unknown => "it is not known yet what this cluster has".to_owned(),
    };
    Err(MutateError::EnvFiles {
        origin: share.origin(),
        what,
    })
}
