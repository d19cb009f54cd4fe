//! How many bytes a Huffman-coded string stands for (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: the codes of one length are consecutive numbers, so that a first number and a count say
//! which bits end a symbol. Which symbol it is, is left to whoever decodes the string.

/// Of each length in bits: the first code and how many there are.
const CODES: [(u32, u32); 31] = {
    let mut codes = [(0, 0); 31];
    codes[5] = (0x0, 10);
    codes[6] = (0x14, 26);
    codes[7] = (0x5c, 32);
    codes[8] = (0xf8, 6);
    codes[10] = (0x3f8, 5);
    codes[11] = (0x7fa, 3);
    codes[12] = (0xffa, 2);
    codes[13] = (0x1ff8, 6);
    codes[14] = (0x3ffc, 2);
    codes[15] = (0x7ffc, 3);
    codes[19] = (0x7_fff0, 3);
    codes[20] = (0xf_ffe6, 8);
    codes[21] = (0x1f_ffdc, 13);
    codes[22] = (0x3f_ffd2, 26);
    codes[23] = (0x7f_ffd8, 29);
    codes[24] = (0xff_ffea, 12);
    codes[25] = (0x1ff_ffec, 4);
    codes[26] = (0x3ff_ffe0, 15);
    codes[27] = (0x7ff_ffde, 19);
    codes[28] = (0xfff_ffe2, 29);
    // Without the end-of-string symbol, the fourth: a string that has it is an error.
    codes[30] = (0x3fff_fffc, 3);
    codes
};

/// The length of the string that `coded` stands for; none if it is no string.
pub(super) fn decoded_len(coded: &[u8]) -> Option<usize> {
    let (mut symbols, mut code, mut bits) = (0, 0_u32, 0_usize);
    for byte in coded {
        for shift in (0..8).rev() {
            code = code << 1 | u32::from(byte >> shift & 1);
            bits += 1;
            // Longer than every code: it began with the end-of-string symbol.
            let &(first, count) = CODES.get(bits)?;
            if code.wrapping_sub(first) < count {
                (symbols, code, bits) = (symbols + 1, 0, 0);
            }
        }
    }
    // What is left is padding: less than a byte, the first bits of the end-of-string symbol, all ones.
    (bits < 8 && code == (1 << bits) - 1).then_some(symbols)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The symbols by code: the order that makes the code canonical.
    const ORDER: [u8; 256] = [
        48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65,
        95, 98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75,
        76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119, 120, 121, 122, 38, 42,
        44, 59, 88, 90, 33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96,
        123, 92, 195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177, 179, 209,
        216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178,
        181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1, 135, 137, 138, 139, 140, 141, 143, 147,
        149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239,
        9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201,
        202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241,
        244, 245, 246, 247, 248, 250, 251, 252, 253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18,
        19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249, 10, 13, 22,
    ];

    /// The string's code, padded.
    pub(in super::super) fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for &symbol in text {
            let (mut place, mut length) =
                (ORDER.iter().position(|&other| other == symbol).unwrap() as u32, 0);
            while place >= CODES[length].1 {
                place -= CODES[length].1;
                length += 1;
            }
            let code = CODES[length].0 + place;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1));
        }
        bits.resize(bits.len().next_multiple_of(8), 1);
        let byte = |bits: &[u32]| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8);
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn a_string_has_as_many_symbols_as_were_coded() {
        assert_eq!(decoded_len(&[]), Some(0));
        assert_eq!(decoded_len(&encode(b"www.example.com")), Some(15));
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded_len(&encode(&every)), Some(256));
    }

    #[test]
    fn the_examples_of_the_specification_are_coded_as_it_says() {
        let www = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(encode(b"www.example.com"), www);
        assert_eq!(encode(b"no-cache"), [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]);
    }

    #[test]
    fn padding_is_less_than_a_byte_of_ones_and_nothing_has_an_end() {
        assert_eq!(decoded_len(&[0xff]), None, "a byte of padding");
        assert_eq!(decoded_len(&[0b0000_0000]), None, "padding of zeros");
        assert_eq!(decoded_len(&[0b0000_0111]), Some(1));
        assert_eq!(
            decoded_len(&[0xff; 4]),
            None,
            "the end of the string, and two bits"
        );
        assert_eq!(decoded_len(&[0xff; 64]), None);
    }
}
