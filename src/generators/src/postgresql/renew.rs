//! A user's expiry is moved.

use std::time::Duration;

use esi_core::Intent;

use super::failure::{Budget, UNDEFINED_OBJECT};
use super::name::Identifier;
use super::{PostgreSql, sql};
use crate::error::GeneratorError;
use crate::port::Renewed;

const ACTION: &str = "renew the user";
/// Two statements of a few milliseconds each; the rest is for a new connection to a busy server.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn renew(
    pg: &PostgreSql,
    intent: &Intent,
    ttl: Duration,
) -> Result<Renewed, GeneratorError> {
    let budget = Budget::new(LIMIT);
    let find = sql::find_to_renew(intent, ttl);
    let (mut session, rows) = pg.pool.start(&find, &budget, ACTION).await?;
    let mut renewed = false;
    for row in &rows {
        // One that cannot log in is being revoked.
        let (name, can_log_in, expiry) = (row.text(0), row.text(2), row.text(4));
        let (Ok(role), "true") = (Identifier::new(name), can_log_in) else {
            continue;
        };
        let statement = sql::transaction(budget.left(), &sql::renew(&role, expiry));
        match session.run(&statement, &budget, ACTION).await {
            Ok(_) => renewed = true,
            Err(gone) if gone.is(UNDEFINED_OBJECT) => return Err(GeneratorError::NotRenewable),
            Err(failure) => return Err(failure.into()),
        }
    }
    session.give_back();
    if renewed {
        Ok(Renewed {
            expires_in: ttl,
            max_expires_in: None,
        })
    } else {
        Err(GeneratorError::NotRenewable)
    }
}
