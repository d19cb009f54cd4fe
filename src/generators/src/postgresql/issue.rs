//! A user is made.

use std::collections::BTreeMap;

use esi_core::{Credential, Ends, Handle, SecretBytes};
use thiserror::Error;
use zeroize::Zeroizing;

use super::failure::Budget;
use super::verifier::verifier;
use super::{PostgreSql, SERVER, name, sql};
use crate::error::GeneratorError;
use crate::port::{IssueContext, Issued};
use crate::random;

const ACTION: &str = "create the user";

/// Characters of a password: with 62 to choose from each, 32 have 190 bits.
const PASSWORD_LENGTH: usize = 32;
/// What needs no escape in a URL, a shell, or a connection string.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[derive(Debug, Error)]
enum BadRole {
    #[error("the role `{}` does not exist: create it, or correct the name; roles are not created here", .0.escape_debug())]
    Missing(String),
    #[error(
        "the role `{}` is a member of the admin user: a workload with it would be the admin", .0.escape_debug()
    )]
    Admin(String),
    #[error(
        "the database is owned by the superuser `{}`, with whose rights the views and functions that a user leaves \
         behind would run: write `reassignTo: <a role without rights>`, or `destructiveCleanup: true`, or give the \
         database an owner that is no superuser",
        .0.escape_debug()
    )]
    SuperuserHeir(String),
}

pub(super) async fn issue(pg: &PostgreSql, cx: &IssueContext<'_>) -> Result<Issued, GeneratorError> {
    let budget = Budget::new(cx.deadline);
    let role = name::role(cx.intent, &pg.user.part);
    let password = password()?;
    let open = sql::open_mint(budget.left(), cx.ttl, &pg.user);
    // The verifier takes half a millisecond, in which the database opens the transaction.
    let (opened, verifier) = tokio::join!(
        biased;
        pg.pool.start(&open, &budget, ACTION),
        async { verifier(password.expose()) }
    );
    let ((mut session, rows), verifier) = (opened?, verifier?);
    let [times, bad_roles @ ..] = rows.as_slice() else {
        return Err(GeneratorError::BadAnswer {
            action: ACTION,
            problem: Box::new(sqlx::Error::RowNotFound),
        });
    };
    if let Some(row) = bad_roles.first() {
        return Err(bad_role(pg, row.text(0), row.text(1)));
    }
    let (deadline, expiry) = (times.text(0), times.text(1));
    let create = sql::create(&role, &verifier, expiry, &pg.user);
    session.run(&create, &budget, ACTION).await?;
    pg.checkpoint.reach("postgresql/created-uncommitted");
    session.run(&sql::close_mint(deadline), &budget, ACTION).await?;
    pg.checkpoint.reach("postgresql/committed");
    session.give_back();

    let values = BTreeMap::from([
        ("username".to_owned(), SecretBytes::from(role.text())),
        ("password".to_owned(), password),
    ]);
    let credential = Credential::new(values).map_err(|problem| GeneratorError::BadAnswer {
        action: ACTION,
        problem: Box::new(problem),
    })?;
    let handle = Handle::default()
        .with("role", role.text())
        .with("database", pg.place.database.text())
        .with(SERVER, pg.place.server());
    Ok(Issued {
        credential,
        handle,
        expires_in: cx.ttl,
        max_expires_in: None,
        renewable: true,
        ends: Ends::AtOnce,
    })
}

fn password() -> Result<SecretBytes, GeneratorError> {
    let mut text = Zeroizing::new(Vec::with_capacity(PASSWORD_LENGTH));
    for _ in 0..PASSWORD_LENGTH {
        text.push(random::pick(ALPHABET)?);
    }
    Ok(SecretBytes::new(std::mem::take(&mut *text)))
}

fn bad_role(pg: &PostgreSql, role: &str, why: &str) -> GeneratorError {
    let granted = pg.user.roles.iter().any(|granted| granted.text() == role);
    let problem = match why {
        "admin" => BadRole::Admin(role.to_owned()),
        "heir" => BadRole::SuperuserHeir(role.to_owned()),
        _ => BadRole::Missing(role.to_owned()),
    };
    GeneratorError::Misconfigured {
        field: if granted && why != "heir" {
            "spec.user.roles"
        } else {
            "spec.user.reassignTo"
        },
        problem: Box::new(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_190_bits_and_needs_no_escape_anywhere() {
        let one = password().unwrap();
        let bits = f64::from(u32::try_from(PASSWORD_LENGTH).unwrap()) * 62_f64.log2();
        assert!(bits > 190.0);
        assert_eq!(one.len(), PASSWORD_LENGTH);
        assert!(one.expose().iter().all(u8::is_ascii_alphanumeric));
        assert_ne!(one, password().unwrap());
    }
}
