//! The endpoints that vaultrs lacks (`sys/leases`, any path) or has with a broken path (a tab stands before its
//! `renew-self` and `revoke-self`).

use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use rustify::errors::ClientError;
use rustify_derive::Endpoint;

/// Prolongs a lease to `increment` seconds from now, or less.
#[derive(Endpoint)]
#[endpoint(path = "sys/leases/renew", method = "PUT")]
pub(super) struct RenewLease {
    pub(super) lease_id: String,
    pub(super) increment: u64,
}

/// Ends a lease; with `sync` the answer comes once it has ended, and says if it could not be.
#[derive(Endpoint)]
#[endpoint(path = "sys/leases/revoke", method = "PUT")]
pub(super) struct RevokeLease {
    pub(super) lease_id: String,
    pub(super) sync: bool,
}

/// Prolongs the token that the call is made with.
#[derive(Endpoint)]
#[endpoint(path = "auth/token/renew-self", method = "PUT")]
pub(super) struct RenewSelf {
    pub(super) increment: u64,
}

/// Ends the token that the call is made with.
#[derive(Endpoint)]
#[endpoint(path = "auth/token/revoke-self", method = "PUT")]
pub(super) struct RevokeSelf {}

/// The call that a manifest describes: any path, in one of four ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::vault) struct AnyPath {
    /// How it is called.
    pub(in crate::vault) verb: Verb,
    /// The path, without a slash at either end.
    pub(in crate::vault) path: String,
    /// The query, encoded.
    pub(in crate::vault) query: Option<String>,
    /// The body of a write, as JSON.
    pub(in crate::vault) body: Option<Vec<u8>>,
}

/// How a path is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::vault) enum Verb {
    /// Reads.
    Get,
    /// Lists.
    List,
    /// Deletes.
    Delete,
    /// Writes.
    Write,
}

impl Endpoint for &AnyPath {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        match self.verb {
            Verb::Get => RequestMethod::GET,
            Verb::List => RequestMethod::LIST,
            Verb::Delete => RequestMethod::DELETE,
            Verb::Write => RequestMethod::PUT,
        }
    }

    fn query(&self) -> Result<Option<String>, ClientError> {
        Ok(self.query.clone())
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok(self.body.clone())
    }
}
