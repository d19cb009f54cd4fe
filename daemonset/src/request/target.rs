//! Where kubelet wants a volume.

use std::fmt;
use std::path::{Path, PathBuf};

use esi_core::names::{NameError, Uid};

const PODS: &str = "pods";
const VOLUMES: &str = "volumes/kubernetes.io~csi";
/// The memory volume of a pod's env files, which the webhook adds to it, as kubelet names its directory.
const ENV: &str = "volumes/kubernetes.io~empty-dir/esi-env";
/// What kubelet makes once that volume is mounted and has its owner.
const ENV_READY: &str = "plugins/kubernetes.io~empty-dir/esi-env/ready";
const MOUNT: &str = "mount";

/// kubelet's own directory, such as `/var/lib/kubelet`; the same path for kubelet and for the daemon, because kubelet
/// names targets by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeletRoot(PathBuf);

impl KubeletRoot {
    /// Takes an absolute path without `.`, `..`, doubled or trailing slashes.
    ///
    /// # Errors
    /// If it is another.
    pub fn new(path: &str) -> Result<Self, NameError> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        match path.strip_prefix('/') {
            Some(rest) if rest.split('/').all(plain) => Ok(Self(path.into())),
            _ => {
                let rule = "write an absolute path without `.`, `..`, doubled or trailing slashes";
                Err(NameError::new("kubelet root", rule, path))
            }
        }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The directory of all pods, which no pod controls: what is opened below it follows no link.
    #[must_use]
    pub fn pods(&self) -> PathBuf {
        self.0.join(PODS)
    }
}

/// `<root>/pods/<pod UID>/volumes/kubernetes.io~csi/<volume name>/mount`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pod: Uid,
    volume: String,
}

impl Target {
    /// Takes a target path apart, component by component.
    ///
    /// # Errors
    /// If it has any other shape: nothing outside a pod's own volume directory can be named.
    pub fn parse(root: &KubeletRoot, path: &str) -> Result<Self, NameError> {
        let rule = "kubelet's target is <root>/pods/<pod UID>/volumes/kubernetes.io~csi/<volume name>/mount";
        let error = || NameError::new("target path", rule, path);
        let root = root.path().to_str().ok_or_else(error)?;
        let below = path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
        let parts: Vec<&str> = below.ok_or_else(error)?.split('/').collect();
        let [PODS, pod, "volumes", "kubernetes.io~csi", volume, MOUNT] = parts.as_slice() else {
            return Err(error());
        };
        Self::new(
            pod.parse().map_err(|_shape: NameError| error())?,
            (*volume).to_owned(),
        )
        .map_err(|_shape| error())
    }

    /// Puts a target together from the pod's UID and the volume's name.
    ///
    /// # Errors
    /// If the one is no name of a directory, or the other no RFC 1123 label.
    pub fn new(pod: Uid, volume: String) -> Result<Self, NameError> {
        // `.` and `..` are no UIDs of Kubernetes, though its rule for opaque ids does not say so.
        if pod.as_str().bytes().all(|byte| byte == b'.') {
            return Err(NameError::new(
                "pod UID",
                "it may not be made of dots",
                pod.as_str(),
            ));
        }
        if !is_label(&volume) {
            return Err(NameError::new("volume name", "write an RFC 1123 label", &volume));
        }
        Ok(Self { pod, volume })
    }

    /// The pod whose volume it is.
    #[must_use]
    pub fn pod(&self) -> &Uid {
        &self.pod
    }

    /// The volume's name in the pod: an RFC 1123 label.
    #[must_use]
    pub fn volume(&self) -> &str {
        &self.volume
    }

    /// The directory that kubelet made for the volume, relative to [`KubeletRoot::pods`]. The mount is its
    /// [`Target::MOUNT`].
    #[must_use]
    pub fn parent(&self) -> PathBuf {
        Path::new(self.pod.as_str()).join(VOLUMES).join(&self.volume)
    }

    /// The pod's directory of env files, relative to [`KubeletRoot::pods`].
    #[must_use]
    pub fn env_directory(&self) -> PathBuf {
        Path::new(self.pod.as_str()).join(ENV)
    }

    /// The file that kubelet makes once that directory is ready, relative to [`KubeletRoot::pods`]. It survives a
    /// reboot, which the directory's mount does not.
    #[must_use]
    pub fn env_ready(&self) -> PathBuf {
        Path::new(self.pod.as_str()).join(ENV_READY)
    }

    /// The name of the mount point in [`Target::parent`].
    pub const MOUNT: &'static str = MOUNT;

    /// The whole path, as kubelet wrote it.
    #[must_use]
    pub fn path(&self, root: &KubeletRoot) -> PathBuf {
        root.pods().join(self.parent()).join(MOUNT)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "volume {} of pod {}", self.volume, self.pod)
    }
}

fn is_label(text: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().copied().is_some_and(is_edge)
        && bytes.last().copied().is_some_and(is_edge)
        && bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ROOT: &str = "/var/lib/kubelet";

    fn parse(path: &str) -> Result<Target, NameError> {
        Target::parse(&KubeletRoot::new(ROOT).unwrap(), path)
    }

    #[test]
    fn a_target_is_taken_apart_and_put_together_again() {
        let path = "/var/lib/kubelet/pods/0b4b3b2e-1/volumes/kubernetes.io~csi/esi-db/mount";
        let target = parse(path).unwrap();
        assert_eq!((target.pod().as_str(), target.volume()), ("0b4b3b2e-1", "esi-db"));
        assert_eq!(target.path(&KubeletRoot::new(ROOT).unwrap()), Path::new(path));
    }

    #[rstest]
    #[case::elsewhere("/etc/pods/u/volumes/kubernetes.io~csi/v/mount")]
    #[case::beside("/var/lib/kubelet2/pods/u/volumes/kubernetes.io~csi/v/mount")]
    #[case::up("/var/lib/kubelet/pods/../volumes/kubernetes.io~csi/v/mount")]
    #[case::dot("/var/lib/kubelet/pods/./volumes/kubernetes.io~csi/v/mount")]
    #[case::up_in_the_volume("/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/../mount")]
    #[case::another_plugin("/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/v/mount")]
    #[case::deeper("/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/v/mount/x")]
    #[case::trailing("/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/v/mount/")]
    #[case::not_the_mount("/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/v/other")]
    #[case::doubled("/var/lib/kubelet//pods/u/volumes/kubernetes.io~csi/v/mount")]
    #[case::relative("pods/u/volumes/kubernetes.io~csi/v/mount")]
    #[case::empty("")]
    fn nothing_else_can_be_named(#[case] path: &str) {
        assert!(parse(path).is_err(), "{path} was taken");
    }

    #[test]
    fn the_root_is_an_absolute_path_without_detours() {
        assert!(KubeletRoot::new("/var/snap/microk8s/common/var/lib/kubelet").is_ok());
        for bad in ["", "/", "var/lib", "/var/../lib", "/var//lib", "/var/lib/"] {
            assert!(KubeletRoot::new(bad).is_err(), "{bad} was taken");
        }
    }
}
