//! Service meshes, as far as the order of containers is concerned: the one place where their names are.
//!
//! Sources: Istio's injection template (`manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`)
//! and "Install the Istio CNI node agent, compatibility with application init containers"; Linkerd's partials
//! (`charts/partials/templates/_proxy.tpl`, `_network-validator.tpl`) and "Linkerd CNI plugin"; Kuma's injector
//! (`pkg/plugins/runtime/k8s/containers`, `pkg/transparentproxy/kubernetes`) and "Kuma annotations"; consul-k8s'
//! `control-plane/connect-inject` and "Annotations and labels for Consul on Kubernetes".

/// A mesh.
#[derive(Debug)]
pub(super) struct Mesh {
    /// What people call it.
    pub(super) name: &'static str,
    /// The container of its proxy: an init container with `restartPolicy: Always`, or an application container.
    proxy: &'static str,
    /// The init container that it adds only where traffic is captured by its CNI plugin, so before any container.
    validator: Option<&'static str>,
    /// Its own annotation that excludes outbound traffic from capture.
    pub(super) exclusion: &'static str,
}

const MESHES: &[Mesh] = &[
    Mesh {
        name: "Istio",
        proxy: "istio-proxy",
        validator: Some("istio-validation"),
        exclusion: "traffic.sidecar.istio.io/excludeOutboundPorts",
    },
    Mesh {
        name: "Linkerd",
        proxy: "linkerd-proxy",
        validator: Some("linkerd-network-validator"),
        exclusion: "config.linkerd.io/skip-outbound-ports",
    },
    Mesh {
        name: "Kuma",
        proxy: "kuma-sidecar",
        validator: Some("kuma-validation"),
        exclusion: "traffic.kuma.io/exclude-outbound-ports",
    },
    // Consul's CNI plugin adds no init container of its own by which it could be told.
    Mesh {
        name: "Consul",
        proxy: "consul-dataplane",
        validator: None,
        exclusion: "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports",
    },
];

/// Whether a container of this name is a mesh's proxy.
pub(super) fn is_proxy(container: &str) -> bool {
    MESHES.iter().any(|mesh| mesh.proxy == container)
}

/// The mesh that adds an init container of this name where it captures traffic before any init container runs.
pub(super) fn of_validator(container: &str) -> Option<&'static Mesh> {
    MESHES.iter().find(|mesh| mesh.validator == Some(container))
}
