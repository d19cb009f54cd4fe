//! The HTTP face.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::time::Instant;

use super::body::{BodyError, Held};
use super::read::{BadReview, Review, Subject};
use super::write::{Answer, Denial, response};
use crate::admit::admit;
use crate::config::Current;
use crate::denials::Denials;
use crate::metrics::Metrics;
use crate::report::Refusals;
use crate::world::CurrentWorld;

/// Where reviews are sent.
pub const PATH: &str = "/mutate";

/// All that answering needs.
#[derive(Debug)]
pub struct Server {
    /// What the operator decided.
    pub configuration: Current,
    /// What is known of the cluster.
    pub world: CurrentWorld,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Logs what is denied.
    pub denials: Denials,
    /// Tells in the cluster of those that Injections are to blame for.
    pub refusals: Refusals,
}

struct Shared {
    server: Server,
    held: Held,
}

/// Answers reviews on [`PATH`].
pub fn router(server: Server) -> Router {
    let shared = Shared {
        server,
        held: Held::default(),
    };
    Router::new()
        .route(PATH, post(mutate))
        .with_state(Arc::new(shared))
}

async fn mutate(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let metrics = &shared.server.metrics;
    let refuse = |status: StatusCode, reason, text: &str| {
        metrics.refused(reason);
        (status, format!("{text}\n")).into_response()
    };
    if !is_json(request.headers()) {
        let text = "send content-type: application/json";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", text);
    }
    let body = match shared.held.receive(request.into_body()).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            let text = "the body is larger than any pod that can be stored";
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text);
        }
        Err(BodyError::Busy) => {
            let text = "too much is being received: try again";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "busy", text);
        }
        Err(BodyError::Broken) => return refuse(StatusCode::BAD_REQUEST, "broken", "the body has no end"),
    };
    let started = Instant::now();
    let (uid, answer) = match Review::read(&body.bytes) {
        Ok(review) => shared.server.answer(review),
        Err(BadReview::Request { uid, problem }) => {
            let denial = Denial {
                code: 400,
                reason: "malformed",
                message: format!("esi: this request cannot be read: {problem}"),
            };
            (uid, Answer::Denied(denial))
        }
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "malformed", &error.to_string()),
    };
    let Ok(bytes) = response(&uid, &answer) else {
        return refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the answer cannot be written",
        );
    };
    metrics.admitted(&answer, started.elapsed());
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], bytes).into_response()
}

impl Server {
    fn answer(&self, review: Review<'_>) -> (String, Answer) {
        let Review { uid, subject } = review;
        let answer = match &subject {
            Subject::Other(why) => Answer::Untouched(why),
            Subject::Pod {
                namespace,
                pod,
                dry_run,
            } => {
                let answer = admit(namespace, pod, &self.world.get(), &self.configuration.get());
                if let Answer::Denied(denial) = &answer {
                    self.denials.tell(namespace, pod, denial);
                    if !dry_run {
                        self.refusals.tell(namespace, pod, denial);
                    }
                }
                answer
            }
        };
        (uid, answer)
    }
}

/// `application/json`, in any case, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(text)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let media_type = text.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}
