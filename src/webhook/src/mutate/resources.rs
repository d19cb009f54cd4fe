//! What the init container asks for, so that the pod keeps its quality of service class.
//!
//! The rules are Kubernetes' own (`ComputePodQOS`): only cpu and memory count, over all containers, and a request
//! that is not stated is the limit.

use serde::Serialize;

use crate::config::InitContainer;
use crate::pod::{Container, Pod, Quantity};

const CPU: &str = "cpu";
const MEMORY: &str = "memory";

/// What a container asks for, and may use.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Resources<'i> {
    limits: Amounts<'i>,
    requests: Amounts<'i>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Amounts<'i> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<&'i str>,
    memory: &'i str,
}

/// Its `resources`; absent where it must have none.
pub(super) fn of_init<'i>(pod: &Pod<'_>, init: &'i InitContainer) -> Option<Resources<'i>> {
    if pod.has_own_resources {
        // The pod's budget is everybody's, and the sum of what containers state may not exceed it.
        return None;
    }
    let memory = init.memory.as_str();
    let requests = Amounts {
        cpu: Some(&init.cpu),
        memory,
    };
    let limits = match Class::of(pod) {
        Class::BestEffort => return None,
        Class::Guaranteed => requests,
        Class::Burstable if every(pod, |container| container.limit(CPU).is_some()) => requests,
        Class::Burstable => Amounts { cpu: None, memory },
    };
    Some(Resources { limits, requests })
}

/// A quality of service class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    BestEffort,
    Burstable,
    Guaranteed,
}

impl Class {
    pub(crate) fn of(pod: &Pod<'_>) -> Self {
        let total = |amount: &dyn Fn(&Container<'_>) -> Option<Quantity>| {
            pod.containers.iter().filter_map(amount).reduce(Quantity::plus)
        };
        let [cpu, memory] = [CPU, MEMORY].map(|name| {
            (
                total(&|container| container.request(name)),
                total(&|container| container.limit(name)),
            )
        });
        let limited =
            |container: &Container<'_>| container.limit(CPU).is_some() && container.limit(MEMORY).is_some();
        match (cpu, memory) {
            ((None, None), (None, None)) => Self::BestEffort,
            _ if cpu.0 == cpu.1 && memory.0 == memory.1 && every(pod, limited) => Self::Guaranteed,
            _ => Self::Burstable,
        }
    }
}

fn every(pod: &Pod<'_>, has: impl Fn(&Container<'_>) -> bool) -> bool {
    pod.containers.iter().all(has)
}
