//! A PostgreSQL user, made by hand with the generator's own statements, and by the server.

use anyhow::Result;
use esi_tests::postgres::{Postgres, Release, query};
use serde_json::json;

use super::compare;
use crate::server::Server;
use crate::table::Table;

const SHOP: &str = "PostgreSQL/platform/shop";
/// Computed beforehand (RFC 5803): the generator's own time for one is overhead.
const VERIFIER: &str = "SCRAM-SHA-256$4096:bm90IGEgc2VjcmV0IQ==$\
    3l8Z2V0jPlfzTg4F9cFVlNWm6e7HRRLMyVqN2y5h0mA=:gXcRjvIlZ2yX3b2wDdqfM1Yh0m9xJkq3mRk5q5L1n0A=";

pub(super) async fn measure(table: &mut Table) -> Result<()> {
    let fixture = Postgres::shared(Release::System).fixture().await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "admin", "namespace": "platform" },
        "stringData": { "password": fixture.admin_password }
    });
    let generator = json!({
        "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "PostgreSQL",
        "metadata": { "name": "shop", "namespace": "platform" },
        "spec": {
            "host": fixture.server.host(), "port": fixture.server.port().to_string(),
            "database": fixture.database,
            "auth": { "username": fixture.admin, "password": { "name": "admin", "key": "password" } },
            "user": { "roles": [fixture.app] }
        }
    });
    let server = Server::start(&format!("{generator}\n---\n{secret}\n"), &[SHOP])?;
    let mut admin = fixture.connect(&fixture.admin, &fixture.admin_password).await?;
    query(&mut admin, "SET search_path = pg_catalog").await?;
    let app = &fixture.app;
    compare(table, "PostgreSQL", &server, SHOP, async |round| {
        let role = format!("bench_{round}");
        // The three round trips of an issue.
        query(
            &mut admin,
            &format!(
                "BEGIN; SET LOCAL statement_timeout = 20000; SET LOCAL lock_timeout = 20000; \
                 SET LOCAL idle_in_transaction_session_timeout = 20000; \
                 SELECT (clock_timestamp() + interval '20000 milliseconds')::text, \
                        (clock_timestamp() + interval '3600000 milliseconds')::text; \
                 SELECT wanted, 'missing' FROM unnest(ARRAY['{app}']::text[]) AS wanted \
                   WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) \
                 UNION ALL \
                 SELECT r.rolname::text, 'admin' FROM unnest(ARRAY['{app}']::text[]) AS granted \
                   JOIN pg_roles r ON r.rolname = granted JOIN pg_roles me ON me.rolname = current_user \
                   WHERE NOT me.rolsuper AND pg_has_role(r.oid, me.oid, 'MEMBER')"
            ),
        )
        .await?;
        query(
            &mut admin,
            &format!(
                "CREATE ROLE {role} LOGIN PASSWORD '{VERIFIER}' VALID UNTIL '2100-01-01 00:00:00+00'; \
                 GRANT {app} TO {role}"
            ),
        )
        .await?;
        let close =
            "SELECT (1 / (clock_timestamp() < '2100-01-01 00:00:00+00'::timestamptz)::int)::text; COMMIT";
        query(&mut admin, close).await?;
        Ok(())
    })
    .await
}
