//! The outputs of a plan, one by one.

use esi_core::plan::{Content, EnvName, EnvOutput, EnvValue, FileOutput, Format};
use esi_core::{Credential, Plan, SecretBytes};

use crate::error::{Fault, RenderError, Target, TemplateProblem, Trouble, available};
use crate::template::{Check, Templates};
use crate::{MAX_RENDERED_BYTES, Rendered, RenderedFile, Variable, format, stack};

/// `MAX_ARG_STRLEN` of Linux: `NAME=value` and its NUL must fit, or `execve` fails without saying for which.
const MAX_VARIABLE_BYTES: usize = 128 * 1024;

/// Renders every output of `plan` from `credential`.
///
/// # Errors
/// The first output that cannot be rendered, with its place; see [`Fault`].
pub fn render(plan: &Plan, credential: &Credential) -> Result<Rendered, RenderError> {
    if templates(plan).next().is_some() {
        with_room(|| render_all(plan, credential))
    } else {
        render_all(plan, credential)
    }
}

/// Refuses a plan whose templates no credential could satisfy, before there is one.
///
/// # Errors
/// The first template that does not parse or does what templates may not, with its place.
pub fn check(plan: &Plan) -> Result<(), RenderError> {
    if templates(plan).next().is_none() {
        return Ok(());
    }
    with_room(|| {
        let check = Check::new();
        templates(plan).try_for_each(|(place, source)| {
            check
                .check(source)
                .map_err(|fault| RenderError::new(place.text(), fault))
        })
    })
}

/// Does what needs the engine, which may recurse deeply.
fn with_room<T: Send>(work: impl FnOnce() -> Result<T, RenderError> + Send) -> Result<T, RenderError> {
    let failed = || {
        let problem = TemplateProblem::Engine;
        RenderError::new("templates".to_owned(), Fault::Template { line: None, problem })
    };
    stack::run(work).unwrap_or_else(|| Err(failed()))
}

/// The templates of a plan, each with its place.
fn templates(plan: &Plan) -> impl Iterator<Item = (Place<'_>, &str)> {
    let env = plan.env.iter().enumerate().filter_map(|(index, output)| {
        let EnvValue::Template(source) = &output.value else {
            return None;
        };
        Some((Place::Env(index, output), source.as_str()))
    });
    let files = plan.files.iter().enumerate().filter_map(|(index, output)| {
        let Content::Template(source) = &output.content else {
            return None;
        };
        Some((Place::File(index, output), source.as_str()))
    });
    env.chain(files)
}

/// One output of a plan.
enum Place<'a> {
    Env(usize, &'a EnvOutput),
    File(usize, &'a FileOutput),
}

impl Place<'_> {
    fn text(&self) -> String {
        match self {
            Self::Env(index, output) => format!("env[{index}] `{}`", output.name),
            Self::File(index, output) => format!("files[{index}] `{}`", output.path),
        }
    }
}

fn render_all(plan: &Plan, credential: &Credential) -> Result<Rendered, RenderError> {
    let mut renderer = Renderer {
        credential,
        templates: Templates::new(credential),
        room: MAX_RENDERED_BYTES,
    };
    let mut rendered = Rendered::default();
    for (index, output) in plan.env.iter().enumerate() {
        let variable = renderer
            .variable(output)
            .map_err(|fault| RenderError::new(Place::Env(index, output).text(), fault))?;
        rendered.variables.push(variable);
    }
    if plan.all_keys {
        let others = renderer
            .other_keys(plan)
            .map_err(|fault| RenderError::new("allKeys".to_owned(), fault))?;
        rendered.variables.extend(others);
    }
    for (index, output) in plan.files.iter().enumerate() {
        let file = renderer
            .file(output)
            .map_err(|fault| RenderError::new(Place::File(index, output).text(), fault))?;
        rendered.files.push(file);
    }
    Ok(rendered)
}

struct Renderer<'a> {
    credential: &'a Credential,
    templates: Templates<'a>,
    /// Bytes that may still be rendered.
    room: usize,
}

impl<'a> Renderer<'a> {
    fn variable(&mut self, EnvOutput { name, value }: &'a EnvOutput) -> Result<Variable, Fault> {
        let (key, value) = match value {
            EnvValue::Key(key) => (Some(key.as_str()), self.key(key)?),
            EnvValue::Template(source) => (None, self.templates.render(source, self.room)?),
        };
        self.of_process(name.clone(), key, value)
    }

    /// Every key as a variable of its name, unless the plan itself has one of that name.
    fn other_keys(&mut self, plan: &Plan) -> Result<Vec<Variable>, Fault> {
        let mut variables = Vec::new();
        for (key, value) in self.credential.iter() {
            let name: EnvName = key
                .parse()
                .map_err(|_bad| Fault::NoVariable { key: key.to_owned() })?;
            if plan.env.iter().all(|output| output.name != name) {
                variables.push(self.of_process(name, Some(key), value.duplicate())?);
            }
        }
        Ok(variables)
    }

    fn of_process(
        &mut self,
        name: EnvName,
        key: Option<&str>,
        value: SecretBytes,
    ) -> Result<Variable, Fault> {
        if let Some(trouble) = process_trouble(name.as_str(), value.expose()) {
            return Err(Fault::Unrepresentable {
                key: key.map(str::to_owned),
                trouble,
                target: Target::ProcessVariable,
            });
        }
        self.spend(&value)?;
        Ok(Variable { name, value })
    }

    fn file(&mut self, output: &'a FileOutput) -> Result<RenderedFile, Fault> {
        let content = match &output.content {
            Content::Key(key) => self.key(key)?,
            Content::Template(source) => self.templates.render(source, self.room)?,
            Content::Format(Format::Env) => format::env(self.credential, self.room)?,
            Content::Format(Format::Dotenv) => format::dotenv(self.credential, self.room)?,
            Content::Format(Format::Json) => format::json(self.credential, self.room)?,
        };
        self.spend(&content)?;
        Ok(RenderedFile {
            path: output.path.clone(),
            mode: output.effective_mode(),
            content,
        })
    }

    fn key(&self, key: &str) -> Result<SecretBytes, Fault> {
        self.credential
            .get(key)
            .map(SecretBytes::duplicate)
            .ok_or_else(|| Fault::MissingKey {
                key: key.to_owned(),
                available: available(self.credential),
            })
    }

    fn spend(&mut self, content: &SecretBytes) -> Result<(), Fault> {
        self.room = self.room.checked_sub(content.len()).ok_or(Fault::TooLarge)?;
        Ok(())
    }
}

fn process_trouble(name: &str, value: &[u8]) -> Option<Trouble> {
    if value.contains(&0) {
        return Some(Trouble::Nul);
    }
    // `=` and NUL.
    let bytes = name.len().saturating_add(value.len()).saturating_add(2);
    (bytes > MAX_VARIABLE_BYTES).then_some(Trouble::LongVariable)
}
