use proptest::collection::vec;
use proptest::prelude::*;
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::codec::{Codec, Reason};
use super::hpack::{HpackError, MAX_BLOCK};
use super::{Shim, huffman};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The preface and these frames.
fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE, &frames.concat()].concat()
}

/// All of it through the shim, cut at these places.
fn through(input: &[u8], cuts: &[usize]) -> Result<Vec<u8>, Reason> {
    let (mut codec, mut output, mut whole) = (Codec::default(), Vec::new(), Vec::new());
    let mut rest = input;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len())));
        rest = after;
        while !piece.is_empty() {
            let read = codec.read(piece, &mut output).map_err(|broken| broken.0)?;
            piece = &piece[read..];
            assert!(
                output.len() <= 2 * MAX_BLOCK + 1024,
                "{} bytes are held",
                output.len()
            );
            whole.append(&mut output);
        }
    }
    Ok(whole)
}

/// The frames behind the preface.
fn frames(bytes: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut rest = bytes.strip_prefix(PREFACE).unwrap();
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let stream = u32::from_be_bytes(rest[5..9].try_into().unwrap());
        frames.push((rest[3], rest[4], stream, rest[9..9 + length].to_vec()));
        rest = &rest[9 + length..];
    }
    frames
}

#[test]
fn a_request_of_grpc_go_gets_an_authority() {
    // POST, http, the path and the authority as they come, indexed.
    let block = b"\x83\x86\x44\x04/p.S\x41\x11%2Fvar%2Fx%2Fsock";
    let sent = [
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, block),
        frame(0, 1, 1, b"hello"),
    ];
    let written = frames(&through(&connection(&sent), &[]).unwrap());
    assert_eq!(written[0], (4, 0, 0, vec![]));
    assert_eq!(
        written[1],
        (1, 4, 1, b"\x83\x86\x04\x04/p.S\x01\x09localhost".to_vec())
    );
    assert_eq!(written[2], (0, 1, 1, b"hello".to_vec()));
}

/// A connection as grpc-go 1.83.1 makes it where no authority is named: GetInfo twice, NotifyRegistrationStatus, the end.
#[test]
fn what_grpc_go_really_sends_is_the_same_but_for_the_authority() {
    let sent = include_bytes!("fixtures/grpc-go");
    let written = through(sent, &[7]).unwrap();
    let (mut before, mut after) = (loona_hpack::Decoder::new(), loona_hpack::Decoder::new());
    after.set_max_table_size(0);
    let mut authorities = Vec::new();
    for (sent, written) in frames(sent).iter().zip(frames(&written)) {
        assert_eq!((sent.0, sent.1, sent.2), (written.0, written.1, written.2));
        if sent.0 != 1 {
            assert_eq!(sent.3, written.3);
            continue;
        }
        let wanted = before.decode(&sent.3).unwrap();
        let read = after.decode(&written.3).unwrap();
        for ((name, value), read) in wanted.into_iter().zip(read) {
            assert_eq!(read.0, name);
            if name == b":authority" {
                assert_eq!(read.1, b"localhost");
                authorities.push(String::from_utf8(value).unwrap());
            } else {
                assert_eq!(read.1, value);
            }
        }
    }
    let path = "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fesi.csi.external-secrets.io-reg.sock";
    assert_eq!(authorities, [path; 3]);
}

#[test]
fn padding_priority_and_continuations_become_one_frame() {
    let padded = [&[3][..], &[0, 0, 0, 0, 16], b"\x83\x86", &[0; 3]].concat();
    let sent = [
        frame(1, 0x29, 7, &padded),
        frame(9, 0, 7, b"\x84\x41"),
        frame(9, 4, 7, b"\x01x"),
    ];
    let written = frames(&through(&connection(&sent), &[]).unwrap());
    assert_eq!(written, [(1, 5, 7, b"\x83\x86\x84\x01\x09localhost".to_vec())]);
}

#[test]
fn a_long_block_goes_on_in_continuations() {
    let mut field = b"\x00\x01a".to_vec();
    put_text(&[b'x'; 20_000], false, &mut field);
    let sent = [frame(1, 1, 1, &field[..16_000]), frame(9, 4, 1, &field[16_000..])];
    let written = frames(&through(&connection(&sent), &[]).unwrap());
    let shape: Vec<_> = written
        .iter()
        .map(|(kind, flags, _, payload)| (*kind, *flags, payload.len()))
        .collect();
    assert_eq!(shape, [(1, 1, 16_384), (9, 4, field.len() - 16_384)]);
    let whole: Vec<u8> = written.into_iter().flat_map(|(.., payload)| payload).collect();
    assert_eq!(whole, field);
}

#[rstest]
#[case::not_http2(b"GET / HTTP/1.1\r\n".to_vec(), Reason::Preface)]
#[case::long(connection(&[frame(0, 0, 1, &[0; 16_385])]), Reason::LongFrame)]
#[case::more_padding_than_bytes(connection(&[frame(1, 0xc, 1, &[9, 0x82])]), Reason::Padding)]
#[case::no_padding_length(connection(&[frame(1, 0xc, 1, &[])]), Reason::Padding)]
#[case::short_priority(connection(&[frame(1, 0x24, 1, &[0; 4])]), Reason::Padding)]
#[case::push(connection(&[frame(5, 4, 1, &[0, 0, 0, 2, 0x82])]), Reason::Push)]
#[case::continued_without_begin(connection(&[frame(9, 4, 1, b"\x82")]), Reason::Interleaved)]
#[case::another_frame_between(connection(&[frame(1, 0, 1, b"\x82"), frame(6, 0, 0, &[0; 8])]), Reason::Interleaved)]
#[case::another_stream(connection(&[frame(1, 0, 1, b"\x82"), frame(9, 4, 3, b"\x82")]), Reason::Interleaved)]
#[case::begun_twice(connection(&[frame(1, 0, 1, b"\x82"), frame(1, 4, 3, b"\x82")]), Reason::Interleaved)]
#[case::nothing_more(connection(&[frame(1, 0, 1, b"\x82"), frame(9, 0, 1, b"")]), Reason::Interleaved)]
#[case::long_block(
    connection(&[vec![frame(1, 0, 1, &[0x82; 16_384])], vec![frame(9, 0, 1, &[0x82; 16_384]); 4]].concat()),
    Reason::Block(HpackError::TooLong)
)]
#[case::bad_block(connection(&[frame(1, 4, 1, b"\xbe")]), Reason::Block(HpackError::Index))]
fn what_breaks_a_rule_ends_the_connection(#[case] input: Vec<u8>, #[case] reason: Reason) {
    assert_eq!(through(&input, &[]), Err(reason));
    assert_eq!(through(&input, &[1]), Err(reason), "byte by byte");
}

#[test]
fn small_blocks_that_stand_for_large_ones_are_read_one_after_the_other() {
    let value = [&[0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e][..], &[b'x'; 4000]].concat();
    let mut sent = vec![frame(1, 4, 1, &value)];
    sent.extend((0..200).map(|n| frame(1, 4, 3 + 2 * n, &[0xbe; 15])));
    // 5 KB for 12 MB, of which `through` sees that never much is held.
    assert_eq!(
        frames(&through(&connection(&sent), &[]).unwrap()).len(),
        1 + 200 * 4
    );
}

#[test]
fn a_broken_connection_stays_broken() {
    let mut codec = Codec::default();
    let broken = codec.read(b"GET ", &mut Vec::new()).unwrap_err();
    assert_eq!(codec.read(PREFACE, &mut Vec::new()), Err(broken));
}

#[tokio::test]
async fn a_stream_is_read_in_any_pieces_to_its_end() {
    let sent = connection(&[frame(1, 4, 1, b"\x83\x41\x01/"), frame(0, 1, 1, &[7; 10_000])]);
    let wanted = through(&sent, &[]).unwrap();
    let (mut client, server) = tokio::io::duplex(7);
    let writing = tokio::spawn(async move { client.write_all(&sent).await });
    let mut read = Vec::new();
    Shim::new(server).read_to_end(&mut read).await.unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(read, wanted);
}

#[tokio::test]
async fn a_broken_connection_is_an_error_of_its_stream() {
    let error = Shim::new(&b"GET / HTTP/1.1\r\n"[..])
        .read_to_end(&mut Vec::new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

/// A field, and how it is written.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    value: Vec<u8>,
    way: Way,
    coded: bool,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Indexed,
    NotIndexed,
    NeverIndexed,
    /// An index of the table, of as many as there are at most.
    Again(usize),
    /// The same, with a value of its own.
    AgainName(usize),
}

fn field() -> impl Strategy<Value = Field> {
    let name = prop_oneof![Just(":authority".to_owned()), "[a-z]{1,12}"];
    let way = prop_oneof![
        3 => Just(Way::Indexed),
        1 => Just(Way::NotIndexed),
        1 => Just(Way::NeverIndexed),
        3 => (1_usize..80).prop_map(Way::Again),
        2 => (1_usize..80).prop_map(Way::AgainName),
    ];
    // Long ones too, so that the table drops entries.
    let value = prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 0..1500)];
    (name, value, way, any::<bool>()).prop_map(|(name, value, way, coded)| Field {
        name,
        value,
        way,
        coded,
    })
}

fn put_number(kind: u8, prefix: u32, number: usize, out: &mut Vec<u8>) {
    let mask = (1 << prefix) - 1;
    if number < mask {
        return out.push(kind | number as u8);
    }
    out.push(kind | mask as u8);
    let mut rest = number - mask;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn put_text(text: &[u8], coded: bool, out: &mut Vec<u8>) {
    let coded_text = huffman::tests::encode(text);
    let (kind, text) = if coded { (0x80, &coded_text[..]) } else { (0, text) };
    put_number(kind, 7, text.len(), out);
    out.extend_from_slice(text);
}

/// The field as it is written, if its index is there: a decoder of somebody else's making decides.
fn encode(field: &Field) -> Vec<u8> {
    let Field {
        name,
        value,
        way,
        coded,
    } = field;
    let mut out = Vec::new();
    match way {
        Way::Indexed => out.push(0x40),
        Way::NotIndexed => out.push(0x00),
        Way::NeverIndexed => out.push(0x10),
        Way::Again(index) => {
            put_number(0x80, 7, *index, &mut out);
            return out;
        }
        Way::AgainName(index) => {
            put_number(0x40, 6, *index, &mut out);
            put_text(value, *coded, &mut out);
            return out;
        }
    }
    put_text(name.as_bytes(), *coded, &mut out);
    put_text(value, *coded, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Whatever a client may write, however it is cut, is read as the same fields with another authority, by a reader
    /// that keeps no table.
    #[test]
    fn the_fields_are_those_that_were_sent(
        blocks in vec((vec(field(), 1..12), any::<bool>(), 1_usize..200), 1..8),
        cuts in vec(1_usize..600, 1..8),
    ) {
        let mut writers = loona_hpack::Decoder::new();
        let (mut sent, mut wanted) = (Vec::new(), Vec::new());
        for (number, (fields, padded, cut)) in blocks.iter().enumerate() {
            let stream = 1 + 2 * u32::try_from(number).unwrap();
            let (mut block, mut meant) = (Vec::new(), Vec::new());
            for field in fields {
                let bytes = encode(field);
                // An index beyond the table is left out; one that failed has not changed the table.
                if let Ok(mut read) = writers.decode(&bytes) {
                    block.extend_from_slice(&bytes);
                    meant.append(&mut read);
                }
            }
            for (name, value) in &mut meant {
                if name == b":authority" {
                    *value = b"localhost".to_vec();
                }
            }
            wanted.push(meant);
            let (first, rest) = block.split_at((*cut).min(block.len()));
            let end = if rest.is_empty() { 4 } else { 0 };
            sent.push(if *padded {
                frame(1, 8 | end, stream, &[&[2], first, &[0, 0]].concat())
            } else {
                frame(1, end, stream, first)
            });
            let count = rest.chunks(16_384).count();
            sent.extend(rest.chunks(16_384).enumerate().map(|(index, part)| {
                frame(9, if index + 1 == count { 4 } else { 0 }, stream, part)
            }));
            sent.push(frame(0, 1, stream, b"body"));
        }
        let sent = connection(&sent);
        let written = through(&sent, &cuts).unwrap();
        prop_assert_eq!(&written, &through(&sent, &[]).unwrap());

        let mut read = vec![Vec::new(); blocks.len()];
        for (kind, _, stream, payload) in frames(&written) {
            if kind == 1 || kind == 9 {
                read[stream as usize / 2].extend(payload);
            }
        }
        for (block, wanted) in read.iter().zip(&wanted) {
            let mut reader = loona_hpack::Decoder::new();
            reader.set_max_table_size(0);
            prop_assert_eq!(&reader.decode(block).unwrap(), wanted);
        }
    }

    #[test]
    fn no_input_panics_or_is_held_without_bound(bytes in vec(any::<u8>(), 0..3000), cuts in vec(1_usize..100, 1..4)) {
        let input = [PREFACE, &bytes].concat();
        prop_assert_eq!(through(&input, &cuts).is_ok(), through(&input, &[]).is_ok());
    }
}
