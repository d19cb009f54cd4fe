//! The names of generations' directories: `..<generation>.<16 hexadecimal digits>`, never used twice.

use std::ffi::CStr;

use esi_core::Generation;

use crate::directory::{is_random_suffix, random_suffix};

pub(super) fn new(generation: Generation) -> rustix::io::Result<String> {
    Ok(format!("..{generation}.{}", random_suffix()?))
}

/// The generation of a name that [`new`] made.
pub(super) fn parse(name: &CStr) -> Option<Generation> {
    let (number, suffix) = name.to_str().ok()?.strip_prefix("..")?.split_once('.')?;
    if !is_random_suffix(suffix) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse().ok().map(Generation::new)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    #[test]
    fn a_name_says_its_generation() {
        let name = CString::new(new(Generation::new(42)).unwrap()).unwrap();
        assert_eq!(parse(&name), Some(Generation::new(42)));
    }

    #[test]
    fn no_other_name_is_taken_for_one() {
        for other in [
            c"..data",
            c"..data_tmp",
            c"..1",
            c"..1.",
            c"..1.0123",
            c"..+1.0123456789abcdef",
            c"...0123456789abcdef",
            c"..1.0123456789abcdef.x",
            c"..1.0123456789ABCDEF",
            c"1.0123456789abcdef",
            c"..1/0123456789abcdef",
            c"..99999999999999999999999.0123456789abcdef",
        ] {
            assert_eq!(parse(other), None, "{other:?} was taken");
        }
    }
}
