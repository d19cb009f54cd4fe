//! The mark of an injected pod: `<version>:<hash>`.
//!
//! The hash is of what was asked for and by which configuration it was answered, not of the pod: what others add to
//! a pod afterwards changes nothing. It tells a copy that asks for something else from one that does not; it proves
//! nothing, since a pod's author can write any.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};

use super::share::Share;
use crate::ask::{Asked, Position};
use crate::config::{Configuration, InitContainer, VolumeKind};
use crate::world::World;

/// Bytes of the hash that are kept: enough that two requests never meet by chance.
const HASH_BYTES: usize = 8;

/// The mark of a pod that asks for this.
pub(super) fn of(
    asked: &Asked,
    shares: &[Share<'_>],
    world: &World,
    configuration: &Configuration,
) -> String {
    let mut hash = Hash(Context::new(&SHA256));
    for share in shares {
        let binding = share.binding;
        hash.text(&binding.json);
        hash.texts(binding.containers.iter().map(|name| name.as_str()));
        hash.text(binding.mount_path.as_str());
        hash.text(match share.by_init() {
            true => "init",
            false => "node",
        });
        hash.texts([
            share.server.url.as_str(),
            share.server.ca.as_str(),
            share.server.audience.as_str(),
        ]);
    }
    hash.text(match asked.options.volume {
        VolumeKind::Csi => "csi",
        VolumeKind::EmptyDir => "emptydir",
    });
    let (position, name) = match &asked.options.position {
        None => ("rule", ""),
        Some(Position::First) => ("first", ""),
        Some(Position::Before(name)) => ("before", name.as_str()),
        Some(Position::After(name)) => ("after", name.as_str()),
    };
    hash.texts([position, name]);
    hash.init(&configuration.init);
    hash.number(u64::from(world.restart_rules));
    format!("{}:{}", env!("CARGO_PKG_VERSION"), hash.finish())
}

/// Hashes fields with their lengths, so that none can pass for two.
struct Hash(Context);

impl Hash {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.0.update(text.as_bytes());
    }

    fn texts<'t>(&mut self, texts: impl IntoIterator<Item = &'t str, IntoIter: ExactSizeIterator>) {
        let texts = texts.into_iter();
        self.number(u64::try_from(texts.len()).unwrap_or(u64::MAX));
        for text in texts {
            self.text(text);
        }
    }

    fn init(&mut self, init: &InitContainer) {
        let InitContainer {
            image,
            image_pull_policy,
            run_as_user,
            cpu,
            memory,
            deadline,
            token_lifetime,
        } = init;
        self.texts([
            image.as_str(),
            image_pull_policy.as_deref().unwrap_or_default(),
            cpu,
            memory,
        ]);
        self.number(u64::from(*run_as_user));
        self.number(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
        self.number(token_lifetime.as_secs());
    }

    fn finish(self) -> String {
        let digest = self.0.finish();
        let mut text = String::with_capacity(2 * HASH_BYTES);
        for byte in digest.as_ref().iter().take(HASH_BYTES) {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
        }
        text
    }
}
