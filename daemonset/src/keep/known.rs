//! What the keeper knows of one volume beside its record: only in memory.

use std::sync::Arc;
use std::time::Duration;

use esi_client::{Dice, Verdict};
use esi_core::names::{BindingName, ServerName};
use esi_core::{Classify as _, Generation, Plan, Retry, span};
use tokio::time::Instant;

use super::error::RotateError;
use super::events::Reason;
use super::judge::{Case, Todo, Why, judge};
use super::line::after;
use super::schedule;
use crate::fill::Filled;
use crate::request::{Pod, Publish};

/// One volume.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) pod: Pod,
    pub(super) server: ServerName,
    binding: BindingName,
    has_variables: bool,
    /// kubelet's newest request, with the pod's tokens.
    request: Option<Arc<Publish>>,
    shown: Option<Generation>,
    ends: Option<Ends>,
    want: Option<Want>,
    rotates: bool,
    is_replacement: bool,
    /// It is not rotated, and that was said.
    is_left_to_end: bool,
    is_last_said: bool,
}

/// When what it shows ends, unless the server prolongs it.
#[derive(Debug, Clone, Copy)]
struct Ends {
    at: Instant,
    /// The longest time that was ever left of it.
    life: Duration,
}

/// It is to be rotated.
#[derive(Debug)]
struct Want {
    why: Why,
    /// Not sooner. `None`: when kubelet brings a token.
    at: Option<Instant>,
    failures: u32,
    /// What the last failure said.
    problem: Option<String>,
}

/// Something for the pod's author.
pub(super) type Note = (Reason, String);

impl Known {
    pub(super) fn new(pod: &Pod, plan: &Plan) -> Self {
        Self {
            pod: pod.clone(),
            server: plan.server.clone(),
            binding: plan.binding.clone(),
            has_variables: plan.has_variables(),
            request: None,
            shown: None,
            ends: None,
            want: None,
            rotates: false,
            is_replacement: false,
            is_left_to_end: false,
            is_last_said: false,
        }
    }

    /// kubelet has brought fresh tokens.
    pub(super) fn fresh(&mut self, request: Arc<Publish>, now: Instant) {
        self.request = Some(request);
        if let Some(want) = &mut self.want {
            want.at.get_or_insert(now);
        }
    }

    /// The server has said what becomes of the generation that was shown when it was asked.
    pub(super) fn judged(&mut self, generation: Generation, verdict: &Verdict, now: Instant) -> Option<Note> {
        if self.rotates || self.shown > Some(generation) {
            // Of what is not shown any more, or about not to be.
            return None;
        }
        self.show(generation, verdict.expires_in, now);
        let case = Case {
            has_variables: self.has_variables,
            is_replacement: self.is_replacement,
        };
        match judge(verdict.action, case) {
            Todo::Keep => {
                self.want = None;
                self.is_replacement = false;
                self.is_left_to_end = false;
                None
            }
            Todo::Rotate(why) => {
                self.want.get_or_insert(Want {
                    why,
                    at: Some(now),
                    failures: 0,
                    problem: None,
                });
                None
            }
            Todo::Tell => self.left_to_end(now),
            Todo::Leave => {
                tracing::debug!(binding = %self.binding, "the server does not know what it issued; nothing more is asked of it");
                None
            }
        }
    }

    fn show(&mut self, generation: Generation, left: Option<Duration>, now: Instant) {
        if self.shown != Some(generation) {
            self.shown = Some(generation);
            self.ends = None;
            self.is_left_to_end = false;
            self.is_last_said = false;
        }
        self.ends = left.and_then(|left| {
            Some(Ends {
                at: after(now, left)?,
                life: self.ends.map_or(left, |ends| ends.life.max(left)),
            })
        });
    }

    fn left_to_end(&mut self, now: Instant) -> Option<Note> {
        if std::mem::replace(&mut self.is_left_to_end, true) {
            return None;
        }
        let ends = match self.ends {
            Some(ends) => format!("ends in {}", in_words(ends.at.saturating_duration_since(now))),
            None => "is to be replaced".to_owned(),
        };
        let binding = &self.binding;
        Some((
            Reason::NotRotated,
            format!(
                "the credential of binding `{binding}` {ends}, and is not rotated, because a running process keeps its variables: restart the pod to get a new one"
            ),
        ))
    }

    /// When it is not rotated, and its process will be left without: its end, if that is known.
    pub(super) fn last_of_variables(&self) -> Option<Option<Instant>> {
        self.is_left_to_end.then(|| self.ends.map(|ends| ends.at))
    }

    /// When it is to be rotated.
    pub(super) fn due(&self) -> Option<Instant> {
        self.want
            .as_ref()
            .filter(|_want| !self.rotates)
            .and_then(|want| want.at)
    }

    /// What to rotate it by, now. It waits for kubelet if there is no token.
    pub(super) fn begin(&mut self, has_token: impl FnOnce(&Publish) -> bool) -> Option<Arc<Publish>> {
        let request = self.request.clone().filter(|request| has_token(request));
        if request.is_some() {
            self.rotates = true;
        } else if let Some(want) = &mut self.want {
            want.at = None;
            // Not kept any longer than it is of use.
            self.request = None;
        }
        request
    }

    /// A rotation came to its end.
    pub(super) fn rotated(&mut self, rotated: &Result<Filled, RotateError>, now: Instant) -> Option<Note> {
        self.rotates = false;
        let error = match rotated {
            Ok(filled) => {
                self.is_replacement = self.want.take().is_some_and(|want| want.why == Why::Unknown);
                self.show(filled.generation, filled.expires_in, now);
                return None;
            }
            // The next publish makes it anew, or there is none.
            Err(RotateError::Gone) => {
                self.want = None;
                return None;
            }
            Err(error) => error,
        };
        let want = self.want.as_mut()?;
        want.failures = want.failures.saturating_add(1);
        want.at = after(now, schedule::wait(error.retry(), want.failures, Dice::throw()));
        want.problem = Some(error.to_string());
        let note = (
            Reason::RotationFailed,
            format!(
                "binding `{}` keeps the credential that it has: {error}",
                self.binding
            ),
        );
        // What may go away by itself is said when it matters.
        (error.retry() == Retry::Never).then_some(note)
    }

    /// When to say that it is about to end, if that was not said.
    pub(super) fn last(&self) -> Option<Instant> {
        let ends = self.ends.filter(|_ends| !self.is_last_said)?;
        ends.at.checked_sub(schedule::last_of(ends.life))
    }

    /// Says that it is about to end. `unheard` is why the server did not take the last report, if so.
    pub(super) fn say_last(&mut self, unheard: Option<&str>, now: Instant) -> Option<Note> {
        let ends = self.ends?;
        self.is_last_said = true;
        let left = in_words(ends.at.saturating_duration_since(now));
        let problem = self.want.as_ref().and_then(|want| want.problem.as_deref());
        let why = problem
            .or(unheard)
            .unwrap_or("the server has not prolonged it, nor asked for its rotation");
        let why = if self.is_left_to_end {
            "a running process keeps its variables"
        } else {
            why
        };
        Some((
            Reason::CredentialEnding,
            format!(
                "the credential of binding `{}` ends in {left}: {why}",
                self.binding
            ),
        ))
    }
}

/// Whole seconds: nobody reads more.
fn in_words(left: Duration) -> String {
    span::format(Duration::from_secs(left.as_secs()))
}
