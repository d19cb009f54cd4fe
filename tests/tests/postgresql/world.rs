//! What the tests of this capability share: a generator over a fixture, and ports that remember.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::{Namespace, ObjectName};
use esi_core::{
    Checkpoint, Handle, InstallationId, Instance, Intent, LeaseId, NoCheckpoint, SecretBytes, Workload,
};
use esi_generators::{
    Generator, GeneratorError, Generators, IssueContext, Issued, Progress, RecordError, Recorder, Secrets,
};
use esi_resources::generator::GeneratorSpec;
use esi_tests::postgres::{Fixture, Postgres, Release, query};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;

/// Time to live that the tests ask for.
pub(crate) const TTL: Duration = Duration::from_secs(600);

/// A generator for a fixture's database, with room to change its manifest.
pub(crate) struct World {
    pub(crate) fixture: Fixture,
    /// The manifest's `spec`.
    pub(crate) spec: Value,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) checkpoint: Arc<dyn Checkpoint>,
    pub(crate) installation: InstallationId,
    /// How long an issue may take.
    pub(crate) deadline: Duration,
}

impl World {
    /// At the shared server.
    pub(crate) async fn new(release: Release) -> Self {
        let fixture = Postgres::shared(release).fixture().await.unwrap();
        Self::with(fixture)
    }

    pub(crate) fn with(fixture: Fixture) -> Self {
        let spec = json!({
            "host": fixture.server.host(),
            "port": fixture.server.port().to_string(),
            "database": fixture.database,
            "auth": { "username": fixture.admin, "password": { "name": "admin", "key": "password" } },
            "user": { "username": "shop", "roles": [fixture.app] },
        });
        Self {
            fixture,
            spec,
            annotations: BTreeMap::new(),
            checkpoint: Arc::new(NoCheckpoint),
            installation: InstallationId::random(),
            deadline: Duration::from_secs(10),
        }
    }

    /// The generator that the manifest now describes, with no connection yet.
    pub(crate) fn try_generator(&self) -> Result<Arc<dyn Generator>, GeneratorError> {
        let spec = serde_json::from_value(self.spec.clone()).unwrap();
        Generators::new(Arc::clone(&self.checkpoint)).build(
            &GeneratorSpec::PostgreSql(Box::new(spec)),
            &self.annotations,
            &"PostgreSQL/platform/shop".parse().unwrap(),
            &AdminPassword(self.fixture.admin_password.clone()),
        )
    }

    pub(crate) fn generator(&self) -> Arc<dyn Generator> {
        self.try_generator().unwrap()
    }

    pub(crate) fn intent(&self) -> Intent {
        Intent {
            installation: self.installation.clone(),
            lease: LeaseId::random(),
        }
    }

    /// One issue by a generator of its own.
    pub(crate) async fn issue(&self) -> Result<User, GeneratorError> {
        let intent = self.intent();
        let issued = self
            .issue_by(&*self.generator(), &intent, &Recorded::default())
            .await?;
        Ok(User::new(intent, issued))
    }

    pub(crate) async fn issue_by(
        &self,
        generator: &dyn Generator,
        intent: &Intent,
        recorder: &dyn Recorder,
    ) -> Result<Issued, GeneratorError> {
        generator
            .issue(&IssueContext {
                intent,
                workload: &workload(),
                ttl: TTL,
                deadline: self.deadline,
                recorder,
            })
            .await
    }

    pub(crate) async fn revoke(&self, intent: &Intent) -> Result<Ended, GeneratorError> {
        let ended = Ended::default();
        self.generator().revoke(intent, None, &ended).await?;
        Ok(ended)
    }

    /// The names of all roles that this world's installation has at the server.
    pub(crate) async fn roles(&self) -> Vec<String> {
        let sql = format!(
            "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'esi\\_{}%'",
            self.installation
        );
        let rows = self.fixture.ask(&sql).await.unwrap();
        rows.into_iter().flatten().collect()
    }

    pub(crate) async fn connect(&self, user: &User) -> Result<PgConnection, sqlx::Error> {
        self.fixture.connect(&user.name, &user.password).await
    }
}

/// What an issue gave.
pub(crate) struct User {
    pub(crate) intent: Intent,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) issued: Issued,
}

impl User {
    pub(crate) fn new(intent: Intent, issued: Issued) -> Self {
        let text = |key| {
            issued
                .credential
                .get(key)
                .unwrap()
                .expose_str()
                .unwrap()
                .to_owned()
        };
        Self {
            intent,
            name: text("username"),
            password: text("password"),
            issued,
        }
    }
}

pub(crate) fn workload() -> Workload {
    Workload {
        cluster: "prod".parse().unwrap(),
        namespace: "shop".parse().unwrap(),
        service_account: "web".parse().unwrap(),
        instance: Instance::Client {
            id: "ci".parse().unwrap(),
        },
        node: None,
    }
}

/// The SQLSTATE of an answer that must be an error.
pub(crate) async fn refused(connection: &mut PgConnection, sql: &str) -> String {
    sqlstate(query(connection, sql).await.expect_err("it was allowed"))
}

pub(crate) fn sqlstate(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        other => format!("{other:?}"),
    }
}

/// Asks until the answer is right, at most 20 s.
pub(crate) async fn eventually(fixture: &Fixture, sql: &str, expected: &str) {
    let mut connection = fixture.superuser().await.unwrap();
    let mut last = String::new();
    for _ in 0..2000 {
        let rows = query(&mut connection, sql).await.unwrap();
        last = rows.into_iter().flatten().collect::<Vec<_>>().join(",");
        if last == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("`{sql}` is {last:?} for 20 s, not {expected:?}");
}

struct AdminPassword(String);

impl Secrets for AdminPassword {
    fn get(&self, _namespace: &Namespace, _name: &ObjectName, _key: &str) -> Option<SecretBytes> {
        Some(SecretBytes::from(self.0.as_str()))
    }
}

/// A ledger's memory of handles.
#[derive(Debug, Default)]
pub(crate) struct Recorded(pub(crate) Mutex<Vec<Handle>>);

#[async_trait]
impl Recorder for Recorded {
    async fn record(&self, handle: Handle) -> Result<(), RecordError> {
        self.0.lock().unwrap().push(handle);
        Ok(())
    }
}

/// Remembers whether access has ended.
#[derive(Debug, Default)]
pub(crate) struct Ended(AtomicBool);

impl Ended {
    pub(crate) fn is_told(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Progress for Ended {
    async fn access_ended(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
