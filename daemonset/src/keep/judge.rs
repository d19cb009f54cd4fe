//! What a server's verdict means for a volume: a pure function.

use esi_client::Action;

/// What is known of the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Case {
    /// The plan has variables, which a running process keeps whatever becomes of the volume.
    pub(super) has_variables: bool,
    /// Another generation was got already, because the server did not know the one before.
    pub(super) is_replacement: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Todo {
    /// Go on.
    Keep,
    /// Get a new generation, as soon as the pod's token is at hand.
    Rotate(Why),
    /// Say that the credential ends, and with it what the pod has of it.
    Tell,
    /// The server does not know what it has just issued: to ask again would mint without end.
    Leave,
}

/// Why a volume is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The server says so.
    Told,
    /// The server does not know what the volume shows.
    Unknown,
}

pub(super) fn judge(action: Action, case: Case) -> Todo {
    match action {
        Action::Keep => Todo::Keep,
        // A new generation would end the one that the process has.
        Action::Rotate { .. } | Action::Unknown if case.has_variables => Todo::Tell,
        Action::Rotate { .. } => Todo::Rotate(Why::Told),
        Action::Unknown if case.is_replacement => Todo::Leave,
        Action::Unknown => Todo::Rotate(Why::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const FILES: Case = Case {
        has_variables: false,
        is_replacement: false,
    };
    const VARIABLES: Case = Case {
        has_variables: true,
        ..FILES
    };
    const REPLACED: Case = Case {
        is_replacement: true,
        ..FILES
    };

    #[rstest]
    #[case::goes_on(Action::Keep, FILES, Todo::Keep)]
    #[case::at_its_end(Action::Rotate { asked: false }, FILES, Todo::Rotate(Why::Told))]
    #[case::by_a_person(Action::Rotate { asked: true }, FILES, Todo::Rotate(Why::Told))]
    #[case::never_heard_of(Action::Unknown, FILES, Todo::Rotate(Why::Unknown))]
    #[case::never_heard_of_again(Action::Unknown, REPLACED, Todo::Leave)]
    #[case::a_replacement_at_its_end(Action::Rotate { asked: false }, REPLACED, Todo::Rotate(Why::Told))]
    #[case::variables_go_on(Action::Keep, VARIABLES, Todo::Keep)]
    #[case::variables_at_their_end(Action::Rotate { asked: false }, VARIABLES, Todo::Tell)]
    #[case::variables_by_a_person(Action::Rotate { asked: true }, VARIABLES, Todo::Tell)]
    #[case::variables_never_heard_of(Action::Unknown, VARIABLES, Todo::Tell)]
    fn a_verdict_means(#[case] action: Action, #[case] case: Case, #[case] expected: Todo) {
        assert_eq!(judge(action, case), expected);
    }
}
