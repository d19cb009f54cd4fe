//! `inject-on-env` and `inject-on-file`: what of each generator's credential the pod sees, and where.

use esi_core::plan::limits::MAX_FILES;
use esi_core::plan::{EnvMethod, Format};
use esi_resources::injection::MountPath;

use super::Modes;
use super::generators::Generator;
use super::names::{Named, Names};
use super::paths::{self, Absolute};
use crate::ask::annotations::Annotations;
use crate::ask::error::AskError;
use crate::ask::grammar::{File, Shown, Variable, at, entries, variables};
use crate::ask::text::{MAX_WARNING, plain, quote};

const ENV: &str = "inject-on-env";
const FILE: &str = "inject-on-file";

/// What of one credential is seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Outputs<'a> {
    pub(super) all_keys: bool,
    pub(super) env: Vec<Variable<'a>>,
    pub(super) files: Vec<File<'a>>,
    /// Where there are files.
    pub(super) mount_path: Option<MountPath>,
}

/// The outputs of each generator, in their order.
pub(super) fn read<'a>(
    original: &Annotations<'a>,
    modes: Modes,
    env_method: EnvMethod,
    own: &Annotations<'_>,
    generators: &'a [Generator<'a>],
    warnings: &mut Vec<String>,
) -> Result<Vec<Outputs<'a>>, AskError> {
    let names = Names::new(generators, original.get("externalsecret")?);
    let mut outputs = vec![Outputs::default(); generators.len()];
    if modes.env {
        env(original, env_method, own, &names, &mut outputs)?;
    } else if original.has(ENV) {
        warnings.push(format!(
            "{} has no effect without `{}: \"true\"`",
            original.place(ENV),
            original.name("env-vars")
        ));
    }
    files(original, modes, &names, &mut outputs, warnings)?;
    Ok(outputs)
}

fn env<'a>(
    original: &Annotations<'a>,
    env_method: EnvMethod,
    own: &Annotations<'_>,
    names: &Names<'_>,
    outputs: &mut [Outputs<'a>],
) -> Result<(), AskError> {
    let place = original.place(ENV);
    let said = original.get(ENV)?;
    let read = variables(&place, said.unwrap_or("*"))?;
    if read.all && env_method == EnvMethod::File {
        let (place, what) = match said {
            Some(_) => (at(&place, "*"), "it asks for every key".to_owned()),
            None => (
                original.place("env-vars"),
                format!("without `{}` it asks for every key", original.name(ENV)),
            ),
        };
        return Err(AskError::not_offered(
            place,
            format!(
                "{what}, and Kubernetes wants the name of every variable beforehand: write \
                 `{}: DB_USER={}.username`, or add `{}: exec`",
                original.name(ENV),
                names.example(),
                own.name("env-method")
            ),
        ));
    }
    for outputs in outputs.iter_mut() {
        outputs.all_keys = read.all;
    }
    for variable in read.named {
        let told = |problem: String| AskError::malformed(at(&place, variable.entry), problem);
        // A word without a dot is a key, where only one generator can be meant.
        let (index, key) = match names.only() {
            Some(only) if !variable.value.contains('.') => (only, variable.value),
            _ => match names.resolve(variable.value).map_err(told)? {
                Named::Key(index, key) => (index, key),
                Named::Whole(_) => {
                    let value = quote(variable.value);
                    return Err(told(format!("a variable holds one key: write `{value}.KEY`")));
                }
            },
        };
        if let Some(outputs) = outputs.get_mut(index) {
            outputs.env.push(Variable {
                value: key,
                ..variable
            });
        }
    }
    Ok(())
}

fn files<'a>(
    original: &Annotations<'a>,
    modes: Modes,
    names: &Names<'_>,
    outputs: &mut [Outputs<'a>],
    warnings: &mut Vec<String>,
) -> Result<(), AskError> {
    let place = original.place(FILE);
    let mut absolute: Vec<Vec<Absolute<'a>>> = vec![Vec::new(); outputs.len()];
    if let Some(text) = original.get(FILE)? {
        for entry in entries(&place, text, MAX_FILES)? {
            let (index, file) =
                file(entry, names).map_err(|problem| AskError::malformed(at(&place, entry), problem))?;
            if let Some(files) = absolute.get_mut(index) {
                files.push(file);
            }
        }
        if absolute
            .iter()
            .flatten()
            .any(|file| matches!(file.shown, Shown::Format(_)))
        {
            warnings.push(format!(
                "{place}: a whole credential is written as JSON, which YAML parsers read too"
            ));
        }
    }
    if modes.files {
        default_file(original, names, &mut absolute, warnings)?;
    }
    for (files, outputs) in absolute.iter().zip(outputs) {
        if files.is_empty() {
            continue;
        }
        let (directory, files) = paths::split(files)
            .map_err(|(entry, problem)| AskError::malformed(at(&place, entry), problem))?;
        if !paths::is_below_default(directory.as_str()) {
            let text = format!(
                "{place}: a volume takes the place of directory `{}`; what the image has there is hidden",
                quote(directory.as_str())
            );
            warnings.push(plain(&text, MAX_WARNING));
        }
        outputs.files = files;
        outputs.mount_path = Some(directory);
    }
    Ok(())
}

/// `/path=name`, or `/path=name.key`.
fn file<'a>(entry: &'a str, names: &Names<'_>) -> Result<(usize, Absolute<'a>), String> {
    let Some((path, what)) = entry.split_once('=') else {
        let name = names.example();
        return Err(format!(
            "write `/path=name` or `/path=name.key`, such as `/secrets/password={name}.password`"
        ));
    };
    let (index, shown) = match names.resolve(what.trim_start())? {
        Named::Whole(index) => (index, Shown::Format(Format::Json)),
        Named::Key(index, key) => (index, Shown::Key(key)),
    };
    let path = path.trim_end();
    Ok((index, Absolute { entry, path, shown }))
}

/// The file that the original's file mode always writes. Where it cannot be, since files elsewhere or of several
/// generators are asked for, they are what is meant; where nothing else is asked for, that is an error.
fn default_file(
    original: &Annotations<'_>,
    names: &Names<'_>,
    absolute: &mut [Vec<Absolute<'_>>],
    warnings: &mut Vec<String>,
) -> Result<(), AskError> {
    if let [files] = absolute
        && files.iter().all(|file| paths::is_below_default(file.path))
    {
        if files.iter().all(|file| file.path != paths::DEFAULT) {
            files.push(Absolute {
                entry: paths::DEFAULT,
                path: paths::DEFAULT,
                shown: Shown::Format(Format::Json),
            });
        }
        return Ok(());
    }
    if absolute.iter().all(Vec::is_empty) {
        let name = names.example();
        return Err(AskError::incomplete(
            original.place("file-secrets"),
            format!(
                "several generators cannot share the file `{}`: give each its own directory, as in \
                 `{}: /secrets/{name}/secrets.json={name},…`",
                paths::DEFAULT,
                original.name(FILE)
            ),
        ));
    }
    warnings.push(format!(
        "{}: `{}` is not written beside the files of `{}`",
        original.place("file-secrets"),
        paths::DEFAULT,
        original.name(FILE)
    ));
    Ok(())
}
