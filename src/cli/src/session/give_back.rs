//! The end: every binding that may be live is revoked.

use std::time::Duration;

use esi_client::Budget;
use esi_core::chain;

use super::{Binding, Session, together};
use crate::log;

impl Session {
    /// Revokes within `span`. Where that fails, it is said, and the time to live ends the lease.
    pub(crate) async fn give_back(&self, span: Duration) {
        let budget = Budget::of(span);
        let live = |binding: &&Binding| binding.live.with(|live| live.contains(&binding.plan.binding));
        let tasks = self.bindings.iter().filter(live).cloned().map(|binding| async move {
            let Binding { plan, client, live } = binding;
            match client.revoke(&plan.binding, budget).await {
                Ok(()) => {
                    live.with(|live| live.remove(&plan.binding));
                }
                Err(error) => log::say(format_args!(
                    "whatever was issued for binding `{}` could not be revoked at server {} and ends at its time to live: {}",
                    plan.binding,
                    client.server(),
                    chain(&error)
                )),
            }
            Ok(())
        });
        if let Err(failure) = together(tasks).await {
            log::say(chain(&failure));
        }
    }
}
