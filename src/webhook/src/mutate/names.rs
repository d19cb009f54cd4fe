//! What is ours in a pod, by name. Manifests, policies and other programs know these names: they never change.

/// The annotation that marks a pod: `<version>:<hash>`.
pub const INJECTED_ANNOTATION: &str = "esi.external-secrets.io/injected";
/// The label that marks a pod, of the same name, so that pods can be watched by it.
pub const INJECTED_LABEL: &str = "esi.external-secrets.io/injected";
/// The value of [`INJECTED_LABEL`].
pub const INJECTED_LABEL_VALUE: &str = "true";
/// The annotation by which a pod says where the init container goes.
pub const INIT_POSITION_ANNOTATION: &str = "esi.external-secrets.io/init-position";
/// The node daemon's driver.
pub const DRIVER: &str = "esi.csi.external-secrets.io";
/// The init container.
pub const INIT_CONTAINER: &str = "esi-init";
/// The volume of env files.
pub const ENV_VOLUME: &str = "esi-env";
/// The volume of tokens.
pub const TOKEN_VOLUME: &str = "esi-token";
/// The volume of the program that wraps commands.
pub const BIN_VOLUME: &str = "esi-bin";
/// What comes before a binding's name in the name of its volume.
pub const VOLUME_PREFIX: &str = "esi-";

/// Where the init container finds a binding's volume: below here, by the binding's name.
pub(super) const INIT_VOLUMES: &str = "/esi/volumes/";
/// Where the init container writes env files.
pub(super) const INIT_ENV: &str = "/esi/env";
/// Where the init container finds its tokens.
pub(super) const INIT_TOKENS: &str = "/var/run/esi";
/// Where the program that wraps commands is, in the init container and in wrapped ones.
pub(super) const BIN: &str = "/esi/bin";
/// The program that wraps commands.
pub(super) const PROGRAM: &str = "/esi/bin/esi-cli";
/// Where a volume is mounted that has nothing to show, by the volume's name. kubelet skips what nobody mounts.
pub(super) const NOTHING: &str = "/var/run/secrets/esi/.none/";
/// The empty directory of a volume that is shown in such a place.
pub(super) const NOTHING_SUB_PATH: &str = ".none";

/// The name of a binding's volume.
pub(super) fn volume_of(binding: &str) -> String {
    format!("{VOLUME_PREFIX}{binding}")
}
