//! What a lease leaves at Vault, and how the ledger keeps it. None of it is secret: a lease id and an accessor
//! name things, and only a token with the right policy can act on them.

use esi_core::Handle;

const LEASE_ID: &str = "lease_id";
const LOGIN_ACCESSOR: &str = "accessor";
const CREDENTIAL_ACCESSOR: &str = "credential_accessor";
const MADE_AT: &str = "server";

/// Everything that must end with the lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Remains {
    /// Vault's lease of the credential.
    pub(super) lease_id: Option<String>,
    /// The accessor of the lease's own login (or child token), on which Vault's lease hangs.
    pub(super) login_accessor: Option<String>,
    /// The accessor of the credential, where it is itself a token.
    pub(super) credential_accessor: Option<String>,
    /// Where it was made, as [`VaultApi::place`](super::api::VaultApi::place) says it.
    pub(super) made_at: Option<String>,
}

impl Remains {
    /// Whether there is a credential that Vault can withdraw.
    pub(super) fn can_be_withdrawn(&self) -> bool {
        self.lease_id.is_some() || self.credential_accessor.is_some()
    }

    /// Whether there is nothing to end.
    pub(super) fn is_empty(&self) -> bool {
        !self.can_be_withdrawn() && self.login_accessor.is_none()
    }
}

impl From<&Remains> for Handle {
    fn from(remains: &Remains) -> Self {
        if remains.is_empty() {
            return Self::default();
        }
        [
            (LEASE_ID, &remains.lease_id),
            (LOGIN_ACCESSOR, &remains.login_accessor),
            (CREDENTIAL_ACCESSOR, &remains.credential_accessor),
            (MADE_AT, &remains.made_at),
        ]
        .into_iter()
        .filter_map(|(field, value)| Some((field, value.as_deref()?)))
        .fold(Self::default(), |handle, (field, value)| {
            handle.with(field, value)
        })
    }
}

impl From<&Handle> for Remains {
    fn from(handle: &Handle) -> Self {
        let text = |field| handle.text(field).map(str::to_owned);
        Self {
            lease_id: text(LEASE_ID),
            login_accessor: text(LOGIN_ACCESSOR),
            credential_accessor: text(CREDENTIAL_ACCESSOR),
            made_at: text(MADE_AT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back() {
        let remains = Remains {
            lease_id: Some("database/creds/shop/x".to_owned()),
            login_accessor: Some("a".to_owned()),
            credential_accessor: None,
            made_at: Some("https://vault:8200".to_owned()),
        };
        assert_eq!(Remains::from(&Handle::from(&remains)), remains);
        assert!(Remains::from(&Handle::default()).is_empty());
    }
}
