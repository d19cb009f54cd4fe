//! The text of `--help`.

use std::fmt::Write as _;

use super::flag::{Flag, Verb};
use crate::exit::TABLE;

/// The help of a verb, or of the program.
pub(crate) fn help(verb: Option<Verb>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    match verb {
        Some(verb) => of_verb(&mut text, verb),
        None => of_program(&mut text),
    }
    .unwrap_or_default();
    text.push('\n');
    text.push_str(TABLE);
    text
}

fn of_program(text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "Gives a process short-lived credentials of its own, and takes them back.\n"
    )?;
    for verb in Verb::ALL {
        writeln!(text, "  esi-cli {:<7} {}", verb.name(), verb.summary())?;
    }
    writeln!(
        text,
        "\n`esi-cli <verb> --help` tells the flags of a verb, `--version` the version."
    )?;
    writeln!(text, "\nThe shortest way to a first result:\n")?;
    writeln!(
        text,
        "  esi-cli run --server-url https://localhost:8443 --ca ca.pem --token-file token \\"
    )?;
    writeln!(
        text,
        "    --generator Password/demo/example --env PASSWORD=password -- sh -c 'echo ${{#PASSWORD}}'"
    )
}

fn of_verb(text: &mut String, verb: Verb) -> std::fmt::Result {
    let command = if verb.takes_command() {
        " -- COMMAND [ARGUMENT]…"
    } else {
        ""
    };
    writeln!(text, "esi-cli {} [FLAG]…{command}\n", verb.name())?;
    writeln!(text, "{}\n", capitalised(verb.summary()))?;
    writeln!(text, "{}", details(verb))?;
    writeln!(text, "Flags (a flag wins over its variable):")?;
    for flag in Flag::ALL
        .into_iter()
        .filter(|flag| flag.spec().verbs.contains(&verb))
    {
        let spec = flag.spec();
        write!(text, "  --{}", spec.name)?;
        if let Some(value) = spec.value {
            write!(text, " {value}")?;
        }
        if let Some(variable) = spec.variable {
            write!(text, "  ({variable})")?;
        }
        if spec.repeats {
            write!(text, "  (may be repeated)")?;
        }
        writeln!(text, "\n      {}", spec.help)?;
    }
    Ok(())
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).chain(['.']).collect())
        .unwrap_or_default()
}

const fn details(verb: Verb) -> &'static str {
    match verb {
        Verb::Init => {
            "All plans or none: it ends with 0 only when every file and env file is written and acknowledged.\n\
             The variables of a plan with `envMethod: exec` are the file .environ of its volume, NAME=value records\n\
             that end with NUL, which `esi-cli exec --environ` starts a command with.\n"
        }
        Verb::Exec => {
            "The command keeps its arguments byte for byte. Nobody stays behind.\n\n\
             With --environ, as in a pod's application containers: nothing is fetched, and no token, server or\n\
             network is needed. The command gets the whole environment, and the variables in the files over it.\n\
             A container that is started again gets the same values.\n\n\
             Without it: the plans are fetched first, and the command gets the environment without the\n\
             variables named below. Its credentials end at their time to live.\n"
        }
        Verb::Run => {
            "TERM, INT, HUP, QUIT, USR1, USR2 and WINCH are passed on to the command. While esi-cli is in the\n\
             foreground of a terminal, INT, QUIT and WINCH are not: the terminal sends them to both.\n\
             Files are rotated in place when the server asks for it. A binding with variables is not: a running\n\
             process keeps its variables, so its credential is kept until its maximum. If esi-cli itself is\n\
             killed, the command goes on, and the credentials end at their time to live. Variables go into the\n\
             command's environment whatever `envMethod` a plan says.\n"
        }
        Verb::Render => "Nothing is fetched and no server is asked.\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_of_a_verb_has_each_of_its_flags_and_variables_and_no_other() {
        for verb in Verb::ALL {
            let text = help(Some(verb));
            let shown: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("  --"))
                .filter_map(|line| line.split(' ').next())
                .collect();
            let taken: Vec<&str> = Flag::ALL
                .iter()
                .map(|flag| flag.spec())
                .filter(|spec| spec.verbs.contains(&verb))
                .map(|spec| spec.name)
                .collect();
            assert_eq!(shown, taken);
            for spec in Flag::ALL.iter().map(|flag| flag.spec()) {
                if let Some(variable) = spec.variable {
                    let named = text.contains(&format!("({variable})"));
                    assert_eq!(named, taken.contains(&spec.name), "{variable} in {verb:?}");
                }
            }
        }
    }

    #[test]
    fn every_help_ends_with_the_exit_codes() {
        assert!(help(None).ends_with(TABLE));
        assert!(help(Some(Verb::Run)).ends_with(TABLE));
    }
}
