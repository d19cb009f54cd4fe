//! A client's side of an HTTP/2 connection, cut where its first byte says.

#![no_main]

use esi_node::csi::shim::{Broken, Codec};
use libfuzzer_sys::fuzz_target;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What is written before the rest of the input waits, and one header block in its frames.
const MOST: usize = 2 * 64 * 1024 + 1024;
/// Enough to find what differs, and not all of what a small input may stand for.
const KEPT: usize = 4 * 1024 * 1024;

/// What comes out, and how it ends.
fn through(input: &[u8], cut: usize) -> (Vec<u8>, Result<(), Broken>) {
    let (mut codec, mut held, mut whole) = (Codec::default(), Vec::new(), Vec::new());
    for mut piece in [PREFACE].into_iter().chain(input.chunks(cut)) {
        while !piece.is_empty() && whole.len() < KEPT {
            let read = match codec.read(piece, &mut held) {
                Ok(read) => read,
                Err(broken) => {
                    assert_eq!(
                        codec.read(piece, &mut Vec::new()),
                        Err(broken),
                        "it goes on after an error"
                    );
                    whole.append(&mut held);
                    return (whole, Err(broken));
                }
            };
            assert!(read > 0, "it reads nothing");
            assert!(held.len() <= MOST, "{} bytes are held", held.len());
            piece = &piece[read..];
            whole.append(&mut held);
        }
    }
    (whole, Ok(()))
}

/// Frames that are whole.
fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some((payload, after)) = rest.split_at_checked(length) else {
            break;
        };
        frames.push((*kind, payload));
        bytes = after;
    }
    frames
}

fuzz_target!(|input: &[u8]| {
    let Some((&cut, input)) = input.split_first() else {
        return;
    };
    let (whole, end) = through(input, input.len().max(1));
    let (cut, cut_end) = through(input, usize::from(cut) + 1);
    let same = whole.len().min(cut.len());
    assert_eq!(whole[..same], cut[..same], "the cut makes a difference");
    if whole.len() < KEPT && cut.len() < KEPT {
        assert_eq!(
            (end, whole.len()),
            (cut_end, cut.len()),
            "the cut makes a difference"
        );
    }
    // Read again, it is the same: no field needs a table, and the authority is ours.
    let written = &whole[PREFACE.len()..];
    let (again, end) = through(written, written.len().max(1));
    if whole.len() < KEPT {
        assert_eq!(end, Ok(()));
        assert_eq!(frames(&again[PREFACE.len()..]), frames(written));
    }
});
