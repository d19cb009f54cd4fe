//! For how long a credential is good, from everything that Vault granted for it.

use std::time::Duration;

use esi_core::Ends;

/// One thing that Vault granted: a lease, or a token that a lease hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    /// How long; `None`: without end, or not said.
    pub(super) ttl: Option<Duration>,
    /// Whether it can be renewed.
    pub(super) renewable: bool,
    /// Whether it was asked for as long as the lease was wished, so that less means: no more is to be had.
    pub(super) asked: bool,
}

/// What a lease is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// Time until it expires.
    pub(super) expires_in: Duration,
    /// Until when renewing can prolong it; `None`: not known to end.
    pub(super) max_expires_in: Option<Duration>,
    /// Whether it can be renewed at all.
    pub(super) renewable: bool,
    /// How it ends.
    pub(super) ends: Ends,
}

impl Terms {
    /// Of a credential that Vault can withdraw: it is good while every one of `grants` is, no longer than `ttl`.
    pub(super) fn withdrawable(ttl: Duration, grants: &[Granted]) -> Self {
        let expires_in = grants
            .iter()
            .filter_map(|grant| grant.ttl)
            .fold(ttl, Duration::min);
        let renewable = grants.iter().all(|grant| grant.renewable);
        let most = grants
            .iter()
            .filter(|grant| grant.asked || !grant.renewable)
            .filter_map(|grant| grant.ttl)
            .filter(|granted| *granted < ttl)
            .min();
        Self {
            expires_in,
            max_expires_in: if renewable { most } else { Some(expires_in) },
            renewable,
            ends: Ends::AtOnce,
        }
    }

    /// Of a credential that Vault keeps no lease of: it ends by itself, and a new one replaces it.
    pub(super) fn expiring(ttl: Duration, said: Option<Duration>) -> Self {
        let expires_in = said.map_or(ttl, |said| said.min(ttl));
        Self {
            expires_in,
            max_expires_in: Some(expires_in),
            renewable: false,
            ends: Ends::AtExpiry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn granted(ttl: Duration) -> Granted {
        Granted {
            ttl: Some(ttl),
            renewable: true,
            asked: false,
        }
    }

    #[test]
    fn a_lease_is_good_for_the_shortest_of_what_was_granted_and_asked() {
        let terms =
            |ttl, lease, token| Terms::withdrawable(ttl, &[granted(lease), granted(token)]).expires_in;
        assert_eq!(terms(HOUR, MINUTE, HOUR), MINUTE);
        assert_eq!(terms(HOUR, HOUR, MINUTE), MINUTE);
        assert_eq!(terms(MINUTE, HOUR, HOUR), MINUTE);
    }

    #[test]
    fn a_token_that_cannot_be_renewed_bounds_a_lease_that_can() {
        let token = Granted {
            renewable: false,
            ..granted(MINUTE)
        };
        let terms = Terms::withdrawable(HOUR, &[granted(HOUR), token]);
        assert!(!terms.renewable);
        assert_eq!(terms.max_expires_in, Some(MINUTE));
    }

    #[test]
    fn less_than_was_asked_for_is_the_most_there_is() {
        let token = Granted {
            asked: true,
            ..granted(MINUTE)
        };
        let terms = Terms::withdrawable(HOUR, &[granted(HOUR), token]);
        assert!(terms.renewable);
        assert_eq!(terms.max_expires_in, Some(MINUTE));
        let short_by_default = Terms::withdrawable(HOUR, &[granted(MINUTE)]);
        assert_eq!(short_by_default.max_expires_in, None);
    }

    #[test]
    fn what_has_no_lease_expires_when_it_says_or_when_it_was_to() {
        assert_eq!(Terms::expiring(HOUR, Some(MINUTE)).expires_in, MINUTE);
        let terms = Terms::expiring(HOUR, None);
        assert_eq!((terms.expires_in, terms.ends), (HOUR, Ends::AtExpiry));
        assert!(!terms.renewable);
    }
}
