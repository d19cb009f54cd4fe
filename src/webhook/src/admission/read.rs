//! From bytes to a review.
//!
//! The body is scanned once: the object becomes a document that borrows from it (nested at most 128 deep: serde_json's
//! own bound, far beyond what a pod can be), the few other fields that decide are kept as they stand, and everything
//! else is skipped (the scanner keeps no stack, so nesting costs nothing).

use std::borrow::Cow;
use std::str;

use esi_core::names::Namespace;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{API_VERSION, KIND};
use crate::json::Json;

/// Most bytes of a uid: Kubernetes' own has 36.
const MAX_UID_BYTES: usize = 128;

/// A review, as far as it concerns us.
#[derive(Debug)]
pub struct Review<'a> {
    /// What the answer must repeat.
    pub uid: String,
    /// What it is about.
    pub subject: Subject<'a>,
}

/// What a review is about.
#[derive(Debug)]
pub enum Subject<'a> {
    /// A pod that is being created.
    Pod {
        /// Where: the request's word, since the pod's own may be missing.
        namespace: Namespace,
        /// The pod as it stands.
        pod: Json<'a>,
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
struct Envelope<'a, O> {
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request: Option<Request<'a, O>>,
}

/// Each field but the object as it stands: what is wrong with one must not hide the uid.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a, O> {
    #[serde(borrow)]
    uid: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    sub_resource: Option<&'a RawValue>,
    #[serde(borrow)]
    operation: Option<&'a RawValue>,
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    object: Option<O>,
    #[serde(borrow)]
    dry_run: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct GroupKind<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
struct GroupResource<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
}

impl<'a> Review<'a> {
    /// Reads a review.
    ///
    /// # Errors
    /// If it is none, or does not say what decides.
    pub fn read(body: &'a [u8]) -> Result<Self, BadReview> {
        let text =
            str::from_utf8(body).map_err(|error| BadReview::Shape(serde_json::Error::custom(error)))?;
        match serde_json::from_str::<Envelope<'_, Json<'_>>>(text) {
            Ok(envelope) => Self::of(envelope, |object| {
                let pod = object.ok_or("there is no object")?;
                let is_object = pod.root().as_object().is_some();
                is_object.then_some(pod).ok_or("object: it is no object".into())
            }),
            // The object alone may be what cannot be read: its review has a uid.
            Err(error) => {
                let envelope: Envelope<'_, IgnoredAny> =
                    serde_json::from_str(text).map_err(BadReview::Shape)?;
                Self::of(envelope, |_unread| Err(format!("object: {error}").into()))
            }
        }
    }

    fn of<O>(
        envelope: Envelope<'_, O>,
        pod: impl FnOnce(Option<O>) -> Result<Json<'a>, Cow<'static, str>>,
    ) -> Result<Self, BadReview> {
        if envelope.api_version.as_deref() != Some(API_VERSION) || envelope.kind.as_deref() != Some(KIND) {
            return Err(BadReview::Version);
        }
        let request = envelope.request.ok_or(BadReview::NoUid)?;
        let uid: Text<'_> = field("uid", request.uid).map_err(|_shape| BadReview::NoUid)?;
        let uid = uid
            .0
            .filter(|uid| (1..=MAX_UID_BYTES).contains(&uid.len()))
            .ok_or(BadReview::NoUid)?
            .into_owned();
        match subject(request, pod) {
            Ok(subject) => Ok(Self { uid, subject }),
            Err(problem) => Err(BadReview::Request { uid, problem }),
        }
    }
}

/// A text, or none.
#[derive(Deserialize, Default)]
struct Text<'a>(#[serde(borrow)] Option<Cow<'a, str>>);

impl Text<'_> {
    fn is(&self, text: &str) -> bool {
        self.0.as_deref() == Some(text)
    }
}

/// A field of the request; the default where it is absent.
fn field<'a, T: Deserialize<'a> + Default>(name: &str, raw: Option<&'a RawValue>) -> Result<T, String> {
    raw.map_or_else(
        || Ok(T::default()),
        |raw| serde_json::from_str(raw.get()).map_err(|error| format!("{name}: {error}")),
    )
}

/// What a request is about. Its object becomes a pod only where it is one's creation.
fn subject<'a, O>(
    request: Request<'_, O>,
    pod: impl FnOnce(Option<O>) -> Result<Json<'a>, Cow<'static, str>>,
) -> Result<Subject<'a>, String> {
    let kind: GroupKind<'_> = field("kind", request.kind)?;
    let resource: GroupResource<'_> = field("resource", request.resource)?;
    if request.kind.is_none() || request.resource.is_none() {
        return Err("there is no kind or no resource".to_owned());
    }
    if !kind.group.is_empty()
        || kind.kind != "Pod"
        || !resource.group.is_empty()
        || resource.resource != "pods"
    {
        return Ok(Subject::Other("not_a_pod"));
    }
    if field::<Text<'_>>("subResource", request.sub_resource)?
        .0
        .is_some_and(|name| !name.is_empty())
    {
        return Ok(Subject::Other("subresource"));
    }
    let operation: Text<'_> = field("operation", request.operation)?;
    if operation.0.is_none() {
        return Err("there is no operation".to_owned());
    }
    if !operation.is("CREATE") {
        return Ok(Subject::Other("not_create"));
    }
    let namespace: Text<'_> = field("namespace", request.namespace)?;
    let namespace = namespace.0.unwrap_or_default().parse();
    let namespace = namespace.map_err(|error| format!("namespace: {error}"))?;
    let dry_run = field::<Option<bool>>("dryRun", request.dry_run)?.unwrap_or(false);
    let pod = pod(request.object)?;
    Ok(Subject::Pod {
        namespace,
        pod,
        dry_run,
    })
}
