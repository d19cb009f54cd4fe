//! The bounds of a plan, and why they are what they are.

use std::time::Duration;

/// Bytes of a plan's JSON text. A volume attribute travels through etcd, whose objects hold 1.5 MiB.
pub const MAX_BYTES: usize = 64 * 1024;
/// Files of one binding.
pub const MAX_FILES: usize = 64;
/// Variables of one binding.
pub const MAX_VARIABLES: usize = 128;
/// Bytes of one template.
pub const MAX_TEMPLATE_BYTES: usize = 16 * 1024;
/// Bytes of a file's path below the volume.
pub const MAX_PATH_BYTES: usize = 512;
/// Components of a file's path. Each costs a descriptor-relative open.
pub const MAX_PATH_COMPONENTS: usize = 8;
/// Bytes of one component: `NAME_MAX` of every Linux file system.
pub const MAX_COMPONENT_BYTES: usize = 255;
/// Shortest time to live that can be asked for.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// Longest time to live that can be asked for; the server caps it further.
pub const MAX_TTL: Duration = Duration::from_secs(90 * 24 * 3600);
/// Longest overlap of two generations: longer than that, and revocation would mean little.
pub const MAX_OVERLAP: Duration = Duration::from_secs(24 * 3600);
