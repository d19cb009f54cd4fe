//! Where things are in a pod.

use serde_json::Value;

/// A list; empty where there is none.
pub(super) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The volume of that name.
pub(super) fn volume<'v>(pod: &'v Value, name: &str) -> Option<&'v Value> {
    list(&pod["spec"], "volumes")
        .iter()
        .find(|volume| text(volume, "name") == name)
}

/// The containers of a pod.
pub(super) struct Containers<'v> {
    application: &'v [Value],
    init: &'v [Value],
    ephemeral: &'v [Value],
}

impl<'v> Containers<'v> {
    pub(super) fn of(pod: &'v Value) -> Self {
        let of = |key| list(&pod["spec"], key);
        Self {
            application: of("containers"),
            init: of("initContainers"),
            ephemeral: of("ephemeralContainers"),
        }
    }

    /// All of them; names are unique over all three lists.
    pub(super) fn all(&self) -> impl Iterator<Item = &'v Value> {
        self.application.iter().chain(self.init).chain(self.ephemeral)
    }

    /// The injected one.
    pub(super) fn esi_init(&self) -> Option<&'v Value> {
        self.init
            .iter()
            .find(|container| text(container, "name") == "esi-init")
    }
}
