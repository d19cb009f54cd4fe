//! Reading a file of bounded size.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The bytes of a file.
///
/// # Errors
/// If it cannot be read, or has more than `max` bytes: then no more than that was read.
pub fn read_bounded(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {max} bytes, the most that is read"),
        ));
    }
    Ok(bytes)
}
