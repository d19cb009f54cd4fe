//! Who the init container runs as, and so who can read what it writes.

use std::borrow::Cow;

use esi_core::Plan;
use esi_core::plan::FileMode;

use super::error::shown;
use super::select::Recipient;
use super::share::Share;
use super::warnings::Warnings;
use crate::config::Configuration;
use crate::pod::Pod;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// Never 0.
    pub(super) user: i64,
    /// The pod's where absent.
    pub(super) group: Option<i64>,
    /// By what its readers can read.
    pub(super) access: Access,
}

/// By what right containers read the files of a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// They run as the writer.
    Owner,
    /// The pod's `fsGroup` is everybody's.
    Group,
    /// Nothing is known of them: only what everybody may read. The volume is mounted in them only.
    Everyone,
}

impl Identity {
    /// Who the init container runs as: as its readers where they are all known to be one, never as root.
    pub(super) fn of_init(
        pod: &Pod<'_>,
        recipients: &[Recipient<'_>],
        configuration: &Configuration,
    ) -> Self {
        let readers = || readers(recipients, |share| share.by_init());
        let user = common(readers().map(|reader| pod.user_of(reader.container))).filter(|user| *user != 0);
        Self {
            user: user.unwrap_or_else(|| i64::from(configuration.init.run_as_user)),
            group: common(readers().map(|reader| pod.group_of(reader.container))),
            access: access(pod, user),
        }
    }
}

/// The user of all containers of a binding that the node daemon fills, and how they read.
pub(super) fn of_node(
    pod: &Pod<'_>,
    recipients: &[Recipient<'_>],
    share: &Share<'_>,
) -> (Option<i64>, Access) {
    let readers = readers(recipients, |other| std::ptr::eq(other, share));
    let user = common(readers.map(|reader| pod.user_of(reader.container)));
    (user, access(pod, user))
}

fn readers<'r>(
    recipients: &'r [Recipient<'r>],
    of: impl Fn(&Share<'_>) -> bool + 'r,
) -> impl Iterator<Item = &'r Recipient<'r>> {
    recipients
        .iter()
        .filter(move |recipient| recipient.shares.iter().any(|share| of(share)))
}

fn access(pod: &Pod<'_>, user: Option<i64>) -> Access {
    match (user, pod.fs_group) {
        (Some(_), _) => Access::Owner,
        (None, Some(_)) => Access::Group,
        (None, None) => Access::Everyone,
    }
}

/// What all say, if all say the same.
fn common(mut all: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

/// The plan as the pod carries it: with permissions by which its readers can read.
pub(super) fn readable<'p>(plan: &'p Plan, access: Access) -> Cow<'p, Plan> {
    let Some(mode) = access.default_mode() else {
        return Cow::Borrowed(plan);
    };
    let mut plan = plan.clone();
    if plan.has_environ() {
        plan.env_mode = plan.env_mode.or(Some(mode));
    }
    for file in &mut plan.files {
        file.mode = file.mode.or(Some(mode));
    }
    Cow::Owned(plan)
}

impl Access {
    /// What a file gets that states no permissions, where a reader of the plan would choose others.
    fn default_mode(self) -> Option<FileMode> {
        match self {
            Self::Owner | Self::Group => None,
            Self::Everyone => "0444".parse().ok(),
        }
    }

    /// The bits by which a reader can read.
    const fn bits(self) -> u32 {
        match self {
            Self::Owner => 0o400,
            Self::Group => 0o040,
            Self::Everyone => 0o004,
        }
    }
}

/// Tells of files whose stated permissions shut their readers out.
pub(super) fn warn(share: &Share<'_>, access: Access, warnings: &mut Warnings) {
    for file in &share.binding.plan.files {
        let Some(mode) = file.mode.filter(|mode| mode.bits() & access.bits() == 0) else {
            continue;
        };
        warnings.push(&format!(
            "{}: the file `{}` has mode {mode}, and containers may not run as its owner: set `runAsUser` or \
             `fsGroup` in the pod, or leave the mode out",
            share.binding.origin,
            shown(file.path.as_str()),
        ));
    }
}
