//! `argv` to [`Invocation`].

use std::collections::BTreeMap;
use std::ffi::OsString;

use lexopt::Arg;
use thiserror::Error;

use super::flag::{Flag, Verb};

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Invocation {
    Help(Option<Verb>),
    Version,
    Do(Typed),
}

/// What was typed: nothing of it is judged yet but the names.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) verb: Verb,
    pub(crate) flags: BTreeMap<Flag, Vec<OsString>>,
    /// The command and its arguments, byte for byte; empty where the verb takes none.
    pub(crate) command: Vec<OsString>,
}

/// Why a command line is not understood.
#[derive(Debug, Error)]
pub(crate) enum UsageError {
    #[error("no verb: write init, exec, run or render, or --help")]
    NoVerb,
    #[error("`{0}` is no verb: write init, exec, run or render")]
    UnknownVerb(String),
    #[error("{verb} takes no `{what}`; `esi-cli {verb} --help` lists what it takes")]
    Unexpected { verb: &'static str, what: String },
    #[error("--{0} is there twice")]
    Twice(&'static str),
    #[error("no command: write it after ` -- `")]
    NoCommand,
    #[error("the command line is not understood")]
    Syntax(#[source] lexopt::Error),
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// See [`UsageError`].
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut parser = lexopt::Parser::from_args(arguments.into_iter().collect::<Vec<_>>());
    let verb = match parser.next().map_err(UsageError::Syntax)? {
        None => return Err(UsageError::NoVerb),
        Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Invocation::Help(None)),
        Some(Arg::Long("version") | Arg::Short('V')) => return Ok(Invocation::Version),
        Some(Arg::Value(word)) => Verb::ALL
            .into_iter()
            .find(|verb| word == verb.name())
            .ok_or_else(|| UsageError::UnknownVerb(word.to_string_lossy().into_owned()))?,
        Some(other) => return Err(UsageError::UnknownVerb(shown(&other))),
    };
    let mut typed = Typed {
        verb,
        flags: BTreeMap::new(),
        command: Vec::new(),
    };
    while let Some(argument) = parser.next().map_err(UsageError::Syntax)? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(Invocation::Help(Some(verb))),
            Arg::Value(program) if verb.takes_command() => {
                typed.command.push(program);
                // Whatever follows the program is its own, flags included.
                typed
                    .command
                    .extend(parser.raw_args().map_err(UsageError::Syntax)?);
                break;
            }
            Arg::Long(name) if Flag::find(verb, name).is_some() => {
                // The guard found it; the second search ends the borrow of the parser.
                let Some(flag) = Flag::find(verb, name) else {
                    continue;
                };
                let value = match flag.spec().value {
                    Some(_) => parser.value().map_err(UsageError::Syntax)?,
                    None => OsString::new(),
                };
                let values = typed.flags.entry(flag).or_default();
                if !values.is_empty() && !flag.spec().repeats {
                    return Err(UsageError::Twice(flag.spec().name));
                }
                values.push(value);
            }
            other => {
                return Err(UsageError::Unexpected {
                    verb: verb.name(),
                    what: shown(&other),
                });
            }
        }
    }
    if verb.takes_command() && typed.command.is_empty() {
        return Err(UsageError::NoCommand);
    }
    Ok(Invocation::Do(typed))
}

fn shown(argument: &Arg<'_>) -> String {
    match argument {
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Long(name) => format!("--{name}"),
        Arg::Value(value) => value.to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    fn typed(text: &str) -> Typed {
        match parse(words(text)).unwrap() {
            Invocation::Do(typed) => typed,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_verb_takes_its_flags_with_a_blank_or_an_equals_sign() {
        let typed = typed("init --deadline 5s --volumes=/v");
        assert_eq!(typed.verb, Verb::Init);
        assert_eq!(typed.flags[&Flag::Deadline], ["5s"]);
        assert_eq!(typed.flags[&Flag::Volumes], ["/v"]);
    }

    #[test]
    fn the_command_keeps_every_byte_and_every_dash() {
        let mut arguments = words("exec -- prog --deadline -- -x");
        arguments.push(OsString::from_vec(vec![0xff, b'\n']));
        arguments.push(OsString::new());
        let Invocation::Do(typed) = parse(arguments.clone()).unwrap() else {
            panic!("not understood")
        };
        assert_eq!(typed.command, arguments[2..]);
        assert!(typed.flags.is_empty());
    }

    #[test]
    fn the_first_word_begins_the_command() {
        assert_eq!(
            typed("run --ttl 5m prog -x -- y").command,
            ["prog", "-x", "--", "y"]
        );
    }

    #[test]
    fn a_flag_of_another_verb_is_refused_by_name() {
        let error = parse(words("init --show")).unwrap_err().to_string();
        assert!(error.starts_with("init takes no `--show`"), "{error}");
    }

    #[test]
    fn only_a_flag_that_repeats_is_taken_twice() {
        assert_eq!(typed("run --env A=a --env B=b x").flags[&Flag::Env].len(), 2);
        assert!(matches!(
            parse(words("run --ttl 1s --ttl 2s x")),
            Err(UsageError::Twice("ttl"))
        ));
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(matches!(parse([]), Err(UsageError::NoVerb)));
        assert!(matches!(
            parse(words("exec --deadline 1s")),
            Err(UsageError::NoCommand)
        ));
        assert!(matches!(parse(words("exec --")), Err(UsageError::NoCommand)));
        assert!(matches!(
            parse(words("init --deadline")),
            Err(UsageError::Syntax(_))
        ));
        assert!(matches!(parse(words("bake")), Err(UsageError::UnknownVerb(_))));
    }

    #[test]
    fn help_and_version_are_found_anywhere_before_the_command() {
        assert!(matches!(parse(words("--help")), Ok(Invocation::Help(None))));
        assert!(matches!(
            parse(words("run --ttl 1s -h")),
            Ok(Invocation::Help(Some(Verb::Run)))
        ));
        assert!(matches!(parse(words("--version")), Ok(Invocation::Version)));
        assert_eq!(typed("run x --help").command, ["x", "--help"]);
    }
}
