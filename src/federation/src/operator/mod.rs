//! Who may look at all leases and ask for their rotation: the service accounts that the server was started with.
//!
//! Not in the catalog: whoever may write manifests grants the use of generators, and not the server itself.

use std::fmt;
use std::str::FromStr;

use esi_core::names::{NameError, Namespace, ObjectName};
use esi_core::{Classify, Code, Retry};
use thiserror::Error;

use crate::authenticate::Principal;

/// A service account of a federation, written as `federation/namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    federation: ObjectName,
    namespace: Namespace,
    name: ObjectName,
}

impl FromStr for Operator {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.split('/');
        let (Some(federation), Some(namespace), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let rule = "write federation/namespace/name, such as production/esi-system/admin";
            return Err(NameError::new("operator", rule, text));
        };
        Ok(Self {
            federation: federation.parse()?,
            namespace: namespace.parse()?,
            name: name.parse()?,
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.federation, self.namespace, self.name)
    }
}

/// Why a caller is no operator.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{subject}` of federation `{federation}` is no operator: start the server with --operator (ESI_OPERATORS)"
)]
pub struct NotAnOperator {
    subject: Box<str>,
    federation: Box<str>,
}

impl Classify for NotAnOperator {
    fn code(&self) -> Code {
        Code::PermissionDenied
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "not_an_operator"
    }
}

/// The operator that a principal is.
///
/// # Errors
/// [`NotAnOperator`].
pub fn check<'a>(operators: &'a [Operator], principal: &Principal) -> Result<&'a Operator, NotAnOperator> {
    let found = operators.iter().find(|operator| {
        operator.federation == principal.federation
            && operator.namespace == principal.namespace
            && operator.name == principal.service_account
    });
    found.ok_or_else(|| NotAnOperator {
        subject: principal.subject.as_str().into(),
        federation: principal.federation.as_str().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(federation: &str, namespace: &str, name: &str) -> Principal {
        Principal {
            federation: federation.parse().unwrap(),
            issuer: "https://cluster".to_owned(),
            subject: format!("system:serviceaccount:{namespace}:{name}"),
            namespace: namespace.parse().unwrap(),
            service_account: name.parse().unwrap(),
            pod: None,
            node: None,
        }
    }

    #[test]
    fn who_is_listed_is_an_operator_and_nobody_else_is() {
        let operators = ["production/esi/admin".parse::<Operator>().unwrap()];
        assert!(check(&operators, &principal("production", "esi", "admin")).is_ok());
        for (federation, namespace, name) in [
            ("staging", "esi", "admin"),
            ("production", "demo", "admin"),
            ("production", "esi", "admin2"),
        ] {
            let refused = check(&operators, &principal(federation, namespace, name));
            assert!(refused.unwrap_err().to_string().contains("--operator"));
        }
        assert!(check(&[], &principal("production", "esi", "admin")).is_err());
    }

    #[test]
    fn an_operator_is_written_with_its_federation() {
        let text = "production/esi/admin";
        assert_eq!(text.parse::<Operator>().unwrap().to_string(), text);
        for wrong in ["esi/admin", "a/b/c/d", "a//c", "A/b/c", ""] {
            assert!(wrong.parse::<Operator>().is_err(), "{wrong}");
        }
    }
}
