//! One gRPC call in frames written by hand, because no HTTP/2 library of Rust's sends what kubelet does: an authority
//! that is none.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use prost::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Calls `method`, such as `/package.Service/Method`, at the socket, in a connection of its own.
pub(super) async fn call<A: Message + Default>(
    socket: &Path,
    authority: &str,
    method: &str,
    request: &impl Message,
    deadline: Duration,
) -> Result<A> {
    let answer = timeout(deadline, exchange(socket, authority, method, request)).await;
    let answer = answer.with_context(|| format!("{method} took longer than {deadline:?}"))??;
    // A byte that says whether it is compressed, and four of length.
    ensure!(answer.len() >= 5, "{method} is answered without a message");
    Ok(A::decode(&answer[5..])?)
}

async fn exchange(socket: &Path, authority: &str, method: &str, request: &impl Message) -> Result<Vec<u8>> {
    let mut connection = UnixStream::connect(socket).await?;
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len())?.to_be_bytes();
    let body = [&[0][..], &length, &message].concat();
    let sent = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[])?,
        frame(HEADERS, END_HEADERS, 1, &header_block(authority, method))?,
        frame(DATA, END_STREAM, 1, &body)?,
    ];
    connection.write_all(&sent.concat()).await?;
    let mut answer = Vec::new();
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length)?];
        connection.read_exact(&mut payload).await?;
        let (kind, flags) = (head[3], head[4]);
        match kind {
            DATA => answer.extend(payload),
            RESET | GOAWAY => bail!("{method} is refused by HTTP/2: frame {kind}, {payload:?}"),
            _ => {}
        }
        if (kind == HEADERS || kind == DATA) && flags & END_STREAM != 0 {
            return Ok(answer);
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(payload.len())?.to_be_bytes();
    Ok([&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat())
}

/// Literals that are indexed, as grpc-go writes them, without its Huffman code.
fn header_block(authority: &str, method: &str) -> Vec<u8> {
    let mut block = b"\x83\x86".to_vec(); // POST, http
    for (name, value) in [
        (&b"\x45"[..], method),
        (b"\x41", authority),
        (b"\x5f", "application/grpc"),
        (b"\x40\x02te", "trailers"),
    ] {
        block.extend_from_slice(name);
        match value.len() {
            short @ 0..127 => block.push(short as u8),
            long => block.extend([127, (long - 127) as u8 | 0x80, ((long - 127) >> 7) as u8]),
        }
        block.extend_from_slice(value.as_bytes());
    }
    block
}
