//! A server whose generators mint at a PostgreSQL of the tests.

use std::collections::BTreeSet;

use esi_api::v1;
use esi_tests::eventually;
use esi_tests::federation::{Federation, value};
use esi_tests::postgres::{Fixture, Postgres, Release};
use serde_json::{Value, json};

/// The generator of [`World::start`].
pub(crate) const SHOP: &str = "PostgreSQL/platform/shop";

/// A server and the database it makes users in.
pub(crate) struct World {
    pub(crate) fixture: Fixture,
    pub(crate) federation: Federation,
}

/// The manifests of a generator for a fixture's database, and of its admin's Secret.
pub(crate) fn manifests(fixture: &Fixture) -> String {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "admin", "namespace": "platform" },
        "stringData": { "password": fixture.admin_password }
    });
    format!("{}\n---\n{secret}\n", generator(fixture))
}

fn generator(fixture: &Fixture) -> Value {
    json!({
        "apiVersion": "generators.external-secrets.io/v1alpha1",
        "kind": "PostgreSQL",
        "metadata": { "name": "shop", "namespace": "platform" },
        "spec": {
            "host": fixture.server.host(), "port": fixture.server.port().to_string(),
            "database": fixture.database,
            "auth": { "username": fixture.admin, "password": { "name": "admin", "key": "password" } },
            "user": { "roles": [fixture.app] }
        }
    })
}

impl World {
    /// Prepared, with the generator in the catalog and `demo/app` allowed to use it.
    pub(crate) async fn prepare() -> Self {
        let fixture = Postgres::shared(Release::System).fixture().await.unwrap();
        let federation = Federation::prepare().unwrap();
        federation.write("generators.yaml", &manifests(&fixture)).unwrap();
        federation.allow("app", &[SHOP]).unwrap();
        Self { fixture, federation }
    }

    /// The same, running.
    pub(crate) async fn start() -> Self {
        let mut this = Self::prepare().await;
        this.federation.start().unwrap();
        this
    }

    /// Whether the user of an answer can log in.
    pub(crate) async fn can_log_in(&self, issued: &v1::IssueResponse) -> bool {
        self.fixture
            .connect(&value(issued, "username"), &value(issued, "password"))
            .await
            .is_ok()
    }

    /// The users that exist for this database, by PostgreSQL's own list.
    pub(crate) async fn users(&self) -> BTreeSet<String> {
        self.fixture.minted().await.unwrap()
    }

    /// Waits until the user of this answer is the only one.
    pub(crate) async fn only_user_left(&self, issued: &v1::IssueResponse) {
        let only = BTreeSet::from([value(issued, "username")]);
        eventually("one user is left", async || self.users().await == only).await;
    }

    /// What the server says of a metric, named with its labels; empty where it says nothing.
    pub(crate) async fn metric(&self, name: &str) -> String {
        // Whichever test of this process comes first installs it.
        drop(esi_runtime::crypto::install());
        let url = format!("http://{}/metrics", self.federation.admin());
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap_or_default().trim().to_owned()
    }
}
