//! The plans: a JSON array, files of one plan each, or one stated with flags.

use esi_core::plan::limits;
use esi_core::{Plan, chain};
use serde_json::{Value, json};

use super::error::ConfigError;
use super::settings::{Setting, Settings};
use crate::args::Flag;

/// Most bytes of an array of plans. [`Plan::parse_many`] has the same bound: 32 plans at their largest.
const MAX_PLANS_BYTES: usize = 32 * limits::MAX_BYTES;

/// The flags that say something of the plan which --generator states.
const PARTS: [Flag; 4] = [Flag::Env, Flag::File, Flag::Binding, Flag::Ttl];

/// The plans, at least one, no binding twice.
pub(super) fn read(settings: &Settings<'_>) -> Result<Vec<Plan>, ConfigError> {
    let typed: Vec<Flag> = [Flag::Plans, Flag::Plan, Flag::Generator]
        .into_iter()
        .filter(|flag| settings.is_typed(*flag))
        .collect();
    if let [one, other, ..] = typed.as_slice() {
        let (one, other) = (one.spec().name, other.spec().name);
        return Err(ConfigError::new(
            format!("--{other}"),
            format!("the plans are already given by --{one}"),
        ));
    }
    if !settings.is_typed(Flag::Generator)
        && let Some(part) = PARTS.into_iter().find(|part| settings.is_typed(*part))
    {
        return Err(ConfigError::new(
            format!("--{}", part.spec().name),
            "it belongs to a plan stated with --generator, and there is none",
        ));
    }
    if settings.is_typed(Flag::Plan) {
        return from_files(settings);
    }
    if let Some(generator) = settings.get(Flag::Generator) {
        return stated(settings, &generator).map(|plan| vec![plan]);
    }
    let setting = settings.get(Flag::Plans).ok_or_else(|| {
        ConfigError::new(
            "plans",
            "there is none: set ESI_PLANS or --plans; `--help` tells other ways",
        )
    })?;
    let plans = Plan::parse_many(&setting.text_or_file(MAX_PLANS_BYTES)?)
        .map_err(|error| setting.refuse(chain(&error)))?;
    if plans.is_empty() {
        return Err(setting.refuse("there is no plan in it"));
    }
    Ok(plans)
}

fn from_files(settings: &Settings<'_>) -> Result<Vec<Plan>, ConfigError> {
    let mut plans: Vec<Plan> = Vec::new();
    for setting in settings.each(Flag::Plan) {
        let refuse = |problem: &str| setting.refuse(format!("{}: {problem}", setting.path().display()));
        let plan =
            Plan::parse(&setting.file_text(limits::MAX_BYTES)?).map_err(|error| refuse(&chain(&error)))?;
        if plans.iter().any(|other| other.binding == plan.binding) {
            return Err(refuse(&format!("binding `{}` is there twice", plan.binding)));
        }
        plans.push(plan);
    }
    Ok(plans)
}

/// The plan that flags state, in the grammar of the annotations. It goes through the plan's own reader, so that
/// nothing is valid here which would not be valid in a pod.
fn stated(settings: &Settings<'_>, generator: &Setting) -> Result<Plan, ConfigError> {
    let reference: esi_core::names::GeneratorRef = generator
        .text()?
        .parse()
        .map_err(|error| generator.refuse(error))?;
    let env = pairs(
        settings,
        Flag::Env,
        "NAME=KEY",
        |name, key| json!({"name": name, "key": key}),
    )?;
    let files = pairs(
        settings,
        Flag::File,
        "PATH=FORMAT or PATH=.KEY",
        |path, content| match content.strip_prefix('.') {
            Some(key) => json!({"path": path, "key": key}),
            None => json!({"path": path, "format": content}),
        },
    )?;
    let text = |flag| match settings.get(flag) {
        Some(setting) => setting.text().map(|text| Some(text.to_owned())),
        None => Ok(None),
    };
    let plan = json!({
        "version": 1,
        "binding": text(Flag::Binding)?.unwrap_or_else(|| "default".to_owned()),
        "server": "default",
        "source": {"generator": reference},
        "ttl": text(Flag::Ttl)?,
        "env": env,
        "files": files,
    });
    Plan::parse(&plan.to_string())
        .map_err(|error| ConfigError::new("the plan stated with flags", chain(&error)))
}

/// Every `left=right` of every time that `flag` was typed; commas separate them.
fn pairs(
    settings: &Settings<'_>,
    flag: Flag,
    grammar: &str,
    make: impl Fn(&str, &str) -> Value,
) -> Result<Vec<Value>, ConfigError> {
    let mut found = Vec::new();
    for setting in settings.each(flag) {
        for pair in setting.text()?.split(',') {
            let (left, right) = pair
                .split_once('=')
                .ok_or_else(|| setting.refuse(format!("`{pair}` is not {grammar}")))?;
            found.push(make(left.trim(), right.trim()));
        }
    }
    Ok(found)
}
