//! The environment variables that kubelet reads from env files.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::{MutateError, shown};
use super::names::ENV_VOLUME;
use super::select::Recipient;
use super::share::Share;
use crate::pod::Variable;

/// A variable of ours, and on whose behalf.
#[derive(Debug, Clone, Copy)]
pub(super) struct OurVariable<'s> {
    pub(super) name: &'s str,
    pub(super) share: &'s Share<'s>,
}

/// The variables of a container that come from env files, in order.
pub(super) fn of<'s>(recipient: &Recipient<'s>) -> impl Iterator<Item = OurVariable<'s>> {
    recipient
        .shares
        .iter()
        .copied()
        .filter(|share| share.env_file)
        .flat_map(|share| {
            share.binding.plan.env.iter().map(move |output| OurVariable {
                name: output.name.as_str(),
                share,
            })
        })
}

/// A variable as a container has it, from an env file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FromFile<'v> {
    name: &'v str,
    value_from: ValueFrom<'v>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValueFrom<'v> {
    file_key_ref: FileKeyRef<'v>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileKeyRef<'v> {
    volume_name: &'static str,
    path: &'v str,
    key: &'v str,
}

impl<'s> OurVariable<'s> {
    /// As the container has it.
    pub(super) fn value(&self) -> FromFile<'s> {
        FromFile {
            name: self.name,
            value_from: ValueFrom {
                file_key_ref: FileKeyRef {
                    volume_name: ENV_VOLUME,
                    path: &self.share.env_path,
                    key: self.name,
                },
            },
        }
    }

    /// Whether a variable of the pod is this one.
    pub(super) fn is(&self, variable: &Variable<'_>) -> bool {
        variable.name == self.name && variable.file == Some((ENV_VOLUME, &self.share.env_path, self.name))
    }
}

/// Every name that a container gets from its bindings, by whatever method.
///
/// # Errors
/// If two bindings set one.
pub(super) fn names<'s>(recipient: &Recipient<'s>) -> Result<BTreeMap<&'s str, &'s Share<'s>>, MutateError> {
    let mut names = BTreeMap::new();
    for share in recipient.shares.iter().copied() {
        for output in &share.binding.plan.env {
            if let Some(other) = names.insert(output.name.as_str(), share) {
                return Err(MutateError::Variable {
                    origin: share.origin(),
                    other: other.origin(),
                    container: shown(recipient.container.name),
                    variable: output.name.to_string(),
                });
            }
        }
    }
    Ok(names)
}

/// Where the container's own variables are that ours take the place of, last first. A later entry of a name would
/// win over an earlier one.
pub(super) fn replaced(recipient: &Recipient<'_>, names: &BTreeMap<&str, &Share<'_>>) -> Vec<usize> {
    let by_file = |name: &str| names.get(name).is_some_and(|share| share.env_file);
    let own = recipient.container.env().enumerate().rev();
    own.filter(|(_, variable)| by_file(variable.name))
        .map(|(index, _)| index)
        .collect()
}
