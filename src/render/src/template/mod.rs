//! Templates over the keys of a credential.
//!
//! Templates come from pod authors and run beside other people's secrets, so the engine is given nothing but
//! values: no includes, no macros, no functions, no file system. It is strict about what is undefined; what a
//! template may do is decided before it runs (`scan`, `admit`); and all templates of a binding share one budget of
//! work and memory. Its runtime errors may quote values, so none of their text is kept: only the kind and the
//! line.
//!
//! In a template a key is a variable (`{{ password }}`), and `credential` is the map of all of them, for keys
//! that are no identifiers (`{{ credential["access-key"] }}`), unless a key has that very name. What is written
//! is what comes out: nothing is escaped unless a filter says so, and a final line feed is kept.

mod admit;
mod filters;
mod scan;

use std::collections::{BTreeMap, BTreeSet};

use esi_core::{Credential, SecretBytes};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Template, UndefinedBehavior, Value};

use crate::buffer::Buffer;
use crate::error::{Fault, Target, TemplateProblem, Trouble, available};

/// Budget of all templates of one binding. The engine charges one for an instruction and one for 64 bytes that
/// it makes or reads, so this is about 100,000 instructions (some ten milliseconds) or 6 MiB.
const FUEL: u64 = 100_000;

/// Nested loops and conditions: enough for any template that a person reads.
const MAX_RECURSION: usize = 50;

/// The name under which the whole credential is.
const WHOLE: &str = "credential";

/// Longest text of the parser that a message repeats, in characters.
const MAX_DETAIL: usize = 200;

/// The templates of one binding, and what is left of their budget.
pub(crate) struct Templates<'a> {
    credential: &'a Credential,
    engine: Option<Engine<'a>>,
    fuel: u64,
}

/// Made for the first template only: most plans have none, and then no value is copied.
struct Engine<'a> {
    environment: Environment<'a>,
    context: Value,
}

impl<'a> Templates<'a> {
    pub(crate) fn new(credential: &'a Credential) -> Self {
        Self {
            credential,
            engine: None,
            fuel: FUEL,
        }
    }

    /// The output of `source`, at most `limit` bytes.
    pub(crate) fn render(&mut self, source: &'a str, limit: usize) -> Result<SecretBytes, Fault> {
        let credential = self.credential;
        let Engine { environment, context } = self.engine.get_or_insert_with(|| Engine::new(credential));
        environment.set_fuel(Some(self.fuel));
        let template = compile(environment, source)?;
        let used = template.undeclared_variables(false).into_iter().collect();
        refuse_binary(credential, &used)?;
        let mut out = Buffer::new(limit);
        let captured = template
            .render_captured_to(context.clone(), &mut out)
            .map_err(|error| runtime(&error, credential, &used))?;
        if let Some((_consumed, remaining)) = captured.state().fuel_levels() {
            self.fuel = remaining;
        }
        Ok(out.into_secret())
    }
}

impl Engine<'_> {
    fn new(credential: &Credential) -> Self {
        Self {
            environment: environment(),
            context: context(credential),
        }
    }
}

/// Whether these templates could be rendered from some credential.
pub(crate) struct Check(Environment<'static>);

impl Check {
    pub(crate) fn new() -> Self {
        Self(environment())
    }

    /// What is wrong with `source`, whatever the credential holds.
    pub(crate) fn check(&self, source: &str) -> Result<(), Fault> {
        compile(&self.0, source).map(drop)
    }
}

fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_name| AutoEscape::None);
    environment.set_recursion_limit(MAX_RECURSION);
    // The only setting that can fail is a pair of equal delimiters, and these are the defaults.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    filters::add(&mut environment);
    environment
}

fn compile<'a>(environment: &'a Environment<'_>, source: &'a str) -> Result<Template<'a, 'a>, Fault> {
    scan::scan(source, environment.syntax())?;
    let template = environment.template_from_str(source).map_err(syntax)?;
    admit::admit(&template)?;
    Ok(template)
}

/// Values that are not UTF-8 are left out; see [`refuse_binary`].
fn context(credential: &Credential) -> Value {
    let mut keys: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in credential.iter() {
        if let Ok(text) = value.expose_str() {
            keys.insert(key.to_owned(), Value::from(text));
        }
    }
    let whole = Value::from(keys.clone());
    keys.entry(WHOLE.to_owned()).or_insert(whole);
    Value::from(keys)
}

/// A template is text, so a key that is not cannot be in one.
fn refuse_binary(credential: &Credential, used: &BTreeSet<String>) -> Result<(), Fault> {
    let binary = |key: &&String| {
        credential
            .get(key)
            .is_some_and(|value| value.expose_str().is_err())
    };
    match used.iter().find(binary) {
        None => Ok(()),
        Some(key) => Err(Fault::Unrepresentable {
            key: Some(key.clone()),
            trouble: Trouble::NotUtf8,
            target: Target::Template,
        }),
    }
}

/// The parser has seen the template and no value, so its words may be repeated.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn syntax(error: Error) -> Fault {
    let detail = error.detail().unwrap_or("syntax error");
    let detail = detail
        .chars()
        .take(MAX_DETAIL)
        .flat_map(char::escape_debug)
        .collect();
    Fault::Template {
        line: error.line(),
        problem: TemplateProblem::Syntax { detail },
    }
}

fn runtime(error: &Error, credential: &Credential, used: &BTreeSet<String>) -> Fault {
    let problem = match error.kind() {
        ErrorKind::OutOfFuel => TemplateProblem::OutOfFuel,
        // Nothing but the buffer's limit fails a write.
        ErrorKind::WriteFailure => return Fault::TooLarge,
        ErrorKind::UndefinedError => undefined(credential, used),
        _ => TemplateProblem::Operation,
    };
    Fault::Template {
        line: error.line(),
        problem,
    }
}

fn undefined(credential: &Credential, used: &BTreeSet<String>) -> TemplateProblem {
    let known = |name: &&String| name.as_str() == WHOLE || credential.get(name).is_some();
    let missing: Vec<String> = used
        .iter()
        .filter(|name| !known(name))
        .map(|name| format!("`{name}`"))
        .collect();
    let names = if missing.is_empty() {
        "a key, attribute or variable".to_owned()
    } else {
        missing.join(", ")
    };
    TemplateProblem::Undefined {
        names,
        available: format!("of the credential, {}", available(credential)),
    }
}
