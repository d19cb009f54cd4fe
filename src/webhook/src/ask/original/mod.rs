//! The original's annotations, `secretless.externalsecrets.com/*`, as the same bindings.
//!
//! ```text
//!  env-vars, file-secrets, skip ──wanted──▶ nothing · off · on
//!  federated-server-url ──server──▶ a configured server (its name; the URL itself goes nowhere)
//!  federated-generators ──generators──▶ one binding each
//!  inject-on-env, inject-on-file ──outputs──▶ their variables and files
//! ```
//!
//! What differs on purpose:
//! * `"false"` means off. The original took any value for on.
//! * Without `federated-server-url` the original reads Secrets of its own cluster: refused.
//! * `*` in `inject-on-env`, which is also its default, needs `env-method: exec` of our prefix: Kubernetes wants the
//!   names of its variables beforehand.
//! * A file of a whole credential is JSON, which YAML parsers read too. The original's documents say JSON in one
//!   place and YAML in the other.
//! * All application containers get it, where the original serves the first one only; `containers` of our prefix
//!   says which.
//! * A file's directory is a volume of its own: it takes the place of what the image has there.
//!
//! Annotations of our prefix that say *how* (`containers`, `delivery`, `ttl`, `overlap`, `env-method`, `volume`,
//! `init-position`) hold for these bindings too.

mod generators;
mod keys;
mod names;
mod outputs;
mod paths;
mod server;

use esi_core::plan::EnvMethod;
use esi_resources::injection::MountPath;

use self::generators::Generator;
use self::outputs::Outputs;
use super::annotations::Annotations;
use super::draft::Draft;
use super::error::AskError;
use super::own::Modifiers;
use super::text::quote;
use super::{Binding, Surroundings};

/// Whether the original's annotations ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// There are none, or none that could ask.
    Nothing,
    /// `skip` says so.
    Skipped,
    /// `env-vars`, `file-secrets` or both say `"false"`, and neither says `"true"`.
    Off,
    /// This one asks, and nothing says as what. The original gives nothing here, and does not say so.
    Unclear(&'a str),
    /// As variables, as files, or both.
    On(Modes),
}

/// What the original's two modes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes {
    /// `env-vars`.
    env: bool,
    /// `file-secrets`.
    files: bool,
}

impl Modes {
    /// One that is on.
    pub(super) fn key(self) -> &'static str {
        if self.env { "env-vars" } else { "file-secrets" }
    }
}

/// Reads what decides whether anything is asked for.
pub(super) fn wanted<'a>(original: &Annotations<'a>) -> Result<Wanted<'a>, AskError> {
    if original.flag("skip")? == Some(true) {
        return Ok(Wanted::Skipped);
    }
    let (env, files) = (original.flag("env-vars")?, original.flag("file-secrets")?);
    if env == Some(true) || files == Some(true) {
        return Ok(Wanted::On(Modes {
            env: env == Some(true),
            files: files == Some(true),
        }));
    }
    if env.is_some() || files.is_some() {
        return Ok(Wanted::Off);
    }
    Ok(original
        .keys()
        .find(|key| keys::asks(key))
        .map_or(Wanted::Nothing, Wanted::Unclear))
}

/// The refusal of annotations that ask, while nothing says as what.
pub(super) fn unclear(original: &Annotations<'_>, key: &str) -> AskError {
    let (env, files, skip) = (
        original.name("env-vars"),
        original.name("file-secrets"),
        original.name("skip"),
    );
    AskError::incomplete(
        original.place(key),
        format!(
            "nothing says whether variables or files are wanted: add `{env}: \"true\"` or `{files}: \"true\"`, or \
             `{skip}: \"true\"` for none"
        ),
    )
}

/// The bindings that the original's annotations ask for.
pub(super) fn bindings(
    original: &Annotations<'_>,
    modes: Modes,
    own: &Annotations<'_>,
    modifiers: &Modifiers<'_>,
    around: Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Binding>, AskError> {
    keys::refuse(original)?;
    let server = server::find(original, around)?;
    let generators = generators::read(original, around)?;
    let outputs = outputs::read(original, modes, modifiers.env_method, own, &generators, warnings)?;
    keys::warn(original, warnings);
    generators
        .iter()
        .zip(outputs)
        .map(|(generator, outputs)| binding(generator, outputs, server.as_str(), original, own, modifiers))
        .collect()
}

fn binding(
    generator: &Generator<'_>,
    outputs: Outputs<'_>,
    server: &str,
    original: &Annotations<'_>,
    own: &Annotations<'_>,
    modifiers: &Modifiers<'_>,
) -> Result<Binding, AskError> {
    let Outputs {
        all_keys,
        env,
        files,
        mount_path,
    } = outputs;
    let origin = format!(
        "{}, generator `{}`",
        original.place("federated-generators"),
        quote(generator.entry)
    );
    if !all_keys && env.is_empty() && files.is_empty() {
        let (env, file, name) = (
            original.name("inject-on-env"),
            original.name("inject-on-file"),
            &generator.reference.name,
        );
        return Err(AskError::incomplete(
            &origin,
            format!(
                "nothing of its credential is shown to the pod: name it in `{env}` (`DB_USER={name}.username`) or in \
                 `{file}` (`/secrets/{name}/secrets.json={name}`)"
            ),
        ));
    }
    let mut draft = Draft {
        binding: generator.binding.clone(),
        server: Some(server),
        generator: generator.reference.clone(),
        ttl: modifiers.ttl,
        overlap: modifiers.overlap,
        env_method: modifiers.env_method,
        all_keys,
        env,
        files,
    };
    if !draft.has_variables() {
        draft.env_method = EnvMethod::default();
    }
    let plan = draft.plan(|field| match field {
        "env" | "allKeys" => original.place("inject-on-env"),
        "files" => original.place("inject-on-file"),
        "ttl" | "overlap" => own.place(field),
        _ => origin.clone(),
    })?;
    let mount_path = mount_path.unwrap_or_else(|| MountPath::of(&plan.binding));
    Ok(Binding {
        json: plan.to_json(),
        plan,
        origin,
        containers: modifiers.containers.clone(),
        mount_path,
        delivery: modifiers.delivery,
    })
}
