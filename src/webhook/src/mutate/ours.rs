//! What is ours in a marked pod: whether it is all in place, and how it is taken out again.

use std::collections::BTreeSet;

use super::env;
use super::exec;
use super::identity::Identity;
use super::mounts;
use super::names::{
    BIN_VOLUME, DRIVER, ENV_VOLUME, INIT_VOLUMES, INJECTED_LABEL, INJECTED_LABEL_VALUE, TOKEN_VOLUME,
    VOLUME_PREFIX,
};
use super::patch::{Step, Writer};
use super::select::{Recipient, is_ours};
use super::share::Share;
use super::volumes;
use super::warnings::Warnings;
use crate::config::{Configuration, VolumeKind};
use crate::pod::{Container, Kind, Pod, Volume};

/// What is ours in a marked pod.
#[derive(Debug)]
pub(super) struct Ours<'p> {
    pod: &'p Pod<'p>,
    shares: &'p [Share<'p>],
    init: Option<&'p Container<'p>>,
    /// Where our volumes are, and their names; in order of the list.
    volumes: Vec<Volume<'p>>,
    names: BTreeSet<&'p str>,
}

impl<'p> Ours<'p> {
    /// Finds it. A volume is ours by its name, and, where only the name's beginning is fixed, by its driver or by
    /// its mount in our init container.
    pub(super) fn find(pod: &'p Pod<'p>, shares: &'p [Share<'p>]) -> Self {
        let init = pod.init().find(|container| is_ours(container));
        let mounts = init.into_iter().flat_map(Container::mounts);
        let filled: BTreeSet<&str> = mounts
            .filter(|mount| mount.path.starts_with(INIT_VOLUMES))
            .map(|mount| mount.volume)
            .collect();
        let ours = |volume: &&Volume<'p>| {
            [ENV_VOLUME, TOKEN_VOLUME, BIN_VOLUME].contains(&volume.name)
                || (volume.name.starts_with(VOLUME_PREFIX)
                    && (volume.driver() == Some(DRIVER) || filled.contains(volume.name)))
        };
        let volumes: Vec<Volume<'p>> = pod.volumes().iter().filter(ours).copied().collect();
        Self {
            pod,
            shares,
            init,
            names: volumes.iter().map(|volume| volume.name).collect(),
            volumes,
        }
    }

    /// Whether a volume of this name is ours, be it that somebody removed it.
    fn is_ours(&self, name: &str) -> bool {
        is_reserved(name, self.shares) || self.names.contains(name)
    }

    /// Whether everything is there, as it is to be, and nothing more.
    ///
    /// Containers that were added since are left as they are, if no binding names them.
    pub(super) fn are_in_place(&self, recipients: &[Recipient<'_>]) -> bool {
        self.pod.label(INJECTED_LABEL) == Some(INJECTED_LABEL_VALUE)
            && self.init.is_some() == self.shares.iter().any(Share::by_init)
            && self.volumes_are_in_place()
            && self.containers_are_in_place(recipients)
    }

    /// Whether what was written for those who get something suits who they run as: a copy may run as somebody else.
    pub(super) fn suit(&self, recipients: Vec<Recipient<'_>>, configuration: &Configuration) -> bool {
        let complete = |recipient: &Recipient<'_>| self.is_complete(recipient);
        let served: Vec<Recipient<'_>> = recipients.into_iter().filter(complete).collect();
        let by_init = |_| Identity::of_init(self.pod, &served, configuration);
        let identity = self.init.map(by_init);
        let suits = |share: &Share<'_>| {
            let warnings = &mut Warnings::default();
            let carried = volumes::carry(self.pod, &served, share, identity.as_ref(), warnings);
            let found = self.volumes.iter().find(|volume| volume.name == share.volume);
            carried.tells(found.and_then(|volume| volume.raw.get("csi")?.get("volumeAttributes")))
        };
        self.init.and_then(|init| init.run_as_user) == identity.as_ref().map(|identity| identity.user)
            && self.shares.iter().all(suits)
    }

    fn volumes_are_in_place(&self) -> bool {
        let wanted = wanted_volumes(self.shares);
        let is = |volume: &Volume<'_>, (name, source): &(&str, &str)| {
            volume.name == *name
                && volume
                    .raw
                    .get(source)
                    .is_some_and(|source| source.as_object().is_some())
        };
        // Names are unique in a pod that Kubernetes takes.
        self.volumes.len() == wanted.len()
            && wanted
                .iter()
                .all(|wanted| self.volumes.iter().any(|volume| is(volume, wanted)))
    }

    fn containers_are_in_place(&self, recipients: &[Recipient<'_>]) -> bool {
        let mut served = vec![false; self.shares.len()];
        let mut recipients = recipients.iter().peekable();
        for container in self.pod.containers.iter().filter(|container| !is_ours(container)) {
            let same = |recipient: &&Recipient<'_>| std::ptr::eq(recipient.container, container);
            let recipient = recipients.next_if(same);
            match recipient {
                Some(recipient) if self.is_complete(recipient) => {
                    for (share, served) in self.shares.iter().zip(&mut served) {
                        *served |= recipient.shares.iter().any(|got| std::ptr::eq(*got, share));
                    }
                }
                Some(recipient) if recipient.named => return false,
                _ if self.is_untouched(container) => {}
                _ => return false,
            }
        }
        served.into_iter().all(|served| served)
    }

    /// Whether a container has all that it gets, and nothing else of ours.
    fn is_complete(&self, recipient: &Recipient<'_>) -> bool {
        let container = recipient.container;
        let runs_after = |init: &Container<'_>| container.kind != Kind::Init || init.index < container.index;
        let needs_init = recipient.shares.iter().any(|share| share.by_init());
        let mounts = container.mounts().filter(|mount| self.is_ours(mount.volume));
        let variables = container.env().filter(is_env_file);
        (!needs_init || self.init.is_some_and(runs_after))
            && same(mounts, mounts::of(recipient), |mount, wanted| wanted.is(mount))
            && same(variables, env::of(recipient), |variable, wanted| {
                wanted.is(variable)
            })
            && exec::is_in_place(recipient)
    }

    fn is_untouched(&self, container: &Container<'_>) -> bool {
        !container.mounts().any(|mount| self.is_ours(mount.volume))
            && !container.env().any(|variable| is_env_file(&variable))
            && exec::wrapped(container.command.as_deref()) == 0
    }

    /// Takes it all out, apart from the mark, which is written anew.
    pub(super) fn strip(&self) -> Writer {
        let mut patch = Writer::default();
        for container in self.pod.containers.iter().filter(|container| !is_ours(container)) {
            self.strip_container(container, &mut patch);
        }
        if let Some(init) = self.init {
            patch.remove(&[
                Step::Key("spec"),
                Step::Key(Kind::Init.list()),
                Step::At(init.index),
            ]);
        }
        for volume in self.volumes.iter().rev() {
            patch.remove(&[Step::Key("spec"), Step::Key("volumes"), Step::At(volume.index)]);
        }
        patch
    }

    fn strip_container(&self, container: &Container<'_>, patch: &mut Writer) {
        let list = Step::Key(container.kind.list());
        let at = |field, index| {
            [
                Step::Key("spec"),
                list,
                Step::At(container.index),
                Step::Key(field),
                Step::At(index),
            ]
        };
        for (index, variable) in container.env().enumerate().rev() {
            if is_env_file(&variable) {
                patch.remove(&at("env", index));
            }
        }
        for (index, mount) in container.mounts().enumerate().rev() {
            if self.is_ours(mount.volume) {
                patch.remove(&at("volumeMounts", index));
            }
        }
        for index in (0..exec::wrapped(container.command.as_deref())).rev() {
            patch.remove(&at("command", index));
        }
    }
}

/// All our volumes: their names, and the field that says what each is.
fn wanted_volumes<'s>(shares: &'s [Share<'s>]) -> Vec<(&'s str, &'static str)> {
    let own = |share: &'s Share<'s>| {
        let source = match share.carrier? {
            VolumeKind::Csi => "csi",
            VolumeKind::EmptyDir => "emptyDir",
        };
        Some((share.volume.as_str(), source))
    };
    let needs = |needs: fn(&Share<'_>) -> bool| shares.iter().any(needs);
    let shared = [
        (needs(|share| share.env_file), (ENV_VOLUME, "emptyDir")),
        (needs(|share| share.by_init()), (TOKEN_VOLUME, "projected")),
        (needs(|share| share.exec), (BIN_VOLUME, "emptyDir")),
    ];
    let shared = shared
        .into_iter()
        .filter_map(|(needed, volume)| needed.then_some(volume));
    shares.iter().filter_map(own).chain(shared).collect()
}

/// Whether a volume of this name is to be ours.
pub(super) fn is_reserved(name: &str, shares: &[Share<'_>]) -> bool {
    [ENV_VOLUME, TOKEN_VOLUME, BIN_VOLUME].contains(&name) || shares.iter().any(|share| share.volume == name)
}

fn is_env_file(variable: &crate::pod::Variable<'_>) -> bool {
    variable.file.is_some_and(|(volume, _, _)| volume == ENV_VOLUME)
}

fn same<A, B>(
    found: impl IntoIterator<Item = A>,
    wanted: impl IntoIterator<Item = B>,
    is: impl Fn(&A, &B) -> bool,
) -> bool {
    let (mut found, mut wanted) = (found.into_iter(), wanted.into_iter());
    loop {
        match (found.next(), wanted.next()) {
            (None, None) => return true,
            (Some(found), Some(wanted)) if is(&found, &wanted) => {}
            _ => return false,
        }
    }
}
