//! The admin endpoints, over plain HTTP: for the platform's probes and scrapers, never for clients.
//!
//! | path | answers |
//! | --- | --- |
//! | `/healthz` | 200 while the process can answer at all, and where it has a check of its own, while that is passed; else 503 with why |
//! | `/readyz` | 200, or 503 with what is awaited, one name a line, or `draining` |
//! | `/metrics` | OpenMetrics text |
//!
//! They go on answering during a drain: run them as a companion task (see [`crate::tasks`]). Nothing here
//! names a lease, a workload or a credential.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use crate::serve::{self, Listener, ServeLimits};
use crate::{Metrics, Readiness, Shutdown};

/// What the standard asks for (OpenMetrics 1.0, "Overall Structure").
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A kubelet, a scraper or two, a person. They send a request line and few headers, no body.
const LIMITS: ServeLimits = ServeLimits {
    max_connections: 64,
    handshake_timeout: Duration::from_secs(5),
    header_timeout: Duration::from_secs(5),
    request_timeout: Duration::from_secs(5),
    max_header_bytes: 8 * 1024,
    max_streams: 16,
    ping_interval: Duration::from_secs(20),
    ping_timeout: Duration::from_secs(20),
    max_idle: Duration::from_secs(300),
    max_age: Duration::from_secs(3600),
    drain: Duration::ZERO,
};

/// What the endpoints show.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// What is still awaited.
    pub readiness: Readiness,
    /// Whether the program is draining.
    pub shutdown: Shutdown,
    /// The metrics.
    pub registry: Arc<Registry>,
}

/// Serves the endpoints until the future is dropped.
pub async fn serve(listener: Listener, state: AdminState) {
    serve_checked(listener, state, async || Ok(())).await;
}

/// The same; `/healthz` asks `check` each time, and shows its error. It has [`LIMITS`]' time to answer.
pub async fn serve_checked<C, A>(listener: Listener, state: AdminState, check: C)
where
    C: Fn() -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), String>> + Send + 'static,
{
    // Not the program's own: it must outlive the request to stop. And nobody counts probes.
    let (forever, uncounted) = (Shutdown::new(), Metrics::default());
    serve::serve_plain(listener, router(state, check), LIMITS, uncounted, forever).await;
}

fn router<C, A>(state: AdminState, check: C) -> Router
where
    C: Fn() -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<(), String>> + Send + 'static,
{
    let healthz = async move || match check().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn readyz(State(state): State<AdminState>) -> (StatusCode, String) {
    if state.shutdown.is_requested() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    let awaited = state.readiness.awaited();
    if awaited.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let mut body = String::new();
    for name in awaited {
        // Writing to a String cannot fail.
        writeln!(body, "awaiting {name}").unwrap_or_default();
    }
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

async fn metrics(
    State(state): State<AdminState>,
) -> Result<([(HeaderName, &'static str); 1], String), StatusCode> {
    let mut body = String::new();
    text::encode(&mut body, &state.registry).map_err(|_fmt| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], body))
}

#[cfg(test)]
mod tests;
