//! Who speaks for the pods of a node: a pure function of the catalog's federations and the principal.
//!
//! A node's daemon runs on it as a pod. Its token is bound to that pod, so it names the node, by the word of the API
//! server and not of the node; and its service account is one that the federation lists. It may then speak for the
//! leases of its own federation whose workload's token named the same node ([`Owner::node`]), and for no other.
//! Before Kubernetes 1.32 tokens name no node: there no daemon may speak for anybody, and leases end as those of
//! pods that nobody reports.
//!
//! Nothing is remembered: a service account that is taken off the list has no say from the next call on.
//!
//! [`Owner::node`]: esi_ledger::port::Owner::node

use esi_core::names::{BindingName, ObjectName, Uid};
use esi_core::{BindingKey, Classify, Code, Retry};
use esi_ledger::port::{Lease, Owner};
use esi_resources::catalog::Snapshot;
use thiserror::Error;

use crate::authenticate::Principal;

/// A node's daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAgent {
    /// The federation, and so the cluster, of the node.
    federation: ObjectName,
    /// The issuer of the federation's tokens.
    issuer: String,
    /// The node.
    node: ObjectName,
}

/// Why a principal does not speak for a node.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NotAnAgent {
    /// Its service account is not listed.
    #[error(
        "`{subject}` speaks for itself only: to let it speak for the pods of its node, list it in `nodeAgents` of \
         KubernetesFederation `{federation}`"
    )]
    NotListed {
        /// Of the token.
        subject: Box<str>,
        /// Whose token it is.
        federation: Box<str>,
    },
    /// Its token says of no pod that it runs on a node.
    #[error(
        "the token of the node's daemon names no pod or no node: use the token that is projected into its pod, \
         with Kubernetes 1.32 or later"
    )]
    NoNode,
}

impl Classify for NotAnAgent {
    fn code(&self) -> Code {
        Code::PermissionDenied
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NotListed { .. } => "not_a_node_agent",
            Self::NoNode => "node_unknown",
        }
    }
}

impl NodeAgent {
    /// The node's daemon that `principal` is.
    ///
    /// # Errors
    /// See [`NotAnAgent`]. They say nothing of any lease.
    pub fn of(catalog: &Snapshot, principal: &Principal) -> Result<Self, NotAnAgent> {
        let listed = catalog
            .federations()
            .iter()
            .filter(|federation| federation.name == principal.federation)
            .flat_map(|federation| &federation.node_agents)
            .any(|agent| agent.namespace == principal.namespace && agent.name == principal.service_account);
        if !listed {
            return Err(NotAnAgent::NotListed {
                subject: principal.subject.as_str().into(),
                federation: principal.federation.as_str().into(),
            });
        }
        match (&principal.pod, &principal.node) {
            (Some(_), Some(node)) => Ok(Self {
                federation: principal.federation.clone(),
                issuer: principal.issuer.clone(),
                node: node.clone(),
            }),
            (_, _) => Err(NotAnAgent::NoNode),
        }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &ObjectName {
        &self.node
    }

    /// The key of a binding of a pod, which may or may not be on the node.
    #[must_use]
    pub fn key(&self, pod: &Uid, binding: &BindingName) -> BindingKey {
        BindingKey::of_pod(&self.federation, pod, binding)
    }

    /// Whether it may speak for a lease.
    #[must_use]
    pub fn speaks_for(&self, lease: &Lease) -> bool {
        lease.key.cluster == self.federation && lease.owner.node.as_ref() == Some(&self.node)
    }

    /// Who has the lease, as its own token says it.
    #[must_use]
    pub fn owner_of(&self, lease: &Lease) -> Principal {
        let Owner {
            namespace,
            service_account,
            name: _,
            node,
        } = &lease.owner;
        Principal {
            federation: self.federation.clone(),
            // A federation has one issuer: whatever its tokens say is checked against it.
            issuer: self.issuer.clone(),
            subject: format!("system:serviceaccount:{namespace}:{service_account}"),
            namespace: namespace.clone(),
            service_account: service_account.clone(),
            pod: None,
            node: node.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
