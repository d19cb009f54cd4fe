//! The claims of a verified token: a pure function of claims, what is accepted, and the time.

use std::time::Duration;

use esi_core::Timestamp;
use esi_core::names::ObjectName;
use serde::Deserialize;
use serde_json::Value;

use super::Principal;
use super::error::{AuthenticateError, shown};
use super::jwt::Claims;

/// Difference between two clocks that is accepted, as Kubernetes' own verifier does (`jwt.DefaultLeeway`).
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// `kubernetes.io` of a bound service account token (Kubernetes 1.32 and later; before, without `node`).
#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    serviceaccount: Named,
    #[serde(default)]
    pod: Option<Named>,
    #[serde(default)]
    node: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    uid: String,
}

/// Checks the claims of a token whose signature `federation` vouches for.
///
/// # Errors
/// See [`AuthenticateError`].
pub(super) fn check(
    claims: &Claims,
    federation: &ObjectName,
    audiences: &[&str],
    now: Timestamp,
) -> Result<Principal, AuthenticateError> {
    check_times(claims, now)?;
    check_audience(claims, audiences)?;
    let issuer = claims.issuer().ok_or(AuthenticateError::Claim { claim: "iss" })?;
    let subject = claims
        .text("sub")
        .ok_or(AuthenticateError::Claim { claim: "sub" })?;
    let bound = claims
        .get("kubernetes.io")
        .ok_or(not_bound("it has no claim `kubernetes.io`"))?;
    let bound = Kubernetes::deserialize(bound)
        .map_err(|_source| not_bound("its claim `kubernetes.io` names no namespace and service account"))?;
    let expected = format!(
        "system:serviceaccount:{}:{}",
        bound.namespace, bound.serviceaccount.name
    );
    if subject != expected {
        return Err(not_bound(
            "its subject is not the service account that its claim `kubernetes.io` names",
        ));
    }
    let bad_name = "a name in its claim `kubernetes.io` is not valid";
    let pod = match bound.pod {
        Some(Named { name, uid }) => Some((
            name.parse().map_err(|_source| not_bound(bad_name))?,
            uid.parse()
                .map_err(|_source| not_bound("its pod has no valid UID"))?,
        )),
        None => None,
    };
    let node = bound
        .node
        .map(|node| node.name.parse().map_err(|_source| not_bound(bad_name)));
    Ok(Principal {
        federation: federation.clone(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        namespace: bound.namespace.parse().map_err(|_source| not_bound(bad_name))?,
        service_account: bound
            .serviceaccount
            .name
            .parse()
            .map_err(|_source| not_bound(bad_name))?,
        pod,
        node: node.transpose()?,
    })
}

fn not_bound(problem: &'static str) -> AuthenticateError {
    AuthenticateError::NotAServiceAccount { problem }
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), AuthenticateError> {
    let expires = instant(claims, "exp")?;
    if now >= expires + SKEW {
        return Err(AuthenticateError::Expired {
            ago: now.since(expires),
        });
    }
    let from = instant(claims, "nbf")?;
    if now + SKEW < from {
        return Err(AuthenticateError::NotYetValid {
            ahead: from.since(now),
        });
    }
    Ok(())
}

/// A `NumericDate` (RFC 7519 §2): whole or fractional seconds.
fn instant(claims: &Claims, claim: &'static str) -> Result<Timestamp, AuthenticateError> {
    let missing = AuthenticateError::Claim { claim };
    match claims.get(claim) {
        Some(Value::Number(number)) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float saturates, and a saturated time is refused"
            )]
            let seconds = number
                .as_i64()
                .or_else(|| number.as_f64().map(|seconds| seconds as i64));
            seconds.map(Timestamp::from_secs).ok_or(missing)
        }
        _ => Err(missing),
    }
}

fn check_audience(claims: &Claims, accepted: &[&str]) -> Result<(), AuthenticateError> {
    let found: Vec<&str> = match claims.get("aud") {
        Some(Value::String(audience)) => vec![audience],
        Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
        _ => return Err(AuthenticateError::Claim { claim: "aud" }),
    };
    if found.iter().any(|audience| accepted.contains(audience)) {
        return Ok(());
    }
    let list = |names: &[&str]| {
        shown(
            &names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", "),
        )
    };
    Err(AuthenticateError::Audience {
        found: list(&found),
        accepted: list(accepted),
    })
}
