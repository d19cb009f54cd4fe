//! From bytes to a review.
//!
//! The body is scanned once for the few fields that decide; everything else is skipped where it stands (the scanner
//! keeps no stack, so nesting costs nothing), and only the pod of a review that concerns us becomes a value (nested at
//! most 128 deep: serde_json's own bound, far beyond what a pod can be).

use std::borrow::Cow;

use esi_core::names::Namespace;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use super::{API_VERSION, KIND};

/// Most bytes of a uid: Kubernetes' own has 36.
const MAX_UID_BYTES: usize = 128;

/// A review, as far as it concerns us.
#[derive(Debug)]
pub struct Review {
    /// What the answer must repeat.
    pub uid: String,
    /// What it is about.
    pub subject: Subject,
}

/// What a review is about.
#[derive(Debug)]
pub enum Subject {
    /// A pod that is being created.
    Pod {
        /// Where: the request's word, since the pod's own may be missing.
        namespace: Namespace,
        /// The pod as it stands.
        pod: Value,
        /// Whether nothing of this will be stored, so that nobody may be told of it.
        dry_run: bool,
    },
    /// Nothing that is ever changed here, and why: `not_a_pod`, `subresource`, `not_create`.
    Other(&'static str),
}

/// Why a review cannot be decided.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BadReview {
    /// The body is no JSON, or another shape.
    #[error("the body is no AdmissionReview: {0}")]
    Shape(serde_json::Error),
    /// Another version or kind.
    #[error(
        "the body is no AdmissionReview of admission.k8s.io/v1: register this webhook with that version alone"
    )]
    Version,
    /// There is nobody to answer to.
    #[error("the review has no request with a uid")]
    NoUid,
    /// The review has a uid, and something else is wrong.
    #[error("the review's request cannot be read: {problem}")]
    Request {
        /// The review's.
        uid: String,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Addressee<'a> {
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    kind: GroupKind<'a>,
    #[serde(borrow)]
    resource: GroupResource<'a>,
    #[serde(borrow)]
    sub_resource: Option<Cow<'a, str>>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(default)]
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
struct GroupKind<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct GroupResource<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
}

impl Review {
    /// Reads a review.
    ///
    /// # Errors
    /// If it is none, or does not say what decides.
    pub fn read(body: &[u8]) -> Result<Self, BadReview> {
        let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(BadReview::Shape)?;
        if envelope.api_version.as_deref() != Some(API_VERSION) || envelope.kind.as_deref() != Some(KIND) {
            return Err(BadReview::Version);
        }
        let request = envelope.request.ok_or(BadReview::NoUid)?.get();
        let addressee: Addressee<'_> = serde_json::from_str(request).map_err(BadReview::Shape)?;
        let uid = addressee
            .uid
            .filter(|uid| (1..=MAX_UID_BYTES).contains(&uid.len()))
            .ok_or(BadReview::NoUid)?
            .into_owned();
        match subject(request) {
            Ok(subject) => Ok(Self { uid, subject }),
            Err(problem) => Err(BadReview::Request { uid, problem }),
        }
    }
}

fn subject(request: &str) -> Result<Subject, String> {
    let request: Request<'_> = serde_json::from_str(request).map_err(|error| error.to_string())?;
    if !request.kind.group.is_empty()
        || request.kind.kind != "Pod"
        || !request.resource.group.is_empty()
        || request.resource.resource != "pods"
    {
        return Ok(Subject::Other("not_a_pod"));
    }
    if request.sub_resource.is_some_and(|name| !name.is_empty()) {
        return Ok(Subject::Other("subresource"));
    }
    if request.operation != "CREATE" {
        return Ok(Subject::Other("not_create"));
    }
    let namespace = request.namespace.unwrap_or_default();
    let namespace = namespace.parse().map_err(|error| format!("namespace: {error}"))?;
    let object = request.object.ok_or("there is no object")?.get();
    let pod: Value = serde_json::from_str(object).map_err(|error| format!("object: {error}"))?;
    if !pod.is_object() {
        return Err("object: it is no object".to_owned());
    }
    Ok(Subject::Pod {
        namespace,
        pod,
        dry_run: request.dry_run.unwrap_or(false),
    })
}
