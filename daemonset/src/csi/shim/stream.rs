//! The codec around a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tonic::transport::server::Connected;

use super::Codec;

/// A publish is a few hundred bytes, and its plan a few thousand.
const INPUT: usize = 4096;

/// A connection whose requests all have the authority `localhost`. What is written is not touched.
#[derive(Debug)]
pub struct Shim<S> {
    io: S,
    codec: Codec,
    /// What was received and not read by the codec yet.
    input: Vec<u8>,
    /// What the codec wrote, of which `sent` bytes are given away.
    output: Vec<u8>,
    sent: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<S> Shim<S> {
    /// Around a connection of which nothing was read yet.
    pub fn new(io: S) -> Self {
        Self {
            io,
            codec: Codec::default(),
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            _permit: None,
        }
    }

    /// The same, giving the permit back at its end.
    #[must_use]
    pub fn holding(self, permit: OwnedSemaphorePermit) -> Self {
        Self {
            _permit: Some(permit),
            ..self
        }
    }

    /// Gives away what fits; whether it was anything.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let left = self.output.get(self.sent..).unwrap_or_default();
        let some = left.get(..left.len().min(buffer.remaining())).unwrap_or_default();
        buffer.put_slice(some);
        let given = some.len();
        self.sent += given;
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        given > 0
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Shim<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.give(buffer) {
                return Poll::Ready(Ok(()));
            }
            if this.input.is_empty() {
                let mut space = [0; INPUT];
                let mut received = ReadBuf::new(&mut space);
                ready!(Pin::new(&mut this.io).poll_read(cx, &mut received))?;
                if received.filled().is_empty() {
                    return Poll::Ready(Ok(())); // the end
                }
                this.input.extend_from_slice(received.filled());
            }
            let read = this.codec.read(&this.input, &mut this.output);
            let read = read.map_err(|broken| io::Error::new(io::ErrorKind::InvalidData, broken))?;
            this.input.drain(..read);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Shim<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<S: Connected> Connected for Shim<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}
