//! `esi-federation dev`: everything on loopback, in a directory of its own, to try ESI in a minute.
//!
//! ```text
//!  DIR/catalog/*.yaml   the example generators, an Authorization, and the federation `dev` (its key set inline)
//!  DIR/token            a token of the local issuer, like one that kubelet projects; made anew before it expires
//!  DIR/ledger.db, DIR/tls/ca.pem
//! ```
//!
//! Not for production: whoever can read the directory is the workload.

mod issuer;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use esi_core::{Clock as _, NoCheckpoint, SystemClock};
use esi_runtime::tls::TlsSource;

use crate::app::{self, AppError, Config};
use crate::issue::IssueLimits;
pub use issuer::DevKeyError;

use issuer::DevIssuer;

const EXAMPLE_GENERATORS: &str = include_str!("../../../../deploy/examples/dev/generators.yaml");
const EXAMPLE_AUTHORIZATION: &str = include_str!("../../../../deploy/examples/dev/authorization.yaml");

/// The audience of dev tokens.
const AUDIENCE: &str = "esi";
/// Life of a dev token, and how often it is made anew.
const TOKEN_TTL: Duration = Duration::from_secs(3600);
const TOKEN_EVERY: Duration = Duration::from_secs(1800);

/// Flags of `dev`.
#[derive(Debug, ClapArgs)]
pub struct DevArgs {
    /// Address to serve on; loopback only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin_listen: SocketAddr,
    /// Directory for all it writes; a new temporary one, removed at the end, where absent.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Serves until stopped.
pub(crate) async fn run(args: DevArgs) -> Result<(), AppError> {
    let DevArgs {
        listen,
        admin_listen,
        dir,
    } = args;
    if !listen.ip().is_loopback() || !admin_listen.ip().is_loopback() {
        return Err(AppError::NotLoopback);
    }
    let temporary = if dir.is_none() {
        Some(tempfile::tempdir().map_err(AppError::DevDirectory)?)
    } else {
        None
    };
    let dir = match (&dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => PathBuf::from("."),
    };
    let issuer = DevIssuer::new()?;
    write_examples(&dir, &issuer).map_err(AppError::DevDirectory)?;
    write_token(&dir, &issuer).map_err(AppError::DevDirectory)?;
    let server = app::build(Config {
        catalog: dir.join("catalog"),
        ledger: dir.join("ledger.db"),
        listen,
        admin_listen,
        audience: AUDIENCE.to_owned(),
        operators: vec![],
        tls: TlsSource::OwnCa {
            directory: dir.join("tls"),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        },
        limits: IssueLimits::default(),
        drain: Duration::from_secs(5),
        clock: Arc::new(SystemClock),
        checkpoint: Arc::new(NoCheckpoint),
    })
    .await?;
    let welcome = welcome(&dir, server.address(), server.admin_address());
    std::io::stdout()
        .write_all(welcome.as_bytes())
        .map_err(AppError::DevDirectory)?;
    let refresh = async {
        loop {
            tokio::time::sleep(TOKEN_EVERY).await;
            if let Err(error) = write_token(&dir, &issuer) {
                tracing::warn!(error = %error, "the dev token cannot be made anew");
            }
        }
    };
    tokio::select! {
        result = server.until_stopped() => result,
        () = refresh => Ok(()),
    }
}

fn write_examples(dir: &Path, issuer: &DevIssuer) -> std::io::Result<()> {
    let catalog = dir.join("catalog");
    std::fs::create_dir_all(&catalog)?;
    for (name, text) in [
        ("generators.yaml", EXAMPLE_GENERATORS),
        ("authorization.yaml", EXAMPLE_AUTHORIZATION),
    ] {
        let path = catalog.join(name);
        // What a person changed in a directory of their own stays.
        if !path.exists() {
            std::fs::write(path, text)?;
        }
    }
    std::fs::write(catalog.join("federation.json"), issuer.federation().to_string())
}

fn write_token(dir: &Path, issuer: &DevIssuer) -> std::io::Result<()> {
    let token = issuer
        .token(SystemClock.now(), AUDIENCE, TOKEN_TTL)
        .map_err(std::io::Error::other)?;
    // A reader sees one whole token; a new temporary file is readable by its owner only.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(token.expose())?;
    file.persist(dir.join("token"))?;
    Ok(())
}

fn welcome(dir: &Path, address: SocketAddr, admin: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "\
esi-federation is running for a trial, on loopback only. Try:

1. Run a program with a credential of its own, as a variable and as a file:

   esi-cli run --server-url https://{address} --ca {dir}/tls/ca.pem --token-file {dir}/token \\
     --generator Password/demo/password --env PASSWORD=password --file app/credential.json=json \\
     --volumes {dir}/volumes -- sh -c 'echo \"$PASSWORD\"; cat {dir}/volumes/default/app/credential.json'

2. See what the server counted:

   curl -s http://{admin}/metrics | grep ^esi_

3. Change what there is to have, and run 1 again; no restart is needed:

   $EDITOR {dir}/catalog/generators.yaml

Stop it with Ctrl-C.
"
    )
}
