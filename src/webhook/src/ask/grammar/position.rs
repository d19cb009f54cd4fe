//! `first`, `before:NAME`, `after:NAME`.

use esi_core::names::ContainerName;

use crate::ask::Position;
use crate::ask::text::quote;

/// Reads the place of the init container; otherwise says what is wrong.
pub(in crate::ask) fn position(text: &str) -> Result<Position, String> {
    let name = |name: &str| {
        name.parse::<ContainerName>()
            .map_err(|error| format!("{error}, such as `after:istio-proxy`"))
    };
    match text.split_once(':') {
        None if text == "first" => Ok(Position::First),
        Some(("before", container)) => name(container).map(Position::Before),
        Some(("after", container)) => name(container).map(Position::After),
        _ => Err(format!(
            "`{}` is no place: write `first`, `before:NAME` or `after:NAME` with the name of an init container",
            quote(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_first_or_beside_a_container() {
        assert_eq!(position("first"), Ok(Position::First));
        assert_eq!(position("before:a"), Ok(Position::Before("a".parse().unwrap())));
        assert_eq!(position("after:a"), Ok(Position::After("a".parse().unwrap())));
        for bad in ["", "last", "before", "before:", "after:A", "after:a:b", "First"] {
            assert!(position(bad).is_err(), "{bad:?} was taken");
        }
    }
}
