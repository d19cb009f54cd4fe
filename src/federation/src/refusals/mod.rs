//! What the log says of refused calls.
//!
//! Anybody may call, with any token: a line for each would let strangers fill the log's disk and hide what matters.
//! So each reason has a quota of lines ([`LogQuota`]). All are counted in `esi_calls_total`.
//!
//! What the caller can mend (its token, its plan, its rights) is information; what only an operator can (a manifest, a
//! backend, the ledger) is a warning, and a reason of its own for each generator, so that none hides another.

use esi_core::names::GeneratorRef;
use esi_core::{Classify, Code, Workload, chain};
use esi_runtime::LogQuota;

/// Writes refusals to the log.
#[derive(Debug, Default)]
pub struct Refusals(LogQuota<Reason>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    kind: &'static str,
    /// Where an operator is to act.
    generator: Option<GeneratorRef>,
}

impl Refusals {
    /// A call was refused; an issue's refusal also says of what and for whom.
    pub fn tell(&self, error: &dyn Classify, issue: Option<(&GeneratorRef, &Workload)>) {
        let (generator, workload) = issue.unzip();
        let warn = is_for_the_operator(error.code(), generator.is_some());
        let reason = Reason {
            kind: error.kind(),
            generator: generator.filter(|_| warn).cloned(),
        };
        let Some(left_out) = self.0.admit(reason) else {
            return;
        };
        // Said only where there is something to say.
        let left_out = (left_out > 0).then_some(left_out);
        let (kind, error) = (error.kind(), chain(error));
        let generator = generator.map(tracing::field::display);
        let workload = workload.map(tracing::field::display);
        if warn {
            tracing::warn!(event = "refused", kind, error, generator, workload, left_out);
        } else {
            tracing::info!(event = "refused", kind, error, generator, workload, left_out);
        }
    }
}

fn is_for_the_operator(code: Code, of_an_issue: bool) -> bool {
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Internal => true,
        // Of an issue: the manifest or the backend's own rights. Of another call: the caller was late.
        Code::FailedPrecondition => of_an_issue,
        Code::InvalidArgument
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::NotFound
        | Code::Aborted
        | Code::Unimplemented => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_an_operator_can_mend_is_a_warning() {
        assert!(
            is_for_the_operator(Code::FailedPrecondition, true),
            "a backend that refuses the server"
        );
        assert!(
            is_for_the_operator(Code::Unavailable, false),
            "a cluster's keys, the ledger"
        );
        assert!(
            !is_for_the_operator(Code::FailedPrecondition, false),
            "a late acknowledgement"
        );
        assert!(!is_for_the_operator(Code::Unauthenticated, true));
        assert!(!is_for_the_operator(Code::PermissionDenied, true));
    }
}
