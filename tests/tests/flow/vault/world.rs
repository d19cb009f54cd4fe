//! A server whose generators ask a real OpenBao, in front of a real PostgreSQL.
//!
//! ```text
//!  pod ──▶ server ──AppRole──▶ OpenBao ──database engine──▶ PostgreSQL   SHOP
//!                                      ──ssh engine, one-time passwords  OTP
//! ```

use std::collections::BTreeSet;

use esi_api::v1;
use esi_tests::federation::{Federation, value};
use esi_tests::openbao::Api;
use esi_tests::postgres::{Fixture, Postgres};
use serde_json::{Value, json};

use crate::vault::backend::{
    OWN_POLICY, approle, eventually, leases, otp_works, ssh_engine, tokens_with_path, unique,
};
use crate::vault::support::{Known, Manifest};

/// A user of the database.
pub(crate) const SHOP: &str = "VaultDynamicSecret/platform/shop";
/// A one-time password of the ssh engine.
pub(crate) const OTP: &str = "VaultDynamicSecret/platform/otp";

/// A server, and what it mints at. Nothing of it is another test's, though both backends may be.
pub(crate) struct World {
    pub(crate) bao: Api,
    pub(crate) fixture: Fixture,
    pub(crate) federation: Federation,
    /// The engines' mounts.
    database: String,
    ssh: String,
    /// How the server logs in, as a manifest says it, and what it needs for that.
    auth: Value,
    pub(crate) secret_id: String,
}

impl World {
    /// Prepared, with both generators in the catalog and `demo/app` allowed to use them. `tokens` says what tokens
    /// the server's logins give.
    pub(crate) async fn prepare(bao: &Api, postgres: &'static Postgres, tokens: Value) -> Self {
        let fixture = postgres.fixture().await.unwrap();
        let database = database_engine(bao, &fixture).await;
        let ssh = ssh_engine(bao).await;
        let policy = format!(
            "path \"{database}/creds/shop\" {{ capabilities = [\"read\"] }}\n\
             path \"{ssh}/creds/otp\" {{ capabilities = [\"update\"] }}\n{OWN_POLICY}"
        );
        let (auth, known) = approle(bao, &policy, tokens).await;
        let this = Self {
            bao: bao.clone(),
            fixture,
            federation: Federation::prepare().unwrap(),
            secret_id: known.values().next().unwrap().to_owned(),
            database,
            ssh,
            auth,
        };
        this.reach_vault_at(bao.address());
        this.federation.allow("app", &[SHOP, OTP]).unwrap();
        this
    }

    /// Writes the catalog so that the server goes to this address for Vault.
    pub(crate) fn reach_vault_at(&self, address: &str) {
        let generator = |name: &str, path: String, manifest: Manifest| {
            let spec = manifest
                .set("path", json!(path))
                .set_provider("server", json!(address))
                .spec;
            json!({
                "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "VaultDynamicSecret",
                "metadata": {"name": name, "namespace": "platform"}, "spec": spec,
            })
        };
        let manifest = Manifest::new(&self.bao, "", (self.auth.clone(), Known::default()));
        let shop = generator("shop", format!("{}/creds/shop", self.database), manifest.clone());
        let parameters = json!({"ip": "10.0.0.1"});
        let otp = generator(
            "otp",
            format!("{}/creds/otp", self.ssh),
            manifest.writing(parameters),
        );
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault", "namespace": "platform"},
            "stringData": {"secret-id": self.secret_id},
        });
        let documents = format!("{shop}\n---\n{otp}\n---\n{secret}\n");
        self.federation.write("generators.yaml", &documents).unwrap();
    }

    /// Ends the server's right to log in.
    pub(crate) async fn withdraw_secret_id(&self) {
        let path = format!("auth/{}/role/esi/secret-id/destroy", self.approle());
        let secret_id = json!({"secret_id": self.secret_id});
        self.bao.put(&path, secret_id).await.unwrap();
    }

    /// The mount of the server's login.
    fn approle(&self) -> &str {
        self.auth["appRole"]["path"].as_str().unwrap()
    }

    /// Whether the database's user of an answer can log in.
    pub(crate) async fn can_log_in(&self, issued: &v1::IssueResponse) -> bool {
        self.fixture
            .connect(&value(issued, "username"), &value(issued, "password"))
            .await
            .is_ok()
    }

    /// Whether the one-time password of an answer works. Asking uses it up.
    pub(crate) async fn otp_works(&self, issued: &v1::IssueResponse) -> bool {
        otp_works(&self.bao, &self.ssh, &value(issued, "key")).await
    }

    /// The users that exist for this database.
    pub(crate) async fn users(&self) -> BTreeSet<String> {
        let members = format!(
            "SELECT member.rolname FROM pg_auth_members m JOIN pg_roles member ON member.oid = m.member \
             JOIN pg_roles granted ON granted.oid = m.roleid \
             WHERE granted.rolname = '{}' AND member.rolname <> '{}'",
            self.fixture.app, self.fixture.admin
        );
        let rows = self.fixture.ask(&members).await.unwrap();
        rows.into_iter().flatten().collect()
    }

    /// How many leases Vault has.
    pub(crate) async fn leases(&self) -> usize {
        let database = format!("sys/leases/lookup/{}/creds/shop", self.database);
        self.bao.list(&database).await.unwrap().len() + leases(&self.bao, &self.ssh).await.len()
    }

    /// The accessors of the server's logins.
    pub(crate) async fn logins(&self) -> Vec<String> {
        tokens_with_path(&self.bao, &format!("auth/{}/login", self.approle())).await
    }

    /// Waits until there are only these users, each with its lease and the login that the lease hangs on.
    pub(crate) async fn holds_only(&self, issued: &[&v1::IssueResponse], when: &str) {
        let users: BTreeSet<_> = issued.iter().map(|issued| value(issued, "username")).collect();
        let what = format!("{users:?} with a lease and a login each is all that is left {when}");
        // What takes longest to ask comes last.
        eventually(&what, async || {
            self.users().await == users
                && self.leases().await == users.len()
                && self.logins().await.len() == users.len()
        })
        .await;
    }

    /// The server's metrics.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.federation.admin());
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// Waits until the server has been told by a backend that a revocation is not possible now.
    pub(crate) async fn a_revocation_failed(&self) {
        let line = "esi_lease_attempts_total{work=\"revoke\",result=\"backend_unavailable\"}";
        eventually("a revocation was tried in vain", async || {
            self.metrics().await.contains(line)
        })
        .await;
    }
}

/// A database engine with a role `shop`, whose users may do what the fixture's role may.
async fn database_engine(bao: &Api, fixture: &Fixture) -> String {
    let mount = unique("database");
    bao.put(&format!("sys/mounts/{mount}"), json!({"type": "database"}))
        .await
        .unwrap();
    let (port, database) = (fixture.server.port(), &fixture.database);
    let url =
        format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{port}/{database}?sslmode=disable");
    let config = json!({
        "plugin_name": "postgresql-database-plugin", "connection_url": url, "allowed_roles": "shop",
        "username": fixture.admin, "password": fixture.admin_password,
    });
    bao.put(&format!("{mount}/config/pg"), config).await.unwrap();
    let create = format!(
        "CREATE ROLE \"{{{{name}}}}\" WITH LOGIN PASSWORD '{{{{password}}}}' VALID UNTIL '{{{{expiration}}}}' IN ROLE {};",
        fixture.app
    );
    let role =
        json!({"db_name": "pg", "creation_statements": [create], "default_ttl": "2h", "max_ttl": "4h"});
    bao.put(&format!("{mount}/roles/shop"), role).await.unwrap();
    mount
}
