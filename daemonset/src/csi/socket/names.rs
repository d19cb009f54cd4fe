//! Where the sockets are, below the kubelet root.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SocketError;
use super::bind::remove;
use crate::request::KubeletRoot;
use crate::state::BootId;

const SUFFIX: &str = "-reg.sock";
/// Digits of the boot id in a name: enough to tell this boot from the last.
const BOOT: usize = 8;

/// The paths of one driver's sockets in one boot of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `<root>/plugins/<driver>/csi.sock`. kubelet is told it.
    pub csi: PathBuf,
    /// `<root>/plugins_registry/<driver>-<boot>-reg.sock`. kubelet finds it. Named by the boot because kubelet's
    /// back-off goes by the path: what a dead socket of the last boot earned does not hold up this one.
    pub registration: PathBuf,
}

impl Paths {
    /// Of this driver.
    #[must_use]
    pub fn new(root: &KubeletRoot, driver: &str, boot: &BootId) -> Self {
        let boot: String = boot.to_string().chars().take(BOOT).collect();
        Self {
            csi: root.path().join("plugins").join(driver).join("csi.sock"),
            registration: registry(root).join(format!("{driver}-{boot}{SUFFIX}")),
        }
    }
}

/// Removes what earlier runs of this driver left in the registry: kubelet would dial them.
///
/// # Errors
/// If the registry cannot be read, or a socket of ours cannot be removed.
pub fn remove_stale(root: &KubeletRoot, driver: &str) -> Result<(), SocketError> {
    let registry = registry(root);
    let failed = |path: &Path, step, source| SocketError::Io {
        path: path.display().to_string(),
        step,
        source,
    };
    let entries: io::Result<Vec<_>> = fs::read_dir(&registry).and_then(Iterator::collect);
    for entry in entries.map_err(|source| failed(&registry, "reading the registry", source))? {
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| is_ours(name, driver))
        {
            let path = entry.path();
            remove(&path).map_err(|source| failed(&path, "removing an old one", source))?;
        }
    }
    Ok(())
}

fn registry(root: &KubeletRoot) -> PathBuf {
    root.path().join("plugins_registry")
}

/// A registration socket of exactly this driver: another's name may begin or end like it.
fn is_ours(name: &str, driver: &str) -> bool {
    let boot = name
        .strip_prefix(driver)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_suffix(SUFFIX));
    boot.is_some_and(|boot| boot.len() == BOOT && boot.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVER: &str = "esi.csi.external-secrets.io";

    #[test]
    fn sockets_are_where_kubelet_looks_for_them() {
        let root = KubeletRoot::new("/var/lib/kubelet").unwrap();
        let boot = BootId::new("0f1e2d3c-aaaa-bbbb-cccc-dddddddddddd");
        let paths = Paths::new(&root, DRIVER, &boot);
        let csi = "/var/lib/kubelet/plugins/esi.csi.external-secrets.io/csi.sock";
        assert_eq!(paths.csi, Path::new(csi));
        let registration = "/var/lib/kubelet/plugins_registry/esi.csi.external-secrets.io-0f1e2d3c-reg.sock";
        assert_eq!(paths.registration, Path::new(registration));
    }

    #[test]
    fn only_what_this_driver_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let registry = directory.path().join("plugins_registry");
        fs::create_dir(&registry).unwrap();
        let stale = format!("{DRIVER}-01234567-reg.sock");
        let others = [
            format!("{DRIVER}-reg.sock"),
            format!("{DRIVER}-other-01234567-reg.sock"),
            format!("x{DRIVER}-01234567-reg.sock"),
            "csi.tigera.io-reg.sock".to_owned(),
        ];
        for name in others.iter().chain([&stale]) {
            fs::write(registry.join(name), "").unwrap();
        }
        let root = KubeletRoot::new(directory.path().to_str().unwrap()).unwrap();
        remove_stale(&root, DRIVER).unwrap();
        assert!(!registry.join(stale).exists());
        for name in others {
            assert!(registry.join(&name).exists(), "{name} was removed");
        }
    }
}
