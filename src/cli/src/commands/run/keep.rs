//! Keepers: one for each server, reporting what is held there and rotating what the server asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use esi_api::v1::Reason;
use esi_client::{Action, Budget, Client, Dice, Report, Verdict};
use esi_core::names::{BindingName, ServerName};
use esi_core::{chain, span};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::report_time::report_time;
use crate::deliver::Delivery;
use crate::exit::Failure;
use crate::log;
use crate::session::{Fetched, Held, acknowledge, expires_at, fetch, together};

/// The time of one report, retries included. The next one comes anyway.
const REPORT: Duration = Duration::from_secs(10);
/// The time of one round of rotations. What it does not finish the next verdict asks for again; a longer round
/// would let the reports of the other bindings wait.
const ROTATE: Duration = Duration::from_secs(20);

/// Starts a keeper for each server. They never end by themselves; the set aborts them when it is dropped.
pub(super) fn spawn(held: Vec<Held>, delivery: &Arc<Delivery>) -> JoinSet<()> {
    let mut servers: BTreeMap<ServerName, Keeper> = BTreeMap::new();
    for held in held {
        let client = &held.binding.client;
        servers
            .entry(client.server().name.clone())
            .or_insert_with(|| Keeper {
                client: Arc::clone(client),
                delivery: Arc::clone(delivery),
                kept: Vec::new(),
                asked: None,
                failing: false,
                told: BTreeSet::new(),
            })
            .kept
            .push(Kept {
                held,
                acknowledged: true,
            });
    }
    servers.into_values().map(Keeper::keep).collect()
}

/// What is held at one server.
#[derive(Debug)]
struct Keeper {
    client: Arc<Client>,
    delivery: Arc<Delivery>,
    kept: Vec<Kept>,
    /// When the server wants the next report.
    asked: Option<Duration>,
    /// Whether the last report failed: said once, until it is over.
    failing: bool,
    /// The bindings that cannot be rotated, of which that was said.
    told: BTreeSet<BindingName>,
}

#[derive(Debug)]
struct Kept {
    held: Held,
    /// Whether the server knows that this generation is visible.
    acknowledged: bool,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            let now = Instant::now();
            let lefts = self.kept.iter().filter_map(|kept| kept.held.expires_at);
            let lefts = lefts.map(|at| at.saturating_duration_since(now));
            sleep(report_time(self.asked, lefts, Dice::throw())).await;
            self.acknowledge_again().await;
            let verdicts = self.report().await;
            let rotating = self.judge(verdicts);
            self.rotate(&rotating).await;
        }
    }

    /// What the server says of each binding; nothing while it cannot be reached.
    async fn report(&mut self) -> Vec<Verdict> {
        let held: Vec<_> = self
            .kept
            .iter()
            .map(|kept| (&kept.held.binding.plan.binding, kept.held.generation))
            .collect();
        match self.client.report(&held, Budget::of(REPORT)).await {
            Ok(Report { verdicts, report_in }) => {
                if std::mem::take(&mut self.failing) {
                    log::say(format_args!(
                        "server {} takes reports again",
                        self.client.server()
                    ));
                }
                self.asked = report_in;
                verdicts
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    log::say(format_args!(
                        "server {} takes no report, without which its leases are not kept alive; it is asked again: {}",
                        self.client.server(),
                        chain(&error)
                    ));
                }
                self.asked = None;
                Vec::new()
            }
        }
    }

    /// Notes the time left, and picks what is to be rotated and can be, by index.
    fn judge(&mut self, verdicts: Vec<Verdict>) -> Vec<usize> {
        let mut rotating = Vec::new();
        for verdict in verdicts {
            let found = self
                .kept
                .iter_mut()
                .enumerate()
                .find(|(_, kept)| kept.held.binding.plan.binding.as_str() == verdict.binding);
            let Some((index, Kept { held, .. })) = found else {
                continue;
            };
            held.expires_at = expires_at(verdict.expires_in);
            let binding = &held.binding.plan.binding;
            if !matches!(verdict.action, Action::Rotate { .. }) {
                continue;
            }
            if !held.binding.plan.has_variables() {
                rotating.push(index);
            } else if self.told.insert(binding.clone()) {
                let left = verdict.expires_in.map_or_else(
                    || "its end".to_owned(),
                    |left| format!("its end in {}", span::format(left)),
                );
                log::say(format_args!(
                    "binding `{binding}` is not rotated: it sets variables, and a running process keeps those it \
                     was started with; it stays until {left}. Restart the command before, or use files"
                ));
            }
        }
        rotating
    }

    /// Fetches a new generation for each, shows it, and tells the server.
    async fn rotate(&mut self, indices: &[usize]) {
        let budget = Budget::of(ROTATE);
        let kept = &self.kept;
        let tasks = indices.iter().filter_map(|&index| {
            let binding = kept.get(index)?.held.binding.clone();
            // A failure of one binding is no reason to drop the others.
            Some(async move { Ok((index, fetch(&binding, Reason::Rotate, budget).await)) })
        });
        let fetched = match together(tasks).await {
            Ok(fetched) => fetched,
            Err(failure) => return log::say(chain(&failure)),
        };
        for (index, fetched) in fetched {
            let Some(kept) = self.kept.get_mut(index) else {
                continue;
            };
            match fetched.and_then(|fetched| show(&self.delivery, kept, fetched)) {
                Ok(()) => {}
                Err(failure) => log::say(format_args!(
                    "binding `{}` is not rotated yet: {}",
                    kept.held.binding.plan.binding,
                    chain(&failure)
                )),
            }
        }
        self.acknowledge_again().await;
    }

    /// Tells the server of each generation that it does not know to be visible.
    async fn acknowledge_again(&mut self) {
        let budget = Budget::of(REPORT);
        for kept in self.kept.iter_mut().filter(|kept| !kept.acknowledged) {
            match acknowledge(&kept.held.binding, kept.held.generation, budget).await {
                Ok(()) => kept.acknowledged = true,
                Err(failure) => log::say(chain(&failure)),
            }
        }
    }
}

/// Makes a new generation visible. From then on it is what is reported, acknowledged or not.
fn show(delivery: &Delivery, kept: &mut Kept, fetched: Fetched) -> Result<(), Failure> {
    let Fetched {
        rendered,
        generation,
        expires_at,
    } = fetched;
    let plan = &kept.held.binding.plan;
    delivery
        .prepare(plan, rendered)
        .and_then(|outputs| delivery.write(&plan.binding, generation, &outputs))
        .map_err(|source| Failure::Deliver {
            binding: plan.binding.clone(),
            source,
        })?;
    kept.held.generation = generation;
    kept.held.expires_at = expires_at;
    kept.acknowledged = false;
    Ok(())
}
