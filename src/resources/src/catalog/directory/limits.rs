//! How much a catalog's directory may hold. Far above what a person writes, far below what hurts a server.

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// All files together, in bytes: a reload holds them in memory once.
pub const MAX_TOTAL_BYTES: u64 = 64 * 1024 * 1024;
/// Most files.
pub const MAX_FILES: usize = 1_000;
/// Most directories: each is watched, and a process may watch only so many.
pub const MAX_DIRECTORIES: usize = 100;
/// Most objects that the catalog holds.
pub const MAX_OBJECTS: usize = 20_000;
/// How deep below the directory files are looked for: the directory itself is 0.
pub const MAX_DEPTH: usize = 4;
