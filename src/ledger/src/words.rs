//! The one spelling of states and reasons: in the stores, in metric labels and for people.

use esi_core::Ends;

use crate::port::{EndReason, State, Work};

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Intent,
        Self::Active,
        Self::Revoking,
        Self::AccessEnded,
        Self::Revoked,
        Self::Sweeping,
        Self::Abandoned,
        Self::Dead,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Active => "active",
            Self::Revoking => "revoking",
            Self::AccessEnded => "access_ended",
            Self::Revoked => "revoked",
            Self::Sweeping => "sweeping",
            Self::Abandoned => "abandoned",
            Self::Dead => "dead",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// A credential may be in use, or about to be.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Intent | Self::Active)
    }

    /// Nothing is left to be done, and nothing at the backend.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Revoked | Self::Abandoned)
    }
}

impl Work {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Revoke => "revoke",
            Self::Sweep => "sweep",
        }
    }
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Requested,
        Self::Expired,
        Self::Superseded,
        Self::MintFailed,
        Self::WorkloadEnded,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::MintFailed => "mint_failed",
            Self::WorkloadEnded => "workload_ended",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

pub(crate) const fn ends_as_str(ends: Ends) -> &'static str {
    match ends {
        Ends::AtOnce => "at_once",
        Ends::AtExpiry => "at_expiry",
    }
}

pub(crate) fn parse_ends(name: &str) -> Option<Ends> {
    [Ends::AtOnce, Ends::AtExpiry]
        .into_iter()
        .find(|ends| ends_as_str(*ends) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_spelt_as_serde_spells_it_and_reads_back() {
        for state in State::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        for reason in EndReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert_eq!(EndReason::parse(reason.as_str()), Some(reason));
        }
        for ends in [Ends::AtOnce, Ends::AtExpiry] {
            assert_eq!(serde_json::to_value(ends).unwrap(), ends_as_str(ends));
            assert_eq!(parse_ends(ends_as_str(ends)), Some(ends));
        }
    }
}
