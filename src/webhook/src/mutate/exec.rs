//! Commands that are started with variables: `["/esi/bin/esi-cli","exec","--environ",FILE,…,"--",COMMAND…]`.
//!
//! Only elements in front are added, so that the command itself and `args` stay as they are, byte for byte.

use super::error::{MutateError, shown};
use super::names::PROGRAM;
use super::select::Recipient;

const VERB: &str = "exec";
const ENVIRON: &str = "--environ";
const END: &str = "--";

/// What comes before the container's own command; nothing where no binding wants it.
///
/// # Errors
/// If there is no command to wrap, or if it looks wrapped in a pod where nothing of ours is.
pub(super) fn of(recipient: &Recipient<'_>) -> Result<Vec<String>, MutateError> {
    let prefix = prefix(recipient);
    let Some(share) = recipient.shares.iter().find(|share| share.exec) else {
        return Ok(prefix);
    };
    let container = || shown(recipient.container.name);
    match recipient.container.command.as_deref() {
        None => Err(MutateError::NoCommand {
            origin: share.origin(),
            container: container(),
        }),
        Some([PROGRAM, ..]) => Err(MutateError::Wrapped {
            container: container(),
        }),
        Some(_) => Ok(prefix),
    }
}

/// What comes before the container's own command.
fn prefix(recipient: &Recipient<'_>) -> Vec<String> {
    let mut files = recipient.shares.iter().filter(|share| share.exec).peekable();
    if files.peek().is_none() {
        return Vec::new();
    }
    let mut prefix = vec![PROGRAM.to_owned(), VERB.to_owned()];
    let environ = esi_core::plan::RelativePath::environ();
    for share in files {
        let file = format!("{}/{environ}", share.binding.mount_path);
        prefix.extend([ENVIRON.to_owned(), literal(file)]);
    }
    prefix.push(END.to_owned());
    prefix
}

/// Text that Kubernetes expands to itself: it takes `$(NAME)` in commands and in values of variables for a
/// reference, and `$$` for `$`.
pub(super) fn literal(text: String) -> String {
    match text.contains('$') {
        true => text.replace('$', "$$"),
        false => text,
    }
}

/// How many elements of a command are ours; none where it is not wrapped.
pub(super) fn wrapped(command: Option<&[&str]>) -> usize {
    let mut rest = command.unwrap_or_default().iter().copied();
    if (rest.next(), rest.next()) != (Some(PROGRAM), Some(VERB)) {
        return 0;
    }
    let mut count = 2_usize;
    loop {
        match rest.next() {
            Some(END) => return count.saturating_add(1),
            Some(ENVIRON) if rest.next().is_some() => count = count.saturating_add(2),
            _ => return 0,
        }
    }
}

/// Whether the command is wrapped exactly as it is to be.
pub(super) fn is_in_place(recipient: &Recipient<'_>) -> bool {
    let command = recipient.container.command.as_deref().unwrap_or_default();
    let prefix = prefix(recipient);
    wrapped(Some(command)) == prefix.len()
        && command
            .iter()
            .zip(&prefix)
            .all(|(element, wanted)| element == wanted)
}
