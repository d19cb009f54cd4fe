//! What a compiled template may do, decided before it runs.
//!
//! The engine charges fuel for the strings that a template makes, but not for walking lists in lists, and sixty
//! times `{% set x = [x, x] %}` make a value that no machine can print, compare or copy. So a template works
//! on texts, numbers and the map of keys, which it cannot put into one another: every instruction must be one
//! that makes or moves only those, every filter and test one that is known to give only those.

use minijinja::Template;
use minijinja::machinery::{Instruction, get_compiled_template};
use minijinja::value::{Value, ValueKind};

use crate::error::{Fault, TemplateProblem};

/// Filters that take a text, a number or the map of keys, and give a text or a number.
const FILTERS: [&str; 14] = [
    "b64encode",
    "capitalize",
    "d",
    "default",
    "indent",
    "int",
    "length",
    "lower",
    "replace",
    "string",
    "tojson",
    "trim",
    "upper",
    "urlencode",
];

/// Tests of one value, or of one against another.
const TESTS: [&str; 12] = [
    "defined",
    "endingwith",
    "eq",
    "equalto",
    "false",
    "ne",
    "none",
    "number",
    "startingwith",
    "string",
    "true",
    "undefined",
];

/// Refuses a template that does anything else.
pub(super) fn admit(template: &Template<'_, '_>) -> Result<(), Fault> {
    let instructions = &get_compiled_template(template).instructions;
    let mut index = 0;
    while let Some(instruction) = instructions.get(index) {
        if let Some(problem) = refusal(instruction) {
            return Err(Fault::Template {
                line: instructions.get_line(index),
                problem,
            });
        }
        index += 1;
    }
    Ok(())
}

fn refusal(instruction: &Instruction<'_>) -> Option<TemplateProblem> {
    let forbidden = |what| Some(TemplateProblem::Forbidden { what });
    match instruction {
        Instruction::LoadConst(value) if is_scalar(value) => None,
        Instruction::EmitRaw(_)
        | Instruction::Emit
        | Instruction::StoreLocal(_)
        | Instruction::Lookup(_)
        | Instruction::GetAttr(_)
        | Instruction::GetItem
        | Instruction::BuildKwargs(_)
        | Instruction::Add
        | Instruction::Sub
        | Instruction::Mul
        | Instruction::Div
        | Instruction::IntDiv
        | Instruction::Rem
        | Instruction::Pow
        | Instruction::Neg
        | Instruction::Eq
        | Instruction::Ne
        | Instruction::Gt
        | Instruction::Gte
        | Instruction::Lt
        | Instruction::Lte
        | Instruction::Not
        | Instruction::StringConcat
        | Instruction::In
        | Instruction::CompareAndPreserve(_)
        | Instruction::PushLoop(_)
        | Instruction::PushWith
        | Instruction::Iterate(_)
        | Instruction::PushDidNotIterate
        | Instruction::PopFrame
        | Instruction::PopLoopFrame
        | Instruction::Jump(_)
        | Instruction::JumpIfFalse(_)
        | Instruction::JumpIfFalseOrPop(_)
        | Instruction::JumpIfTrueOrPop(_)
        | Instruction::BeginCapture(_)
        | Instruction::EndCapture
        | Instruction::DupTop
        | Instruction::DiscardTop
        | Instruction::Swap => None,
        Instruction::ApplyFilter(name, ..) => known(name, &FILTERS, "filter"),
        Instruction::PerformTest(name, ..) => known(name, &TESTS, "test"),
        Instruction::CallFunction(..) | Instruction::CallMethod(..) | Instruction::CallObject(_) => {
            forbidden("calls of functions and methods")
        }
        Instruction::PushAutoEscape | Instruction::PopAutoEscape => forbidden("`autoescape`"),
        Instruction::Slice => forbidden("slices"),
        _ => forbidden("lists, maps and tuples"),
    }
}

fn is_scalar(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::String
    )
}

fn known(name: &str, known: &[&str], kind: &'static str) -> Option<TemplateProblem> {
    if known.contains(&name) {
        return None;
    }
    Some(TemplateProblem::Unknown {
        kind,
        name: name.to_owned(),
        available: known.join(", "),
    })
}
