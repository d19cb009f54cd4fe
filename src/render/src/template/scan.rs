//! What a template may be made of, decided before it is compiled.
//!
//! The compiler folds constants without any budget, so lists in lists, multiplied and compared, would keep it
//! busy for ever; and its time and stack grow with the length of a chain of operators. Both are bounded here,
//! by the engine's own tokens.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use crate::error::{Fault, TemplateProblem};

/// Tokens of one template, its plain text not counted. A page of a configuration file has about 200.
const MAX_TOKENS: usize = 2000;

/// Words after which an expression begins, so that a bracket is no subscript and a parenthesis no call.
const KEYWORDS: [&str; 15] = [
    "and",
    "elif",
    "else",
    "filter",
    "for",
    "if",
    "in",
    "is",
    "not",
    "or",
    "recursive",
    "set",
    "with",
    "do",
    "block",
];

/// Refuses a template that is too long, or writes down a map, a list in a list, or a tuple in parentheses.
/// What the engine cannot even read is left to its parser, whose message is better.
pub(super) fn scan(source: &str, syntax: &SyntaxConfig) -> Result<(), Fault> {
    let mut before = Before::Expression;
    // For each open parenthesis or bracket, whether it may have commas.
    let mut open: Vec<bool> = Vec::new();
    let mut count = 0_usize;
    for token in tokenize(source, false, syntax.clone()) {
        let Ok((token, span)) = token else { return Ok(()) };
        let refuse = |problem| {
            Err(Fault::Template {
                line: Some(span.start_line.into()),
                problem,
            })
        };
        count += usize::from(!matches!(token, Token::TemplateData(_)));
        if count > MAX_TOKENS {
            return refuse(TemplateProblem::OutOfFuel);
        }
        let allowed = match &token {
            Token::BraceOpen => false,
            Token::BracketOpen => {
                open.push(false);
                before != Before::Expression
            }
            Token::ParenOpen => {
                open.push(before == Before::Name);
                true
            }
            Token::BracketClose | Token::ParenClose => {
                open.pop();
                true
            }
            Token::Comma => open.last().copied().unwrap_or(true),
            _ => true,
        };
        if !allowed {
            return refuse(TemplateProblem::Forbidden {
                what: "lists, maps and tuples",
            });
        }
        before = match token {
            Token::Ident(name) if !KEYWORDS.contains(&name) => Before::Name,
            Token::BracketClose | Token::ParenClose => Before::Value,
            _ => Before::Expression,
        };
    }
    Ok(())
}

/// What the last token leaves open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A name: a call or a subscript may follow.
    Name,
    /// The end of a value: a subscript may follow.
    Value,
    /// Anything else: an expression begins.
    Expression,
}
