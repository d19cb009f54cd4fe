//! Adds what is asked for to a pod in which nothing of ours is.

use std::collections::BTreeMap;

use super::env::{self, OurVariable};
use super::error::{MutateError, shown};
use super::exec;
use super::identity::Identity;
use super::init;
use super::limits;
use super::mounts::{self, OurMount};
use super::names::{INJECTED_ANNOTATION, INJECTED_LABEL, INJECTED_LABEL_VALUE};
use super::patch::{Step, Writer};
use super::position;
use super::select::{self, Recipient};
use super::servers;
use super::share::Share;
use super::taken;
use super::volumes::{self, Carried, Volume};
use super::warnings::Warnings;
use super::{Context, Mutation};
use crate::pod::{Kind, Pod};

const SPEC: Step = Step::Key("spec");
const METADATA: Step = Step::Key("metadata");

/// The patch for a pod in which nothing of ours is, after what took ours out of it.
pub(super) fn inject(
    pod: &Pod<'_>,
    context: &Context<'_>,
    mut patch: Writer,
) -> Result<Mutation, MutateError> {
    let Context {
        asked,
        shares,
        world,
        configuration,
        mark,
    } = context;
    taken::check(pod, shares)?;
    let recipients = select::select(pod, shares)?;
    let mut warnings = Warnings::default();
    let mut entries = 0_usize;
    for recipient in &recipients {
        let gift = Gift::of(pod, recipient)?;
        entries = entries.saturating_add(gift.entries());
        limits::check_entries(entries)?;
        gift.write(&mut patch, &mut warnings);
    }

    let by_init = shares.iter().any(Share::by_init);
    let identity = by_init.then(|| Identity::of_init(pod, &recipients, configuration));
    let carried: Vec<Carried<'_>> = shares
        .iter()
        .map(|share| volumes::carry(pod, &recipients, share, identity.as_ref(), &mut warnings))
        .collect();
    match &identity {
        Some(identity) => {
            let index = position::decide(pod, asked.options.position.as_ref(), &recipients)?;
            let fetched = shares.iter().zip(&carried).filter(|(share, _)| share.by_init());
            let plans: Vec<&str> = fetched.map(|(_, carried)| carried.plan.as_ref()).collect();
            let container = init::container(pod, shares, &plans, identity, world, configuration)?;
            let list = [SPEC, Step::Key(Kind::Init.list())];
            patch.insert(&list, pod.has_init_containers, index, &[container]);
        }
        None if asked.options.position.is_some() => {
            warnings.push("`init-position` has no effect: with `delivery: node` there is no init container");
        }
        None => {}
    }
    let added = added_volumes(shares, &carried, context);
    patch.append(&[SPEC, Step::Key("volumes")], pod.volumes.is_some(), &added);
    write_mark(pod, mark, &mut patch);
    Ok(Mutation {
        patch: patch.finish()?,
        warnings: warnings.finish(),
    })
}

fn added_volumes<'c>(
    shares: &'c [Share<'c>],
    carried: &'c [Carried<'c>],
    context: &Context<'c>,
) -> Vec<Volume<'c>> {
    let mut added: Vec<_> = carried.iter().filter_map(Carried::volume).collect();
    if shares.iter().any(|share| share.env_file) {
        added.push(volumes::env_files());
    }
    if shares.iter().any(Share::by_init) {
        added.push(servers::token_volume(
            &servers::used(shares),
            &context.configuration.init,
        ));
    }
    if shares.iter().any(|share| share.exec) {
        added.push(volumes::bin());
    }
    added
}

fn write_mark(pod: &Pod<'_>, mark: &str, patch: &mut Writer) {
    let annotations = [METADATA, Step::Key("annotations")];
    let labels = [METADATA, Step::Key("labels")];
    if !pod.has_metadata {
        patch.add(&[METADATA], &BTreeMap::<&str, &str>::new());
    }
    patch.set(&annotations, pod.annotations.is_some(), INJECTED_ANNOTATION, mark);
    patch.set(
        &labels,
        pod.labels.is_some(),
        INJECTED_LABEL,
        INJECTED_LABEL_VALUE,
    );
}

/// What is added to one container.
struct Gift<'s> {
    recipient: &'s Recipient<'s>,
    variables: Vec<OurVariable<'s>>,
    /// Where the container's own variables are whose place ours take, last first.
    replaced: Vec<usize>,
    mounts: Vec<OurMount<'s>>,
    /// What comes before the container's command.
    prefix: Vec<String>,
}

impl<'s> Gift<'s> {
    fn of(pod: &Pod<'_>, recipient: &'s Recipient<'s>) -> Result<Self, MutateError> {
        let names: BTreeMap<&str, &Share<'_>> = env::names(recipient)?;
        let mounts = mounts::of(recipient);
        mounts::check(pod, recipient, &mounts)?;
        Ok(Self {
            recipient,
            variables: env::of(recipient).collect(),
            replaced: env::replaced(recipient, &names),
            mounts,
            prefix: exec::of(recipient)?,
        })
    }

    fn entries(&self) -> usize {
        let added = [self.variables.len(), self.mounts.len(), self.prefix.len()];
        added.into_iter().fold(self.replaced.len(), usize::saturating_add)
    }

    fn write(self, patch: &mut Writer, warnings: &mut Warnings) {
        let container = self.recipient.container;
        let (list, at) = (Step::Key(container.kind.list()), Step::At(container.index));
        let field = |name| [SPEC, list, at, Step::Key(name)];
        let own: Vec<_> = match self.replaced.is_empty() {
            true => Vec::new(),
            false => container.env().map(|variable| variable.name).collect(),
        };
        for index in self.replaced {
            patch.remove(&[SPEC, list, at, Step::Key("env"), Step::At(index)]);
            warnings.push(&format!(
                "the variable `{}` of the container `{}` is replaced by the injected one",
                shown(own.get(index).copied().unwrap_or_default()),
                shown(container.name),
            ));
        }
        let variables: Vec<_> = self.variables.iter().map(OurVariable::value).collect();
        patch.insert(&field("env"), container.has_env(), 0, &variables);
        let mounts: Vec<_> = self.mounts.iter().map(OurMount::value).collect();
        patch.append(&field("volumeMounts"), container.has_mounts(), &mounts);
        if !self.prefix.is_empty() {
            for beside in container.commands_beside() {
                warnings.push(&format!(
                    "`{beside}` of the container `{}` runs a command that does not get the injected variables: with \
                     `env-method: exec` only the container's own process has them",
                    shown(container.name),
                ));
            }
        }
        patch.insert(&field("command"), container.command.is_some(), 0, &self.prefix);
    }
}
