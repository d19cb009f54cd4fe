//! A PostgreSQL user, made by hand with the generator's own statements, and by the server.

use anyhow::{Context as _, Result};
use esi_tests::federation::{issue_request, request_id};
use esi_tests::issuer::Pod;
use esi_tests::postgres::{Postgres, Release, query};
use serde_json::json;

use super::compare;
use crate::server::{Server, issue};
use crate::table::Table;

const SHOP: &str = "PostgreSQL/platform/shop";

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
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
    let token = server.federation.issuer.token(&Pod::new());
    let request = issue_request(SHOP, "db", &request_id());
    issue(&server.connect().await?, &token, request).await?;
    let statements = Statements::of_the_last_issue(&fixture.server.log())?;

    let mut admin = fixture.connect(&fixture.admin, &fixture.admin_password).await?;
    query(&mut admin, "SET search_path = pg_catalog").await?;
    compare(table, "PostgreSQL", &server, SHOP, async |round| {
        for statement in statements.for_role(&format!("bench_{round}")) {
            query(&mut admin, &statement).await?;
        }
        Ok(())
    })
    .await
}

/// What the generator sends for one issue, in three round trips, as the database logged it. Its verifier goes with
/// it: the generator's own time for computing one is overhead.
struct Statements {
    open: String,
    create: String,
    /// The role that `create` makes.
    role: String,
    close: String,
}

impl Statements {
    fn of_the_last_issue(log: &str) -> Result<Self> {
        let last = |start: &str| -> Result<String> {
            let statements = log
                .lines()
                .filter_map(|line| line.split_once("LOG:  statement: "));
            let found = statements.map(|(_, sql)| sql).rfind(|sql| sql.starts_with(start));
            found
                .map(str::to_owned)
                .with_context(|| format!("the database logged no {start}"))
        };
        let quoted = |sql: &str, quote| {
            sql.split(quote)
                .nth(1)
                .map(str::to_owned)
                .context("nothing is quoted")
        };
        let create = last("CREATE ROLE ")?;
        let close = last("SELECT (1 / ")?;
        let deadline = quoted(&close, '\'')?;
        Ok(Self {
            open: last("BEGIN; SET LOCAL statement_timeout")?,
            role: quoted(&create, '"')?,
            create,
            // Met in every round.
            close: close.replace(&deadline, "2100-01-01 00:00:00+00"),
        })
    }

    fn for_role(&self, name: &str) -> [String; 3] {
        let create = self.create.replace(&self.role, name);
        [self.open.clone(), create, self.close.clone()]
    }
}
