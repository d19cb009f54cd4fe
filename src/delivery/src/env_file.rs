//! The env file of a binding, from which kubelet reads variables.

use esi_core::SecretBytes;
use esi_core::plan::RelativePath;
use rustix::io::Errno;

use crate::directory::{Directory, is_random_suffix, random_suffix};
use crate::error::{DeliveryError, Load};
use crate::volume::Volume;

/// kubelet reads it as root of the host, and no container needs to: the variables are in its environment.
const OWNER_READS: u32 = 0o400;

/// Writes `content` as the file `name` (`<binding>.env`) of `directory`, whole: kubelet reads it at every start
/// of a container and sees the older content or the newer. Its mode is 0400.
///
/// Several bindings share the directory, so nothing but this name and this name's own leftovers is touched.
///
/// # Errors
/// See [`DeliveryError`]; the older file is then unchanged.
pub fn write_env_file(directory: &Volume, name: &str, content: &SecretBytes) -> Result<(), DeliveryError> {
    let load = Load {
        bytes: content.len(),
        files: 1,
    };
    check(name)?;
    let directory = directory.directory();
    sweep(directory, name);
    let temporary = random_suffix()
        .map(|suffix| format!("..{name}.{suffix}"))
        .map_err(|errno| load.failed("choose a name", errno))?;
    let written = directory
        .create(&temporary, OWNER_READS, content.expose())
        .and_then(|()| directory.rename(&temporary, name));
    written.map_err(|errno| {
        directory.discard(temporary.as_str());
        match errno {
            Errno::ISDIR => DeliveryError::Occupied {
                name: name.to_owned(),
            },
            errno => load.failed("write the env file", errno),
        }
    })
}

/// Longest name: `..`, `.` and the suffix are added to it, within the 255 bytes of a file system.
const MAX_NAME_BYTES: usize = 255 - 3 - 16;

fn check(name: &str) -> Result<(), DeliveryError> {
    let plain = name
        .parse::<RelativePath>()
        .is_ok_and(|path| path.components().count() == 1);
    if plain && name.len() <= MAX_NAME_BYTES {
        Ok(())
    } else {
        Err(DeliveryError::BadName {
            name: name.chars().take(MAX_NAME_BYTES).collect(),
        })
    }
}

/// Removes what a crash between the write and the rename left.
fn sweep(directory: &Directory, name: &str) {
    for entry in directory.entries().unwrap_or_default() {
        let leftover = entry
            .to_str()
            .ok()
            .and_then(|entry| entry.strip_prefix("..")?.strip_prefix(name)?.strip_prefix('.'))
            .is_some_and(is_random_suffix);
        if leftover {
            directory.discard(entry.as_c_str());
        }
    }
}
