//! A bounded buffer that leaves nothing behind when it grows.

use std::io::{self, Write};

use esi_core::SecretBytes;
use zeroize::Zeroizing;

use crate::error::Fault;

/// First allocation: most outputs are smaller.
const FIRST_BYTES: usize = 1024;

/// Collects secret bytes up to a limit. A plain vector leaves its old bytes in freed memory when it moves; this
/// one wipes them.
pub(crate) struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
}

impl Buffer {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::new()),
            limit,
        }
    }

    /// Appends.
    pub(crate) fn push(&mut self, more: &[u8]) -> Result<(), Fault> {
        let wanted = self.bytes.len().saturating_add(more.len());
        if wanted > self.limit {
            return Err(Fault::TooLarge);
        }
        if wanted > self.bytes.capacity() {
            let room = wanted
                .max(self.bytes.capacity().saturating_mul(2))
                .max(FIRST_BYTES);
            let mut grown = Zeroizing::new(Vec::with_capacity(room));
            grown.extend_from_slice(&self.bytes);
            self.bytes = grown;
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// What was appended after the first `start` bytes.
    pub(crate) fn since(&self, start: usize) -> &[u8] {
        self.bytes.get(start..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn into_secret(mut self) -> SecretBytes {
        SecretBytes::new(std::mem::take(&mut *self.bytes))
    }
}

impl Write for Buffer {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.push(more)
            .map(|()| more.len())
            .map_err(|_full| io::ErrorKind::FileTooLarge.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_was_pushed_through_every_growth() {
        let mut buffer = Buffer::new(10_000);
        for byte in 0..100_u8 {
            buffer.push(&[byte; 100]).unwrap();
        }
        let expected: Vec<u8> = (0..100_u8).flat_map(|byte| [byte; 100]).collect();
        assert_eq!(buffer.into_secret().expose(), expected);
    }

    #[test]
    fn the_limit_is_exact() {
        let mut buffer = Buffer::new(4);
        buffer.push(b"abcd").unwrap();
        assert!(matches!(buffer.push(b"e"), Err(Fault::TooLarge)));
    }
}
