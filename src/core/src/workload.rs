//! Who receives a credential.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::{BindingName, ClientInstance, Namespace, ObjectName, Uid};

/// An authenticated workload. Every field comes from a verified token or certificate, except
/// [`Instance::Client`], which its own service account chooses and which is therefore scoped to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The federation (the registered cluster) that vouches for it.
    pub cluster: ObjectName,
    /// Its namespace in that cluster.
    pub namespace: Namespace,
    /// Its service account.
    pub service_account: ObjectName,
    /// The one running thing.
    pub instance: Instance,
    /// The node it runs on, where the token says so.
    pub node: Option<ObjectName>,
}

/// The one running thing that a lease belongs to: when it ends, the lease does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instance {
    /// A pod.
    Pod {
        /// Its name.
        name: ObjectName,
        /// Its UID.
        uid: Uid,
    },
    /// A process outside a pod (a VM, a CI job), by the id that it chose.
    Client {
        /// The id.
        id: ClientInstance,
    },
}

/// What at most one live lease exists for: one binding of one running thing of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BindingKey {
    /// The federation that vouches for the workload.
    pub cluster: ObjectName,
    /// `pod:<uid>` or `client:<namespace>/<service account>/<id>`. The two cannot meet, and no service account
    /// can name another's.
    pub instance: String,
    /// The binding.
    pub binding: BindingName,
}

impl Workload {
    /// The key of one of its bindings.
    #[must_use]
    pub fn key(&self, binding: &BindingName) -> BindingKey {
        match &self.instance {
            Instance::Pod { uid, .. } => BindingKey::of_pod(&self.cluster, uid, binding),
            Instance::Client { id } => BindingKey {
                cluster: self.cluster.clone(),
                instance: format!("client:{}/{}/{id}", self.namespace, self.service_account),
                binding: binding.clone(),
            },
        }
    }
}

impl BindingKey {
    /// The key of a pod's binding.
    #[must_use]
    pub fn of_pod(cluster: &ObjectName, uid: &Uid, binding: &BindingName) -> Self {
        Self {
            cluster: cluster.clone(),
            instance: Self::instance_of_pod(uid),
            binding: binding.clone(),
        }
    }

    /// What stands for a pod in its keys.
    #[must_use]
    pub fn instance_of_pod(uid: &Uid) -> String {
        format!("pod:{uid}")
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instance {
            Instance::Pod { name, .. } => write!(f, "pod {}/{name} of {}", self.namespace, self.cluster),
            Instance::Client { id } => {
                write!(
                    f,
                    "client {id} of {}/{} of {}",
                    self.namespace, self.service_account, self.cluster
                )
            }
        }
    }
}

impl fmt::Display for BindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.instance, self.binding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(instance: Instance) -> Workload {
        Workload {
            cluster: "prod".parse().unwrap(),
            namespace: "shop".parse().unwrap(),
            service_account: "web".parse().unwrap(),
            instance,
            node: None,
        }
    }

    #[test]
    fn a_client_cannot_take_the_key_of_a_pod() {
        let binding: BindingName = "db".parse().unwrap();
        let pod = workload(Instance::Pod {
            name: "web-0".parse().unwrap(),
            uid: "u-1".parse().unwrap(),
        });
        let client = workload(Instance::Client {
            id: "u-1".parse().unwrap(),
        });
        assert_ne!(pod.key(&binding), client.key(&binding));
    }

    #[test]
    fn a_client_cannot_take_the_key_of_another_service_accounts_client() {
        let binding: BindingName = "db".parse().unwrap();
        let mine = workload(Instance::Client {
            id: "ci".parse().unwrap(),
        });
        let mut theirs = mine.clone();
        theirs.service_account = "other".parse().unwrap();
        assert_ne!(mine.key(&binding), theirs.key(&binding));
    }
}
