//! The story: a program gets a database user of its own, uses it, ends, and the user is gone.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use esi_tests::eventually;
use esi_tests::federation::Federation;
use esi_tests::issuer::Pod;
use esi_tests::postgres::{Fixture, Postgres, Release};
use serde_json::{Value, json};

use crate::stage::{App, Steps};

/// Tells it; every sentence is checked before it is printed.
pub(crate) async fn tell() -> Result<()> {
    let mut steps = Steps::begin();

    let postgres: &'static Postgres = Box::leak(Box::new(Postgres::start(Release::System)?));
    let database = postgres.fixture().await?;
    steps.done("a real PostgreSQL runs, with an application's database and an admin that is no superuser");

    let federation = Federation::start_with(&manifests(&database), &["PostgreSQL/platform/shop"])?;
    steps.done("esi-federation runs: TLS with its own CA, a ledger, one generator, one Authorization");

    // What kubelet would project into the pod, and a volume in memory.
    let pod = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let (token, volumes) = (pod.path().join("token"), pod.path().join("volumes"));
    std::fs::write(&token, federation.issuer.token(&Pod::new()))?;
    std::fs::create_dir(&volumes)?;

    let psql = format!(
        "psql -h {} -p {} -d {} -X -A -t",
        database.server.host(),
        database.server.port(),
        database.database
    );
    let script =
        format!("{psql} -c \"SELECT current_user || ' reads: ' || name FROM item\" || exit 1; read word");
    let mut app = App::start(&federation, &token, &volumes, &script)?;
    let said = app.line()?;
    steps.done("a program under `esi-cli run` has started, logged in and read its table");
    println!("     it says: {said}");

    let document: Value = serde_json::from_slice(&std::fs::read(volumes.join("db/credential.json"))?)?;
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let (user, password) = (text("username"), text("password"));
    ensure!(
        said == format!("{user} reads: first"),
        "the program logged in as somebody else: {said}"
    );
    ensure!(
        database.minted().await? == BTreeSet::from([user.clone()]),
        "PostgreSQL does not list exactly one user of ours"
    );
    ensure!(
        std::fs::read_to_string(volumes.join("db/password"))? == password,
        "the files differ"
    );
    ensure!(
        !std::fs::read(federation.ledger())?
            .windows(password.len())
            .any(|w| w == password.as_bytes()),
        "the ledger holds the password"
    );
    println!(
        "     variables: PGUSER={user}  PGPASSWORD=<{} characters>",
        password.len()
    );
    for name in ["credential.json", "password"] {
        let bytes = std::fs::metadata(volumes.join("db").join(name))?.len();
        println!("     file: db/{name}  {bytes} bytes");
    }
    steps.done(
        "variables and files are one credential; PostgreSQL lists that user; the ledger does not hold it",
    );

    app.end()?;
    steps.done("the program has ended, and esi-cli has told the server");

    eventually("the user is gone", async || {
        database.minted().await.is_ok_and(|left| left.is_empty())
    })
    .await;
    ensure!(
        database.connect(&user, &password).await.is_err(),
        "the password still works"
    );
    ensure!(!volumes.join("db").exists(), "files are left");
    steps.done("the user is gone: PostgreSQL refuses the password, and no file is left");

    println!("\nEvery sentence above was checked.");
    Ok(())
}

fn manifests(database: &Fixture) -> String {
    let generator = json!({
        "apiVersion": "generators.external-secrets.io/v1alpha1",
        "kind": "PostgreSQL",
        "metadata": { "name": "shop", "namespace": "platform" },
        "spec": {
            "host": database.server.host(), "port": database.server.port(), "database": database.database,
            "sslMode": "verify-full", "caBundle": database.server.ca(),
            "auth": { "username": database.admin, "password": { "name": "admin", "key": "password" } },
            "user": { "username": "shop", "roles": [database.app] }
        }
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "admin", "namespace": "platform" },
        "stringData": { "password": database.admin_password }
    });
    format!("{generator}\n---\n{secret}\n")
}
