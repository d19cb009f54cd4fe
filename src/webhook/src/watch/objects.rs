//! What is kept of an object: a small part, so that thousands of nodes cost little.

use std::sync::Arc;

use esi_core::names::{Namespace, ObjectName};
use esi_resources::injection::{API_VERSION, Injection, InjectionStatus};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::{ApiResource, DynamicObject, ObjectMeta};
use kube::core::{NotUsed, Object};
use serde::Deserialize;
use serde_json::Value;

use crate::version::Kubernetes;

/// Where an Injection is: its namespace and its name.
pub type Key = (Namespace, ObjectName);

/// An Injection in the cluster, good or broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Which of all that ever had its name.
    pub uid: String,
    /// The version of its `spec`.
    pub generation: i64,
    /// What it means, or what is wrong with it.
    pub injection: Result<Arc<Injection>, String>,
    /// What was told of it last.
    pub status: InjectionStatus,
}

/// The API of Injections.
#[must_use]
pub fn injections() -> ApiResource {
    let (group, version) = API_VERSION.split_once('/').unwrap_or(("", API_VERSION));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: API_VERSION.to_owned(),
        kind: "Injection".to_owned(),
        plural: "injections".to_owned(),
    }
}

/// An Injection. None if its name is none: no API server stores such an object.
pub(super) fn injection(object: DynamicObject) -> Option<(Key, Option<Arc<Observed>>)> {
    let DynamicObject {
        metadata,
        mut data,
        types: _,
    } = object;
    let ObjectMeta {
        name,
        namespace,
        uid,
        generation,
        ..
    } = metadata;
    let (namespace, name): Key = (namespace?.parse().ok()?, name?.parse().ok()?);
    let mut take = |field| data.get_mut(field).map(Value::take).unwrap_or_default();
    let injection = Injection::parse(namespace.clone(), name.clone(), &take("spec"));
    let observed = Observed {
        uid: uid.unwrap_or_default(),
        generation: generation.unwrap_or_default(),
        injection: injection.map(Arc::new).map_err(|error| error.to_string()),
        // A status that cannot be read is as good as none: ours takes its place.
        status: serde_json::from_value(take("status")).unwrap_or_default(),
    };
    Some(((namespace, name), Some(Arc::new(observed))))
}

/// A node, as far as it matters.
pub(super) type Node = Object<NotUsed, NodeStatus>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NodeStatus {
    node_info: NodeInfo,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeInfo {
    kubelet_version: String,
}

/// Labels of nodes that are no machines: what runs there is no kubelet, and pods are given `volume: emptydir` and
/// variables by other means. The first is set by virtual-kubelet itself, the second is for operators.
const VIRTUAL: [(&str, &str); 2] = [
    ("type", "virtual-kubelet"),
    ("esi.external-secrets.io/virtual", "true"),
];

/// The API of nodes.
pub(super) fn nodes() -> ApiResource {
    ApiResource::erase::<k8s_openapi::api::core::v1::Node>(&())
}

/// The name of a node and, where it stands in the way of env files, its version. Thus a cluster of new nodes costs
/// nothing to remember.
pub(super) fn obstacle(node: Node) -> Option<(String, Option<String>)> {
    let name = node.metadata.name?;
    let labels = node.metadata.labels.unwrap_or_default();
    let is_virtual = VIRTUAL
        .iter()
        .any(|(label, value)| labels.get(*label).is_some_and(|is| is == value));
    let version = node.status.unwrap_or_default().node_info.kubelet_version;
    // One whose version nobody can read is not known to have them.
    let capable = version
        .parse()
        .is_ok_and(|version: Kubernetes| version >= Kubernetes::WITH_ENV_FILES);
    Some((name, (!is_virtual && !capable).then_some(version)))
}

/// What the API server can do: its version, or an older one that it is told to behave as.
pub(super) fn server(info: &Info) -> Option<Kubernetes> {
    let binary: Kubernetes = info
        .git_version
        .parse()
        .or_else(|_| format!("{}.{}", info.major, info.minor).parse())
        .ok()?;
    let emulated = match (&info.emulation_major, &info.emulation_minor) {
        (Some(major), Some(minor)) => format!("{major}.{minor}").parse().unwrap_or(binary),
        _ => binary,
    };
    Some(binary.min(emulated))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(version: &str, labels: &Value) -> Option<(String, Option<String>)> {
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": labels}, "spec": {},
            "status": {"nodeInfo": {"kubeletVersion": version, "osImage": "x"}, "images": [{"names": ["y"]}]}
        });
        obstacle(serde_json::from_value(node).unwrap())
    }

    #[test]
    fn a_node_older_than_env_files_is_an_obstacle() {
        let is = |version: &str| node(version, &json!({})).unwrap().1;
        assert_eq!(is("v1.34.9"), Some("v1.34.9".to_owned()));
        assert_eq!(is("v1.35.0-eks-1"), None);
        // Nobody knows what it can do.
        assert_eq!(is("next"), Some("next".to_owned()));
    }

    #[test]
    fn a_virtual_node_is_none() {
        for labels in [
            json!({"type": "virtual-kubelet"}),
            json!({"esi.external-secrets.io/virtual": "true"}),
        ] {
            assert_eq!(node("v1.20.0", &labels), Some(("a".to_owned(), None)));
        }
        let labels = json!({"type": "gpu", "esi.external-secrets.io/virtual": "false"});
        assert!(node("v1.20.0", &labels).unwrap().1.is_some());
    }

    #[test]
    fn a_node_that_has_not_reported_is_an_obstacle() {
        let node = json!({"metadata": {"name": "a"}, "spec": {}});
        let node: Node = serde_json::from_value(node).unwrap();
        assert_eq!(obstacle(node), Some(("a".to_owned(), Some(String::new()))));
    }

    fn info(git: &str, [major, minor]: [&str; 2], emulated: Option<[&str; 2]>) -> Info {
        Info {
            git_version: git.to_owned(),
            major: major.to_owned(),
            minor: minor.to_owned(),
            emulation_major: emulated.map(|[major, _]| major.to_owned()),
            emulation_minor: emulated.map(|[_, minor]| minor.to_owned()),
            ..Info::default()
        }
    }

    #[test]
    fn a_server_is_as_old_as_it_behaves() {
        let is = |info: &Info| server(info).map(|version| version.minor);
        assert_eq!(is(&info("v1.37.2-gke.3", ["1", "37+"], None)), Some(37));
        assert_eq!(is(&info("unknown", ["1", "37+"], None)), Some(37));
        assert_eq!(is(&info("v1.37.2", ["1", "37"], Some(["1", "34"]))), Some(34));
        assert_eq!(is(&info("v1.37.2", ["1", "37"], Some(["", ""]))), Some(37));
        assert_eq!(is(&info("", ["", ""], None)), None);
    }

    fn observed(object: Value) -> Option<Observed> {
        let (_, observed) = injection(serde_json::from_value(object).unwrap())?;
        Some(Arc::unwrap_or_clone(observed.unwrap()))
    }

    #[test]
    fn a_broken_injection_is_kept_with_what_is_wrong() {
        let object = json!({
            "apiVersion": API_VERSION, "kind": "Injection",
            "metadata": {"namespace": "shop", "name": "db", "uid": "u", "generation": 3},
            "spec": {"surce": {}}, "status": "nonsense"
        });
        let observed = observed(object).unwrap();
        assert_eq!((observed.uid.as_str(), observed.generation), ("u", 3));
        assert!(observed.injection.unwrap_err().contains("spec.surce"));
        assert_eq!(observed.status, InjectionStatus::default());
    }

    #[test]
    fn an_injection_without_a_spec_is_broken_and_one_without_a_name_is_none() {
        let of = |metadata| json!({"apiVersion": API_VERSION, "kind": "Injection", "metadata": metadata});
        let without = observed(of(json!({"namespace": "shop", "name": "db"}))).unwrap();
        assert!(without.injection.is_err());
        assert!(observed(of(json!({"name": "db"}))).is_none());
    }
}
