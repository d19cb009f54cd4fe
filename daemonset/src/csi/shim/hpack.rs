//! Header blocks (RFC 7541) in, header blocks out that need no table and name another authority.
//!
//! ```text
//!  indexed, static ───────────────────────▶ the same index
//!  indexed, dynamic ──table──▶ literal     literal ──▶ literal, never to be indexed by the reader
//!  size update ──table──▶ nothing          `:authority`, however it is said ──▶ `localhost`
//! ```
//!
//! The writer's dynamic table is kept here, so the reader behind needs none. Strings are copied as they are coded; only
//! their decoded lengths must be known, because they decide when the table drops an entry.

use std::collections::VecDeque;

use thiserror::Error;

use super::huffman;

/// The size of the table that a reader offers who says nothing else (RFC 9113, section 6.5.2). h2 says nothing else.
const TABLE: usize = 4096;
/// What an entry of the table costs beside its strings (RFC 7541, section 4.1).
const ENTRY: usize = 32;
/// Most bytes of a header block, coming in or going out: 40 times what kubelet sends.
pub(super) const MAX_BLOCK: usize = 64 * 1024;

/// `:authority` as a literal, by its index in the static table, and its new value.
const AUTHORITY: &[u8] = b"\x01\x09localhost";
const AUTHORITY_INDEX: usize = 1;
const AUTHORITY_NAME: &[u8] = b":authority";
const AUTHORITY_NAME_CODED: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// The lengths of the names of the static table, from index 1 (RFC 7541, appendix A).
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13,
    12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3,
    16,
];

/// Why a header block cannot be read.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub(super) enum HpackError {
    #[error("a header block ends in the middle of a field")]
    Short,
    #[error("a number of a header block is too long")]
    Number,
    #[error("a header block names an entry of its table that is not there")]
    Index,
    #[error("a string of a header block is not coded as it says")]
    Huffman,
    #[error(
        "a header block asks for a table of another size than was offered, or in the middle of its fields"
    )]
    Resize,
    #[error("a header block is longer than {MAX_BLOCK} bytes")]
    TooLong,
}

/// The writer's dynamic table.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    value: Coded,
    size: usize,
}

#[derive(Debug, Clone)]
enum Name {
    /// An index of the static table. `:authority` is always said so.
    Static(usize),
    Literal(Coded),
}

/// A string as it was coded, with its length before it.
#[derive(Debug, Clone)]
struct Coded {
    bytes: Box<[u8]>,
    decoded: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            max: TABLE,
        }
    }
}

impl Table {
    /// Writes the block anew. After an error the table is of no use.
    pub(super) fn rewrite(&mut self, block: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut input = Input(block);
        let mut output = Vec::with_capacity(block.len());
        let mut has_fields = false;
        while let Some(&first) = input.0.first() {
            match first {
                0x80.. => self.indexed(input.number(7)?, &mut output)?,
                0x40..0x80 => {
                    let (name, value) = self.literal(&mut input, 6)?;
                    write_literal(0, &name, &value, &mut output);
                    self.insert(name, value);
                }
                0x20..0x40 => {
                    let max = input.number(5)?;
                    if has_fields || max > TABLE {
                        return Err(HpackError::Resize);
                    }
                    self.max = max;
                    self.evict();
                    continue;
                }
                0x00..0x20 => {
                    let (name, value) = self.literal(&mut input, 4)?;
                    // What is never to be indexed stays so.
                    write_literal(first & 0x10, &name, &value, &mut output);
                }
            }
            has_fields = true;
            if output.len() > MAX_BLOCK {
                return Err(HpackError::TooLong);
            }
        }
        Ok(output)
    }

    fn indexed(&self, index: usize, output: &mut Vec<u8>) -> Result<(), HpackError> {
        match index {
            0 => return Err(HpackError::Index),
            AUTHORITY_INDEX => output.extend_from_slice(AUTHORITY),
            _ if index <= STATIC_NAMES.len() => write_number(0x80, 7, index, output),
            _ => {
                let Entry { name, value, .. } = self.entry(index)?;
                write_literal(0, name, value, output);
            }
        }
        Ok(())
    }

    /// A name, by its index or as text, and a value.
    fn literal(&self, input: &mut Input<'_>, prefix: u32) -> Result<(Name, Coded), HpackError> {
        let name = match input.number(prefix)? {
            0 => {
                let name = input.string()?;
                if name.is_authority() {
                    Name::Static(AUTHORITY_INDEX)
                } else {
                    Name::Literal(name)
                }
            }
            index if index <= STATIC_NAMES.len() => Name::Static(index),
            index => self.entry(index)?.name.clone(),
        };
        Ok((name, input.string()?))
    }

    fn entry(&self, index: usize) -> Result<&Entry, HpackError> {
        let place = index.checked_sub(STATIC_NAMES.len() + 1);
        place
            .and_then(|place| self.entries.get(place))
            .ok_or(HpackError::Index)
    }

    /// An entry larger than the table empties it and is not kept.
    fn insert(&mut self, name: Name, value: Coded) {
        let size = name.decoded() + value.decoded + ENTRY;
        self.size += size;
        self.entries.push_front(Entry { name, value, size });
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.max {
            let Some(oldest) = self.entries.pop_back() else {
                return;
            };
            self.size -= oldest.size;
        }
    }
}

impl Name {
    fn decoded(&self) -> usize {
        match self {
            Self::Static(index) => {
                let length = index.checked_sub(1).and_then(|place| STATIC_NAMES.get(place));
                length.copied().map_or(0, usize::from)
            }
            Self::Literal(name) => name.decoded,
        }
    }
}

impl Coded {
    fn is_authority(&self) -> bool {
        // Both are shorter than 127 bytes, so that a length of more than one byte is not theirs.
        match self.bytes.split_first() {
            Some((&length, text)) if length & 0x80 == 0 => text == AUTHORITY_NAME,
            Some((_, text)) => text == AUTHORITY_NAME_CODED,
            None => false,
        }
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], HpackError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(HpackError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, HpackError> {
        let (&byte, rest) = self.0.split_first().ok_or(HpackError::Short)?;
        self.0 = rest;
        Ok(byte)
    }

    /// A number whose first byte has `prefix` bits of it (section 5.1). More than three bytes behind that one (2 MiB)
    /// say nothing that fits into a block.
    fn number(&mut self, prefix: u32) -> Result<usize, HpackError> {
        let mask = (1_usize << prefix) - 1;
        let mut number = usize::from(self.byte()?) & mask;
        if number < mask {
            return Ok(number);
        }
        for shift in [0, 7, 14] {
            let byte = self.byte()?;
            number += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(HpackError::Number)
    }

    fn string(&mut self) -> Result<Coded, HpackError> {
        let whole = self.0;
        let is_coded = whole.first().is_some_and(|first| first & 0x80 != 0);
        let length = self.number(7)?;
        let text = self.take(length)?;
        let used = whole.len() - self.0.len();
        let decoded = if is_coded {
            huffman::decoded_len(text).ok_or(HpackError::Huffman)?
        } else {
            length
        };
        let bytes = whole.get(..used).ok_or(HpackError::Short)?.into();
        Ok(Coded { bytes, decoded })
    }
}

fn write_literal(kind: u8, name: &Name, value: &Coded, output: &mut Vec<u8>) {
    match name {
        Name::Static(AUTHORITY_INDEX) => return output.extend_from_slice(AUTHORITY),
        Name::Static(index) => write_number(kind, 4, *index, output),
        Name::Literal(name) => {
            output.push(kind);
            output.extend_from_slice(&name.bytes);
        }
    }
    output.extend_from_slice(&value.bytes);
}

/// An index of the static table: at most 61, which is two bytes with the smallest prefix.
fn write_number(kind: u8, prefix: u32, number: usize, output: &mut Vec<u8>) {
    let mask = (1_usize << prefix) - 1;
    let low = u8::try_from(number.min(mask)).unwrap_or(u8::MAX);
    output.push(kind | low);
    if let Some(rest) = number.checked_sub(mask) {
        output.push(u8::try_from(rest).unwrap_or(u8::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = Vec<(Vec<u8>, Vec<u8>)>;

    /// What a reader without a table understands.
    fn read(block: &[u8]) -> Fields {
        let mut decoder = loona_hpack::Decoder::new();
        decoder.set_max_table_size(0);
        decoder.decode(block).unwrap()
    }

    fn fields(fields: &[(&str, &str)]) -> Fields {
        let owned = |text: &str| text.as_bytes().to_vec();
        fields
            .iter()
            .map(|(name, value)| (owned(name), owned(value)))
            .collect()
    }

    /// RFC 7541, C.4: three requests of one connection, in Huffman code, the later ones by the table of the earlier.
    #[test]
    fn the_requests_of_the_specification_are_understood_without_a_table() {
        let mut table = Table::default();
        let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        let request = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "localhost"),
        ];
        assert_eq!(read(&table.rewrite(first).unwrap()), fields(&request));

        let second = b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf";
        let mut more = request.to_vec();
        more.push(("cache-control", "no-cache"));
        assert_eq!(read(&table.rewrite(second).unwrap()), fields(&more));

        let third = b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf";
        let request = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "localhost"),
            ("custom-key", "custom-value"),
        ];
        assert_eq!(read(&table.rewrite(third).unwrap()), fields(&request));
        // The sizes that the specification gives.
        assert_eq!((table.entries.len(), table.size), (3, 164));
    }

    #[test]
    fn an_authority_is_replaced_however_it_is_said() {
        let coded_name = [&[0x00, 0x88][..], AUTHORITY_NAME_CODED, b"\x01x"].concat();
        let indexed_name = [&[0x40, 0x88][..], AUTHORITY_NAME_CODED, b"\x01x\xbe\x0f\x2f\x01y"].concat();
        let cases: [(&[u8], usize); 7] = [
            (b"\x81", 1),                      // the entry of the static table, an empty value
            (b"\x01\x03%2F", 1),               // not indexed
            (b"\x11\x03%2F", 1),               // never to be indexed
            (b"\x41\x03%2F\xbe", 2),           // indexed, and then by its index
            (b"\x00\x0a:authority\x03%2F", 1), // by its name
            (&coded_name, 1),                  // by its coded name
            (&indexed_name, 3),                // by its coded name, its index, and the index of its name
        ];
        for (block, count) in cases {
            let wanted = vec![(":authority", "localhost"); count];
            let written = Table::default().rewrite(block).unwrap();
            assert_eq!(read(&written), fields(&wanted), "{block:x?}");
        }
    }

    #[test]
    fn what_is_broken_is_an_error() {
        let long = [&[0x00, 0x01, b'a', 0x7f, 0x81, 0x80][..], &[0x04]].concat();
        let cases: [(&[u8], HpackError); 12] = [
            (b"\x80", HpackError::Index),                  // index 0
            (b"\xbe", HpackError::Index),                  // nothing in the table yet
            (b"\x7f\x00", HpackError::Index),              // a name that is not in the table
            (b"\xff", HpackError::Short),                  // half a number
            (b"\xff\x80\x80\x80\x00", HpackError::Number), // a number of five bytes
            (b"\x40", HpackError::Short),                  // no name
            (b"\x40\x02a", HpackError::Short),             // half a name
            (b"\x41", HpackError::Short),                  // no value
            (b"\x41\x81\x00", HpackError::Huffman),        // padding of zeros
            (b"\x3f\xe2\x1f", HpackError::Resize),         // a table of 4097 bytes
            (b"\x82\x20", HpackError::Resize),             // behind a field
            (&long, HpackError::Short),                    // a length beyond the block
        ];
        for (block, error) in cases {
            assert_eq!(Table::default().rewrite(block).unwrap_err(), error, "{block:x?}");
        }
    }

    #[test]
    fn a_table_is_made_smaller_and_larger_again() {
        let mut table = Table::default();
        table.rewrite(b"\x40\x01a\x01b").unwrap();
        assert!(table.rewrite(b"\xbe").is_ok());
        // To nothing and back: the entry is gone.
        assert_eq!(
            table.rewrite(b"\x20\x3f\xe1\x1f\xbe").unwrap_err(),
            HpackError::Index
        );
    }

    #[test]
    fn a_small_block_cannot_stand_for_a_large_one() {
        let mut table = Table::default();
        let value = [&[0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e][..], &[b'x'; 4000]].concat();
        table.rewrite(&value).unwrap();
        assert_eq!(table.entries.len(), 1);
        assert_eq!(table.rewrite(&[0xbe; 17]).unwrap_err(), HpackError::TooLong);
    }
}
