//! Why files could not be delivered.

use esi_core::{Classify, Code, Retry};
use rustix::io::Errno;
use thiserror::Error;

/// Why files could not be delivered. Whatever it is, the files of before are unchanged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The volume cannot be opened.
    #[error("the volume cannot be opened: it must exist and be a directory, not a symbolic link")]
    Open(#[source] std::io::Error),
    /// The kernel has no `openat2`.
    #[error(
        "the kernel has no openat2, without which a volume cannot be written safely: use Linux 5.6 or newer"
    )]
    KernelTooOld,
    /// No space, no inodes, or a quota is reached.
    #[error(
        "the volume is full: {bytes} bytes in {files} files were to be written beside the older ones; make it larger or deliver less"
    )]
    Full {
        /// Bytes of the new files.
        bytes: usize,
        /// How many they are.
        files: usize,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file's name is taken by something that this crate did not put there.
    #[error(
        "`{name}` is already in the volume and was not delivered there: remove it, or give the file another path"
    )]
    Occupied {
        /// The name, directly in the volume.
        name: String,
    },
    /// Two files cannot both be.
    #[error("`{first}` and `{second}` cannot both be files")]
    Collision {
        /// The one path.
        first: String,
        /// The other.
        second: String,
    },
    /// The name of an env file is none.
    #[error("`{}` cannot be the name of an env file: write one component that does not start with `..`", name.escape_debug())]
    BadName {
        /// The name.
        name: String,
    },
    /// The system does not let this process.
    #[error("not permitted to {action} in the volume: it must be writable for this user")]
    Denied {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What was just made is not there any more, or is something else: another process writes to the volume.
    #[error("something else changed the volume while this was to {action}; it is tried again")]
    Disturbed {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Anything else.
    #[error("the system failed to {action} in the volume")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// What is being delivered, for the errors that say so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) files: usize,
}

impl Load {
    /// The error of one system call.
    pub(crate) fn failed(self, action: &'static str, errno: Errno) -> DeliveryError {
        let source = errno.into();
        match errno {
            Errno::NOSYS => DeliveryError::KernelTooOld,
            Errno::NOSPC | Errno::DQUOT => DeliveryError::Full {
                bytes: self.bytes,
                files: self.files,
                source,
            },
            Errno::ACCESS | Errno::PERM | Errno::ROFS => DeliveryError::Denied { action, source },
            Errno::LOOP
            | Errno::XDEV
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::NOENT
            | Errno::EXIST
            | Errno::NOTEMPTY
            | Errno::AGAIN => DeliveryError::Disturbed { action, source },
            _ => DeliveryError::Io { action, source },
        }
    }
}

impl Classify for DeliveryError {
    fn code(&self) -> Code {
        match self {
            Self::Open(_) | Self::Occupied { .. } | Self::Denied { .. } => Code::FailedPrecondition,
            Self::KernelTooOld => Code::Unimplemented,
            Self::Full { .. } => Code::ResourceExhausted,
            Self::Collision { .. } | Self::BadName { .. } => Code::InvalidArgument,
            Self::Disturbed { .. } => Code::Aborted,
            Self::Io { .. } => Code::Unavailable,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            // A person may make room, or a pod may remove its file, while it is tried again.
            Self::Open(_)
            | Self::Occupied { .. }
            | Self::Full { .. }
            | Self::Disturbed { .. }
            | Self::Io { .. } => Retry::Backoff,
            Self::KernelTooOld | Self::Collision { .. } | Self::BadName { .. } | Self::Denied { .. } => {
                Retry::Never
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "delivery_open",
            Self::KernelTooOld => "delivery_kernel_too_old",
            Self::Full { .. } => "delivery_volume_full",
            Self::Occupied { .. } => "delivery_name_occupied",
            Self::Collision { .. } => "delivery_collision",
            Self::BadName { .. } => "delivery_bad_name",
            Self::Denied { .. } => "delivery_denied",
            Self::Disturbed { .. } => "delivery_disturbed",
            Self::Io { .. } => "delivery_io",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno) -> DeliveryError {
        Load { bytes: 10, files: 2 }.failed("write a file", errno)
    }

    #[test]
    fn each_answer_of_the_system_has_a_meaning_and_says_what_to_do() {
        for (errno, kind, code, retry) in [
            (
                Errno::NOSYS,
                "delivery_kernel_too_old",
                Code::Unimplemented,
                Retry::Never,
            ),
            (
                Errno::NOSPC,
                "delivery_volume_full",
                Code::ResourceExhausted,
                Retry::Backoff,
            ),
            (
                Errno::DQUOT,
                "delivery_volume_full",
                Code::ResourceExhausted,
                Retry::Backoff,
            ),
            (
                Errno::ROFS,
                "delivery_denied",
                Code::FailedPrecondition,
                Retry::Never,
            ),
            (Errno::XDEV, "delivery_disturbed", Code::Aborted, Retry::Backoff),
            (Errno::IO, "delivery_io", Code::Unavailable, Retry::Backoff),
        ] {
            let error = of(errno);
            assert_eq!((error.kind(), error.code(), error.retry()), (kind, code, retry));
        }
        assert!(of(Errno::NOSYS).to_string().contains("Linux 5.6"));
        assert!(of(Errno::NOSPC).to_string().contains("10 bytes in 2 files"));
    }
}
