//! One call: attempts until it succeeds, is refused, or its budget is used up.

use std::future::Future;
use std::time::Duration;

use esi_core::{Classify as _, Retry};
use tokio::time::{Instant, sleep, timeout};

use super::error::{AttemptError, CallError};
use super::schedule::{Next, next};
use crate::dice::Dice;

/// The time that a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    until: Instant,
    /// The time that one attempt may take.
    attempt: Duration,
}

impl Budget {
    /// A backend may be slow to mint, and a retry within 60 s gets what this attempt minted (design §5.4); but a
    /// connection that died silently must be found out.
    const ATTEMPT: Duration = Duration::from_secs(30);

    /// From now for `span`.
    #[must_use]
    pub fn of(span: Duration) -> Self {
        let now = Instant::now();
        Self {
            // A span too long to be added is as good as a century.
            until: now
                .checked_add(span)
                .unwrap_or_else(|| now.checked_add(Duration::from_secs(3_155_760_000)).unwrap_or(now)),
            attempt: Self::ATTEMPT,
        }
    }

    fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Attempts until one succeeds. Each is told how long it may take.
///
/// # Errors
/// See [`CallError`].
pub(super) async fn call<T, F>(budget: Budget, attempt: impl Fn(Duration) -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, AttemptError>>,
{
    let mut failures = 0_u32;
    loop {
        let left = budget.left();
        if left.is_zero() {
            return Err(CallError::OutOfTime {
                attempts: failures,
                last: None,
            });
        }
        let span = left.min(budget.attempt);
        let error = match timeout(span, attempt(span)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_elapsed) => AttemptError::NoAnswer { after: span },
        };
        failures = failures.saturating_add(1);
        match (
            next(error.retry(), failures, budget.left(), Dice::throw()),
            error.retry(),
        ) {
            (Next::Wait(wait), _) => sleep(wait).await,
            (Next::Refused, _) => {
                return Err(CallError::Refused {
                    attempts: failures,
                    last: error,
                });
            }
            (Next::OutOfTime, Retry::After(asked)) => {
                return Err(CallError::AskedToWait { asked, last: error });
            }
            (Next::OutOfTime, Retry::Never | Retry::Backoff) => {
                return Err(CallError::OutOfTime {
                    attempts: failures,
                    last: Some(error),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn status(code: tonic::Code) -> AttemptError {
        tonic::Status::new(code, "said so").into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_goes_on_until_it_succeeds() {
        let failures = Cell::new(3);
        let result = call(Budget::of(Duration::from_secs(60)), async |_| {
            if failures.get() == 0 {
                return Ok(7);
            }
            failures.set(failures.get() - 1);
            Err(status(tonic::Code::Unavailable))
        })
        .await;
        assert_eq!(result.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_never_outlives_its_budget() {
        let start = Instant::now();
        let error = call(Budget::of(Duration::from_secs(60)), async |_| {
            Err::<(), _>(status(tonic::Code::Unavailable))
        })
        .await
        .unwrap_err();
        assert!(
            matches!(
                error,
                CallError::OutOfTime {
                    attempts: 10..,
                    last: Some(_)
                }
            ),
            "{error:?}"
        );
        assert!(start.elapsed() <= Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_without_an_answer_is_given_up_and_repeated() {
        let spans = RefCell::new(Vec::new());
        let error = call(Budget::of(Duration::from_secs(50)), |span| {
            spans.borrow_mut().push(span);
            std::future::pending::<Result<(), AttemptError>>()
        })
        .await
        .unwrap_err();
        assert!(
            matches!(error, CallError::OutOfTime { attempts: 2, .. }),
            "{error:?}"
        );
        let spans = spans.borrow();
        assert_eq!(spans[0], Duration::from_secs(30));
        assert!(spans[1] < Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_the_call_at_once() {
        let attempts = Cell::new(0);
        let error = call(Budget::of(Duration::from_secs(60)), async |_| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(status(tonic::Code::PermissionDenied))
        })
        .await
        .unwrap_err();
        assert!(matches!(error, CallError::Refused { attempts: 1, .. }));
        assert_eq!(attempts.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_for_more_time_than_there_is_is_not_waited_for() {
        let start = Instant::now();
        let error = call(Budget::of(Duration::from_secs(60)), async |_| {
            let mut status = tonic::Status::unavailable("busy");
            status
                .metadata_mut()
                .insert(esi_api::status::RETRY_AFTER, "120".parse().unwrap());
            Err::<(), _>(status.into())
        })
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the server asks to wait 2m, longer than the deadline allows"
        );
        assert!(start.elapsed().is_zero());
    }
}
