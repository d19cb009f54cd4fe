//! Bytes of a client's side of an HTTP/2 connection (RFC 9113) in, bytes of the same connection out.

use thiserror::Error;

use super::hpack::{HpackError, MAX_BLOCK, Table};

/// What every client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;
/// The longest frame that a reader takes who says nothing else, and h2 says nothing else.
const MAX_FRAME: usize = 16_384;
/// Once so much is written, the rest of the input waits: a block of a few bytes may stand for [`MAX_BLOCK`].
const ENOUGH: usize = 64 * 1024;

const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Why a connection cannot go on.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error(transparent)]
pub struct Broken(#[from] pub(super) Reason);

#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    #[error("the connection does not begin as HTTP/2 does")]
    Preface,
    #[error("a frame is longer than {MAX_FRAME} bytes")]
    LongFrame,
    #[error("a frame has more padding or priority than bytes")]
    Padding,
    #[error("a client sent a PUSH_PROMISE frame")]
    Push,
    #[error("a header block is continued that was not begun, or another frame comes before its end")]
    Interleaved,
    #[error(transparent)]
    Block(#[from] HpackError),
}

/// One connection's way through the shim, without I/O. After an error it only repeats it.
#[derive(Debug, Default)]
pub struct Codec {
    state: State,
    table: Table,
    /// The header block that has begun and not ended.
    open: Option<Open>,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the preface were right.
    Preface(usize),
    /// The head of a frame, as far as it has come.
    Head(Vec<u8>),
    /// So many bytes of a frame that concerns nobody here are still to come.
    Pass(usize),
    /// A frame of a header block, as far as it has come.
    Collect(Head, Vec<u8>),
    Broken(Reason),
}

#[derive(Debug, Clone, Copy)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

#[derive(Debug)]
struct Open {
    stream: u32,
    end_stream: u8,
    block: Vec<u8>,
}

impl Default for State {
    fn default() -> Self {
        Self::Preface(0)
    }
}

impl Codec {
    /// Reads from the front of `input` and appends to `output` what it stands for. How the input is cut makes no
    /// difference. Returns how many bytes were read: fewer than there are only if so much was written that the
    /// caller should give that away first.
    ///
    /// # Errors
    /// If the client breaks a rule that is needed to go on; what was written before is whole frames or their
    /// beginnings, as the client sent them.
    pub fn read(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut rest = input;
        while !rest.is_empty() && output.len() < ENOUGH {
            match self.step(&mut rest, output) {
                Ok(state) => self.state = state,
                Err(reason) => {
                    self.state = State::Broken(reason);
                    return Err(reason.into());
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    /// Reads at least one byte.
    fn step(&mut self, rest: &mut &[u8], output: &mut Vec<u8>) -> Result<State, Reason> {
        Ok(match std::mem::take(&mut self.state) {
            State::Broken(reason) => return Err(reason),
            State::Preface(had) => {
                let wanted = PREFACE.get(had..).unwrap_or_default();
                let some = take(rest, wanted.len());
                if !wanted.starts_with(some) {
                    return Err(Reason::Preface);
                }
                output.extend_from_slice(some);
                if some.len() == wanted.len() {
                    State::Head(Vec::with_capacity(HEAD))
                } else {
                    State::Preface(had + some.len())
                }
            }
            State::Head(mut head) => {
                head.extend_from_slice(take(rest, HEAD - head.len()));
                match Head::parse(&head) {
                    Some(parsed) => self.begin(parsed, &head, output)?,
                    None => State::Head(head),
                }
            }
            State::Pass(left) => {
                let some = take(rest, left);
                output.extend_from_slice(some);
                pass(left - some.len())
            }
            State::Collect(head, mut payload) => {
                payload.extend_from_slice(take(rest, head.length - payload.len()));
                if payload.len() == head.length {
                    self.collected(head, &payload, output)?;
                    State::Head(Vec::with_capacity(HEAD))
                } else {
                    State::Collect(head, payload)
                }
            }
        })
    }

    /// What to do with a frame whose head is known.
    fn begin(&mut self, head: Head, bytes: &[u8], output: &mut Vec<u8>) -> Result<State, Reason> {
        let continues = self.open.as_ref().map(|open| open.stream);
        match (head.kind, continues) {
            _ if head.length > MAX_FRAME => Err(Reason::LongFrame),
            (HEADERS, None) => self.collect(head, output),
            (CONTINUATION, Some(stream)) if stream == head.stream => self.collect(head, output),
            (CONTINUATION, _) | (_, Some(_)) => Err(Reason::Interleaved),
            (PUSH_PROMISE, None) => Err(Reason::Push),
            (_, None) => {
                output.extend_from_slice(bytes);
                Ok(pass(head.length))
            }
        }
    }

    fn collect(&mut self, head: Head, output: &mut Vec<u8>) -> Result<State, Reason> {
        if head.length == 0 {
            self.collected(head, &[], output)?;
            return Ok(State::Head(Vec::with_capacity(HEAD)));
        }
        Ok(State::Collect(head, Vec::with_capacity(head.length)))
    }

    /// A frame of a header block is whole.
    fn collected(&mut self, head: Head, payload: &[u8], output: &mut Vec<u8>) -> Result<(), Reason> {
        let is_first = self.open.is_none();
        let mut open = self.open.take().unwrap_or(Open {
            stream: head.stream,
            end_stream: head.flags & END_STREAM,
            block: Vec::new(),
        });
        let fragment = if is_first {
            head.fragment(payload)?
        } else {
            payload
        };
        if open.block.len() + fragment.len() > MAX_BLOCK {
            return Err(HpackError::TooLong.into());
        }
        open.block.extend_from_slice(fragment);
        if head.flags & END_HEADERS == 0 {
            // One that adds nothing could be followed by others for ever.
            if fragment.is_empty() && !is_first {
                return Err(Reason::Interleaved);
            }
            self.open = Some(open);
            return Ok(());
        }
        write(&open, &self.table.rewrite(&open.block)?, output);
        Ok(())
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, e, f, g, h] = bytes else {
            return None;
        };
        let length = u32::from_be_bytes([0, a, b, c]);
        Some(Self {
            length: usize::try_from(length).ok()?,
            kind,
            flags,
            // The highest bit is reserved and says nothing.
            stream: u32::from_be_bytes([e, f, g, h]) & 0x7fff_ffff,
        })
    }

    fn write(self, output: &mut Vec<u8>) {
        // The length is at most MAX_FRAME: its first byte is 0.
        let length = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        output.extend_from_slice(length.get(1..).unwrap_or_default());
        output.extend_from_slice(&[self.kind, self.flags]);
        output.extend_from_slice(&self.stream.to_be_bytes());
    }

    /// The part of a HEADERS frame that is of the header block.
    fn fragment(self, payload: &[u8]) -> Result<&[u8], Reason> {
        let mut rest = payload;
        let mut padding = 0;
        if self.flags & PADDED != 0 {
            let (&length, after) = rest.split_first().ok_or(Reason::Padding)?;
            (padding, rest) = (usize::from(length), after);
        }
        if self.flags & PRIORITY != 0 {
            // Deprecated, and of no use here: dependency and weight.
            rest = rest.get(5..).ok_or(Reason::Padding)?;
        }
        let length = rest.len().checked_sub(padding).ok_or(Reason::Padding)?;
        rest.get(..length).ok_or(Reason::Padding)
    }
}

/// A header block, in as many frames as it needs.
fn write(open: &Open, block: &[u8], output: &mut Vec<u8>) {
    let mut rest = block;
    let mut kind = HEADERS;
    loop {
        let fragment = take(&mut rest, MAX_FRAME);
        let end_headers = if rest.is_empty() { END_HEADERS } else { 0 };
        let end_stream = if kind == HEADERS { open.end_stream } else { 0 };
        let head = Head {
            length: fragment.len(),
            kind,
            flags: end_stream | end_headers,
            stream: open.stream,
        };
        head.write(output);
        output.extend_from_slice(fragment);
        if rest.is_empty() {
            return;
        }
        kind = CONTINUATION;
    }
}

/// At most `most` bytes from the front.
fn take<'a>(rest: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(rest.len().min(most));
    *rest = after;
    taken
}

fn pass(left: usize) -> State {
    if left == 0 {
        State::Head(Vec::with_capacity(HEAD))
    } else {
        State::Pass(left)
    }
}
