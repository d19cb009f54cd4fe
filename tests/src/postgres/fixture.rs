//! What one test works with at a shared server.

use std::collections::BTreeSet;

use anyhow::Result;
use sqlx::postgres::PgConnection;

use super::{Postgres, Release, query, unique};

/// A database with a table, its owner, an admin that makes users, and a role for them.
#[derive(Debug)]
pub struct Fixture {
    /// Where it is.
    pub server: &'static Postgres,
    /// The database. It has a table `item(id int, name text)` with one row, and its schema `public` is the owner's.
    pub database: String,
    /// The database's owner; cannot log in.
    pub owner: String,
    /// A role that may use the table and create others.
    pub app: String,
    /// Not a superuser: CREATEROLE, a member of `owner`, and where PostgreSQL asks for it ADMIN OPTION on `app`.
    pub admin: String,
    /// The admin's password.
    pub admin_password: String,
}

impl Fixture {
    pub(super) async fn make(server: &'static Postgres) -> Result<Self> {
        let n = unique();
        let this = Self {
            server,
            database: format!("db{n}"),
            owner: format!("owner{n}"),
            app: format!("app{n}"),
            admin: format!("admin{n}"),
            admin_password: format!("p@ss/{n}:%'\"\\"),
        };
        let Self {
            database,
            owner,
            app,
            admin,
            ..
        } = &this;
        let password = this.admin_password.replace('\'', "''");
        let mut superuser = server.superuser("postgres").await?;
        let option = match server.release {
            Release::System => "",
            Release::Newer => "WITH ADMIN OPTION",
        };
        // CREATE DATABASE stands alone.
        for sql in [
            format!(
                "CREATE ROLE {owner}; CREATE ROLE {app}; CREATE ROLE {admin} LOGIN CREATEROLE PASSWORD '{password}'; \
                 GRANT {owner} TO {admin}; {}",
                if option.is_empty() {
                    String::new()
                } else {
                    format!("GRANT {app} TO {admin} {option}")
                }
            ),
            format!("CREATE DATABASE {database} OWNER {owner}"),
        ] {
            query(&mut superuser, &sql).await?;
        }
        let mut inside = this.superuser().await?;
        query(
            &mut inside,
            &format!(
                "ALTER SCHEMA public OWNER TO {owner}; SET ROLE {owner}; CREATE TABLE item (id int, name text); \
                 INSERT INTO item VALUES (1, 'first'); GRANT USAGE, CREATE ON SCHEMA public TO {app}; \
                 GRANT SELECT, INSERT ON item TO {app}"
            ),
        )
        .await?;
        Ok(this)
    }

    /// The superuser in this database.
    pub async fn superuser(&self) -> Result<PgConnection> {
        self.server.superuser(&self.database).await
    }

    /// Anybody in this database.
    pub async fn connect(&self, user: &str, password: &str) -> Result<PgConnection, sqlx::Error> {
        self.server.connect(&self.database, user, password).await
    }

    /// The users that were minted for this database and live: members of `app`, by PostgreSQL's own list.
    pub async fn minted(&self) -> Result<BTreeSet<String>> {
        let members = format!(
            "SELECT member.rolname FROM pg_auth_members m JOIN pg_roles member ON member.oid = m.member \
             JOIN pg_roles granted ON granted.oid = m.roleid \
             WHERE granted.rolname = '{}' AND member.rolname LIKE 'esi\\_%'",
            self.app
        );
        Ok(self.ask(&members).await?.into_iter().flatten().collect())
    }

    /// Rows of a query by the superuser in this database.
    pub async fn ask(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        Ok(query(&mut self.superuser().await?, sql).await?)
    }
}
