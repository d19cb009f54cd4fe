//! A generation's directory, complete before anybody can see it.

use esi_core::Generation;
use rustix::io::Errno;

use super::{File, name};
use crate::directory::Directory;
use crate::error::{DeliveryError, Load};

/// Directories: the owner writes (and later removes), the group may enter: a pod's containers often share
/// only that.
const DIRECTORY_BITS: u32 = 0o750;
/// Where a file lets others read, they must be able to get to it.
const OTHERS_ENTER: u32 = 0o005;

/// Writes `files` below a new directory of the volume and gives its name. Removes it again if that fails.
pub(super) fn stage(
    volume: &Directory,
    generation: Generation,
    files: &[File<'_>],
    load: Load,
) -> Result<String, DeliveryError> {
    let name = name::new(generation).map_err(|errno| load.failed("choose a name", errno))?;
    volume
        .make(name.as_str())
        .map_err(|errno| load.failed("make a directory", errno))?;
    if let Err(error) = fill(volume, &name, files, load) {
        volume.discard(name.as_str());
        return Err(error);
    }
    Ok(name)
}

fn fill(volume: &Directory, name: &str, files: &[File<'_>], load: Load) -> Result<(), DeliveryError> {
    let bits = directory_bits(files);
    let root = volume
        .child(name)
        .map_err(|errno| load.failed("open a directory", errno))?;
    for file in files {
        write(&root, file, bits, load)?;
    }
    // Until here only the owner could enter.
    root.permit(bits)
        .map_err(|errno| load.failed("set permissions", errno))
}

fn write(root: &Directory, file: &File<'_>, bits: u32, load: Load) -> Result<(), DeliveryError> {
    let mut below: Option<Directory> = None;
    let mut components = file.path.components().peekable();
    while let Some(component) = components.next() {
        let directory = below.as_ref().unwrap_or(root);
        if components.peek().is_some() {
            let child =
                enter(directory, component, bits).map_err(|errno| load.failed("make a directory", errno))?;
            below = Some(child);
        } else {
            directory
                .create(component, file.mode.bits(), file.content.expose())
                .map_err(|errno| load.failed("write a file", errno))?;
        }
    }
    Ok(())
}

/// Opens a directory, which another file may have made before.
fn enter(directory: &Directory, name: &str, bits: u32) -> rustix::io::Result<Directory> {
    let made = match directory.make(name) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno),
    };
    let child = directory.child(name)?;
    if made {
        child.permit(bits)?;
    }
    Ok(child)
}

fn directory_bits(files: &[File<'_>]) -> u32 {
    let others_read = files.iter().any(|file| file.mode.bits() & 0o004 != 0);
    if others_read {
        DIRECTORY_BITS | OTHERS_ENTER
    } else {
        DIRECTORY_BITS
    }
}
