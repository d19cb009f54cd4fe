//! What a server answers, in the terms of `esi-core`.

use std::time::Duration;

use esi_api::{convert, v1};
use esi_core::{Credential, Generation};

use crate::error::AnswerError;

/// A credential and what is known of its lease.
#[derive(Debug)]
pub struct Issued {
    /// The values.
    pub credential: Credential,
    /// Which of the binding it is.
    pub generation: Generation,
    /// Time left, where the lease ends by itself.
    pub expires_in: Option<Duration>,
}

/// What the server says to a report.
#[derive(Debug)]
pub struct Report {
    /// One for each binding reported, in the same order.
    pub verdicts: Vec<Verdict>,
    /// When it wants the next one.
    pub report_in: Option<Duration>,
}

/// What the server says of one binding.
#[derive(Debug)]
pub struct Verdict {
    /// Which.
    pub binding: String,
    /// What to do.
    pub action: Action,
    /// Time left, where the lease is live and ends by itself; also where it is to be rotated.
    pub expires_in: Option<Duration>,
    /// Whether the server still prolongs it.
    pub renewable: bool,
    /// Until when it can be prolonged, where that is known.
    pub max_expires_in: Option<Duration>,
}

/// What to do with a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go on with it.
    Keep,
    /// Get a new one.
    Rotate {
        /// Because a person asked for it: this one does not end by itself.
        asked: bool,
    },
    /// The server knows of no such generation, or not of its being on the caller's node: get a new one once.
    Unknown,
}

pub(crate) fn issued(answer: v1::IssueResponse) -> Result<Issued, AnswerError> {
    let v1::IssueResponse { data, lease } = answer;
    // The values become secret bytes before anything else can fail.
    let credential = convert::credential_from_wire(data)?;
    let lease = lease.ok_or(AnswerError::NoLease)?;
    Ok(Issued {
        credential,
        generation: Generation::new(lease.generation),
        expires_in: left("lease.expires_in", lease.expires_in)?,
    })
}

pub(crate) fn report(answer: v1::ReportResponse) -> Result<Report, AnswerError> {
    let verdicts = answer
        .verdicts
        .into_iter()
        .map(|verdict| {
            Ok(Verdict {
                action: action(&verdict),
                expires_in: left("verdict.expires_in", verdict.expires_in)?,
                renewable: verdict.renewable,
                max_expires_in: left("verdict.max_expires_in", verdict.max_expires_in)?,
                binding: verdict.binding,
            })
        })
        .collect::<Result<_, AnswerError>>()?;
    Ok(Report {
        verdicts,
        report_in: left("report_in", answer.report_in)?,
    })
}

fn action(verdict: &v1::BindingVerdict) -> Action {
    match verdict.action() {
        v1::Action::Rotate => Action::Rotate { asked: verdict.asked },
        v1::Action::Unknown => Action::Unknown,
        // What a newer server says and this program does not know changes nothing.
        v1::Action::Keep | v1::Action::Unspecified => Action::Keep,
    }
}

fn left(field: &'static str, span: Option<prost_types::Duration>) -> Result<Option<Duration>, AnswerError> {
    Ok(span.map(|span| convert::from_wire(field, span)).transpose()?)
}
