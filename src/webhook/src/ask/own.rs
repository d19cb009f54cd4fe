//! Our own annotations: the inline binding, and what holds for the pod or for every binding of its annotations.

use esi_core::names::{BindingName, ContainerName, GeneratorRef, NameError, Namespace};
use esi_core::plan::EnvMethod;
use esi_resources::generator::kind;
use esi_resources::injection::{Delivery, MountPath};

use super::annotations::Annotations;
use super::draft::Draft;
use super::error::AskError;
use super::grammar::{self, at};
use super::text::quote;
use super::{Binding, Options, Surroundings, check};
use crate::config::{Configuration, VolumeKind};

/// What an annotation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Says what the pod gets.
    Asks,
    /// Says more about the inline binding, and says what the pod gets.
    Inline,
    /// Says more about the inline binding, or about those of the original's annotations.
    Modifier,
    /// Says how the pod as a whole is served.
    Pod,
    /// Leaves the pod alone.
    Skip,
    /// Written by us, never read here.
    Written,
}

/// Every annotation of our prefix. There is no other list of them.
const KEYS: [(&str, Role); 15] = [
    ("inject", Role::Asks),
    ("generator", Role::Asks),
    ("env", Role::Inline),
    ("files", Role::Inline),
    ("mount-path", Role::Inline),
    ("server", Role::Inline),
    ("containers", Role::Modifier),
    ("delivery", Role::Modifier),
    ("ttl", Role::Modifier),
    ("overlap", Role::Modifier),
    ("env-method", Role::Modifier),
    ("volume", Role::Pod),
    ("init-position", Role::Pod),
    ("skip", Role::Skip),
    ("injected", Role::Written),
];

/// The inline binding's name.
const INLINE: &str = "default";
/// Most containers that one annotation may name: a pod has a few, never hundreds of them.
const MAX_CONTAINERS: usize = 256;

/// Refuses annotations of our prefix that nobody reads: a misspelt one would be a credential that never comes.
pub(super) fn known(own: &Annotations<'_>) -> Result<(), AskError> {
    match own.keys().find(|key| role(key).is_none()) {
        None => Ok(()),
        Some(key) => {
            let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
            Err(own.unknown(key, &format!("known are {}", known.join(", "))))
        }
    }
}

/// The first annotation that says what the pod gets.
pub(super) fn asks(own: &Annotations<'_>) -> Option<&'static str> {
    first(own, |role| matches!(role, Role::Asks | Role::Inline))
}

/// The first annotation that only says how.
pub(super) fn says_how(own: &Annotations<'_>) -> Option<&'static str> {
    first(own, |role| matches!(role, Role::Modifier | Role::Pod))
}

/// The refusal of annotations that say how, while nothing says what.
pub(super) fn nothing_asked(own: &Annotations<'_>, key: &str, namespace: &Namespace) -> AskError {
    AskError::incomplete(
        own.place(key),
        format!(
            "nothing is asked for: add `{}: NAME` of an Injection or `{}: Kind/{namespace}/NAME`, or `{}: \"true\"` \
             to ask for nothing",
            own.name("inject"),
            own.name("generator"),
            own.name("skip")
        ),
    )
}

fn role(key: &str) -> Option<Role> {
    KEYS.iter()
        .find(|(known, _)| *known == key)
        .map(|(_, role)| *role)
}

fn first(own: &Annotations<'_>, wanted: impl Fn(Role) -> bool) -> Option<&'static str> {
    KEYS.iter()
        .find(|(key, role)| wanted(*role) && own.has(key))
        .map(|(key, _)| *key)
}

/// What holds for every binding that annotations state, ours or the original's.
#[derive(Debug, Clone)]
pub(super) struct Modifiers<'a> {
    pub(super) containers: Vec<ContainerName>,
    pub(super) delivery: Delivery,
    pub(super) ttl: Option<&'a str>,
    pub(super) overlap: Option<&'a str>,
    pub(super) env_method: EnvMethod,
}

/// Reads them.
pub(super) fn modifiers<'a>(
    own: &Annotations<'a>,
    config: &Configuration,
) -> Result<Modifiers<'a>, AskError> {
    let delivery = own.word("delivery", &[("init", Delivery::Init), ("node", Delivery::Node)])?;
    let env_method = own.word(
        "env-method",
        &[("file", EnvMethod::File), ("exec", EnvMethod::Exec)],
    )?;
    Ok(Modifiers {
        containers: containers(own)?,
        delivery: delivery.unwrap_or(config.delivery),
        ttl: own.get("ttl")?,
        overlap: own.get("overlap")?,
        env_method: env_method.unwrap_or_default(),
    })
}

fn containers(own: &Annotations<'_>) -> Result<Vec<ContainerName>, AskError> {
    let mut containers: Vec<ContainerName> = Vec::new();
    for entry in own.list("containers", MAX_CONTAINERS)?.unwrap_or_default() {
        let place = || at(&own.place("containers"), entry);
        let name = entry.parse::<ContainerName>();
        let name = name.map_err(|error| AskError::malformed(place(), error.to_string()))?;
        if containers.contains(&name) {
            return Err(AskError::malformed(place(), "it is there twice"));
        }
        containers.push(name);
    }
    Ok(containers)
}

/// What holds for the pod as a whole.
pub(super) fn options(own: &Annotations<'_>, config: &Configuration) -> Result<Options, AskError> {
    let volume = own.word(
        "volume",
        &[("csi", VolumeKind::Csi), ("emptydir", VolumeKind::EmptyDir)],
    )?;
    let position = match own.get("init-position")? {
        None => None,
        Some(text) => {
            Some(grammar::position(text).map_err(|problem| own.malformed("init-position", problem))?)
        }
    };
    Ok(Options {
        volume: volume.unwrap_or(config.volume),
        position,
    })
}

/// The binding that the annotations state themselves.
pub(super) fn inline(
    own: &Annotations<'_>,
    modifiers: &Modifiers<'_>,
    Surroundings {
        namespace, config, ..
    }: Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Binding>, AskError> {
    let Some(generator) = own.get("generator")? else {
        // Beside `inject` these would be taken for a change of the Injection, which they are not.
        return match first(own, |role| matches!(role, Role::Inline | Role::Modifier)) {
            None => Ok(None),
            Some(key) => Err(AskError::incomplete(
                own.place(key),
                format!(
                    "it belongs to an inline binding, and none is stated: add `{}: Kind/{namespace}/NAME`, or \
                     remove it (an Injection has fields of its own for this)",
                    own.name("generator")
                ),
            )),
        };
    };
    let mut draft = draft(own, modifiers, reference(own, generator, namespace)?)?;
    if draft.env_method == EnvMethod::Exec && !draft.has_variables() {
        warnings.push(format!(
            "{} has no effect without `{}`",
            own.place("env-method"),
            own.name("env")
        ));
        draft.env_method = EnvMethod::File;
    }
    let plan = draft.plan(|field| own.place(annotation_of(field)))?;
    let named = if own.has("server") { "server" } else { "generator" };
    check::server(&own.place(named), &plan.server, config)?;
    let mount_path = match own.get("mount-path")? {
        None => MountPath::of(&plan.binding),
        Some(text) => {
            let path = text.parse::<MountPath>();
            path.map_err(|error| own.malformed("mount-path", error.to_string()))?
        }
    };
    Ok(Some(Binding {
        json: plan.to_json(),
        plan,
        origin: own.place("generator"),
        containers: modifiers.containers.clone(),
        mount_path,
        delivery: modifiers.delivery,
    }))
}

fn draft<'a>(
    own: &Annotations<'a>,
    modifiers: &Modifiers<'a>,
    generator: GeneratorRef,
) -> Result<Draft<'a>, AskError> {
    let (mut all_keys, mut env) = (false, Vec::new());
    if let Some(text) = own.get("env")? {
        let read = grammar::variables(&own.place("env"), text)?;
        (all_keys, env) = (read.all, read.named);
    }
    let files = match own.get("files")? {
        Some(text) => grammar::files(&own.place("files"), text)?,
        None => Vec::new(),
    };
    if all_keys && modifiers.env_method == EnvMethod::File {
        return Err(AskError::not_offered(
            at(&own.place("env"), "*"),
            format!(
                "Kubernetes wants the name of every variable beforehand: name them, as in `DB_USER=username`, or \
                 add `{}: exec`",
                own.name("env-method")
            ),
        ));
    }
    if !all_keys && env.is_empty() && files.is_empty() {
        return Err(AskError::incomplete(
            own.place("generator"),
            format!(
                "nothing of the credential is shown to the pod: add `{}: DB_USER=username` or `{}: db.json=json`",
                own.name("env"),
                own.name("files")
            ),
        ));
    }
    Ok(Draft {
        binding: inline_name()?,
        server: own.get("server")?,
        generator,
        ttl: modifiers.ttl,
        overlap: modifiers.overlap,
        env_method: modifiers.env_method,
        all_keys,
        env,
        files,
    })
}

fn inline_name() -> Result<BindingName, AskError> {
    // The literal is a binding name; a test says so.
    INLINE
        .parse()
        .map_err(|error: NameError| AskError::malformed("inline binding", error.to_string()))
}

/// `Kind/namespace/name`, or `Kind/name` for the pod's own namespace.
fn reference(own: &Annotations<'_>, text: &str, namespace: &Namespace) -> Result<GeneratorRef, AskError> {
    let read = match text.split('/').count() {
        2 => text.replacen('/', &format!("/{namespace}/"), 1).parse(),
        3 => text.parse(),
        _ => {
            return Err(own.malformed(
                "generator",
                format!(
                    "`{}` is no reference: write `Kind/namespace/name`, such as `PostgreSQL/{namespace}/shop`, or \
                     `Kind/name` for the pod's own namespace",
                    quote(text)
                ),
            ));
        }
    };
    // Without the form, `platform/shop` would read as a kind that is badly spelt.
    read.map(kind::normalise).map_err(|error: NameError| {
        own.malformed(
            "generator",
            format!("{error}; write `Kind/namespace/name`, such as `PostgreSQL/{namespace}/shop`"),
        )
    })
}

/// The annotation that a field of the plan comes from.
fn annotation_of(field: &str) -> &str {
    match field {
        "env" | "files" | "ttl" | "overlap" | "server" => field,
        "allKeys" => "env",
        "envMethod" => "env-method",
        _ => "generator",
    }
}
