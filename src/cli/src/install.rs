//! A copy of this program in a volume, for the containers that start after the one of `init`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// What the copy is called.
const NAME: &str = "esi-cli";
/// What it is called until it is whole. Always the same: what an attempt that was killed left is replaced by the next
/// one, and never adds up to the size limit of the volume.
const UNFINISHED: &str = ".esi-cli.unfinished";
/// Whoever may see the volume may run it, and nobody may change it.
const MODE: u32 = 0o555;

/// Copies this program into `directory`, whole or not at all, in place of an older copy. The kernel copies, or a few
/// KiB at a time go through memory.
///
/// # Errors
/// If the directory is missing, full or not writable.
pub(crate) fn install(directory: &Path) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED);
    discard(&unfinished)?;
    copy(&unfinished)
        .and_then(|()| fs::rename(&unfinished, directory.join(NAME)))
        .inspect_err(|_error| {
            // The next attempt discards it too, and says why it cannot.
            discard(&unfinished).unwrap_or_default();
        })
}

fn copy(to: &Path) -> io::Result<()> {
    let mut program = File::open("/proc/self/exe")?;
    let mut copy = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut program, &mut copy)?;
    // Not at its creation: there the umask has its say.
    copy.set_permissions(Permissions::from_mode(MODE))
}

fn discard(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
