//! The manifest, checked: where the server is, and what a minted user is.

use std::error::Error;
use std::sync::OnceLock;

use data_encoding::BASE64_MIME;
use esi_resources::generator::{PgAttribute, PgUser, PostgreSqlSpec, SslMode};
use esi_resources::pem;
use sqlx::postgres::PgSslMode;
use thiserror::Error;

use super::connect::Place;
use super::name::{Identifier, readable};
use crate::build::BuildContext;
use crate::error::GeneratorError;

/// What a minted user is and may do.
pub(super) struct User {
    /// The readable end of its name; may be empty.
    pub(super) part: String,
    /// Its attributes, as `CREATE ROLE` takes them.
    pub(super) attributes: String,
    /// The roles it is given.
    pub(super) roles: Vec<Identifier>,
    /// What it owns is dropped.
    pub(super) destructive: bool,
    /// Who gets what it owns; the database's owner where absent.
    pub(super) reassign_to: Option<Identifier>,
}

#[derive(Debug, Error)]
enum Problem {
    #[error(
        "`{}` is no attribute: write SUPERUSER, CREATEDB, CREATEROLE, REPLICATION, NOINHERIT, BYPASSRLS or CONNECTION_LIMIT", .0.escape_debug()
    )]
    Attribute(String),
    #[error("CONNECTION_LIMIT needs a `value` from -1 (no limit) to 2147483647")]
    Limit,
    #[error("{0} takes no `value`: remove the value, or the attribute if the user is not to have it")]
    NoValue(String),
    #[error("write a host name or an address, without a path, a port or control characters")]
    Host,
    #[error("port 0 cannot be connected to: write 1 to 65535")]
    Port,
    #[error("write text without NUL characters")]
    Text,
    #[error("`{}` is no mode: write disable, prefer, require, verify-ca or verify-full", .0.escape_debug())]
    Mode(String),
    #[error("write certificates in PEM, whole ones, or the base64 of that")]
    Bundle,
}

impl User {
    pub(super) fn new(spec: &PgUser) -> Result<Self, GeneratorError> {
        let attributes: Vec<String> = spec
            .attributes
            .iter()
            .map(attribute)
            .collect::<Result<_, _>>()
            .map_err(|problem| refuse("spec.user.attributes", problem))?;
        let roles = spec
            .roles
            .iter()
            .map(|role| Identifier::new(role))
            .collect::<Result<_, _>>()
            .map_err(|problem| refuse("spec.user.roles", problem))?;
        let reassign_to = spec
            .reassign_to
            .as_deref()
            .map(Identifier::new)
            .transpose()
            .map_err(|problem| refuse("spec.user.reassignTo", problem))?;
        Ok(Self {
            part: spec.username.as_deref().map(readable).unwrap_or_default(),
            attributes: attributes.join(" "),
            roles,
            destructive: spec.destructive_cleanup,
            reassign_to,
        })
    }
}

fn attribute(attribute: &PgAttribute) -> Result<String, Problem> {
    let name = attribute.name.as_str();
    match name {
        "CONNECTION_LIMIT" => {
            let value = attribute.value.as_deref().ok_or(Problem::Limit)?;
            match value.trim().parse::<i32>() {
                Ok(limit) if limit >= -1 => Ok(format!("CONNECTION LIMIT {limit}")),
                _ => Err(Problem::Limit),
            }
        }
        "SUPERUSER" | "CREATEDB" | "CREATEROLE" | "REPLICATION" | "NOINHERIT" | "BYPASSRLS" => {
            if attribute.value.as_deref().is_some_and(|value| !value.is_empty()) {
                return Err(Problem::NoValue(name.to_owned()));
            }
            Ok(name.to_owned())
        }
        _ => Err(Problem::Attribute(name.to_owned())),
    }
}

/// Where the server is and who we are there.
pub(super) fn place(spec: &PostgreSqlSpec, cx: &BuildContext<'_>) -> Result<Place, GeneratorError> {
    // A path would be a Unix socket of the machine that the server itself runs on.
    let strange = |c: char| c == '/' || c == '@' || c.is_control() || c.is_whitespace();
    if spec.host.is_empty() || spec.host.contains(strange) {
        return Err(refuse("spec.host", Problem::Host));
    }
    if spec.port == 0 {
        return Err(refuse("spec.port", Problem::Port));
    }
    let database = Identifier::new(&spec.database).map_err(|problem| refuse("spec.database", problem))?;
    let username =
        Identifier::new(&spec.auth.username).map_err(|problem| refuse("spec.auth.username", problem))?;
    let password = cx.secret("spec.auth.password", &spec.auth.password)?;
    if !matches!(password.expose_str(), Ok(text) if !text.contains('\0')) {
        return Err(refuse("spec.auth.password", Problem::Text));
    }
    let tls = match cx.annotation("ssl-mode") {
        None => mode(spec.ssl_mode),
        Some("disable") => PgSslMode::Disable,
        Some("prefer") => PgSslMode::Prefer,
        Some("require") => PgSslMode::Require,
        Some("verify-ca") => PgSslMode::VerifyCa,
        Some("verify-full") => PgSslMode::VerifyFull,
        Some(other) => return Err(refuse("annotation ssl-mode", Problem::Mode(other.to_owned()))),
    };
    let roots = match (tls, cx.annotation("ca-bundle").or(spec.ca_bundle.as_deref())) {
        (PgSslMode::VerifyCa | PgSslMode::VerifyFull, Some(bundle)) => {
            pem::read(bundle).map_err(|_problem| refuse("spec.caBundle", Problem::Bundle))?
        }
        (PgSslMode::VerifyCa | PgSslMode::VerifyFull, None) => system_roots().to_owned(),
        _ => String::new(),
    };
    Ok(Place {
        host: spec.host.clone(),
        port: spec.port,
        database,
        username,
        password,
        tls,
        roots,
    })
}

fn mode(mode: SslMode) -> PgSslMode {
    match mode {
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        SslMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

/// The system's CA certificates in PEM, read once. None at all means that no server is trusted.
fn system_roots() -> &'static str {
    static ROOTS: OnceLock<String> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let pem = |der: &[u8]| {
            format!(
                "-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n",
                BASE64_MIME.encode(der)
            )
        };
        rustls_native_certs::load_native_certs()
            .certs
            .iter()
            .map(|certificate| pem(certificate))
            .collect()
    })
}

fn refuse(field: &'static str, problem: impl Error + Send + Sync + 'static) -> GeneratorError {
    GeneratorError::Misconfigured {
        field,
        problem: Box::new(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esi_core::chain;

    fn with_attribute(name: &str, value: Option<&str>) -> Result<String, String> {
        let spec = PgUser {
            attributes: vec![PgAttribute {
                name: name.to_owned(),
                value: value.map(str::to_owned),
            }],
            ..PgUser::default()
        };
        User::new(&spec)
            .map(|user| user.attributes)
            .map_err(|error| chain(&error))
    }

    #[test]
    fn the_seven_attributes_are_known_and_no_other_text_reaches_a_statement() {
        assert_eq!(with_attribute("CREATEDB", None).unwrap(), "CREATEDB");
        assert_eq!(
            with_attribute("CONNECTION_LIMIT", Some("5")).unwrap(),
            "CONNECTION LIMIT 5"
        );
        for (name, value) in [
            ("LOGIN", None),
            ("createdb", None),
            ("CREATEDB SUPERUSER", None),
            ("CONNECTION_LIMIT", None),
            ("CONNECTION_LIMIT", Some("5 SUPERUSER")),
            ("CONNECTION_LIMIT", Some("-2")),
            ("SUPERUSER", Some("false")),
        ] {
            let refusal = with_attribute(name, value).unwrap_err();
            assert!(refusal.contains("spec.user.attributes"), "{refusal}");
        }
    }

    #[test]
    fn a_role_that_is_no_name_is_refused_at_its_field() {
        let spec = PgUser {
            roles: vec!["a\0".to_owned()],
            ..PgUser::default()
        };
        let refusal = chain(&User::new(&spec).err().unwrap());
        assert!(
            refusal.contains("spec.user.roles") && refusal.contains("a\\0"),
            "{refusal}"
        );
    }
}
