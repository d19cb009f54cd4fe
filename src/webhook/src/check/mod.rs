//! The API server's own rules for a pod, as far as injection could break them, and what must hold of ours.
//!
//! Written from Kubernetes' validation (`pkg/apis/core/validation`) and the Pod Security Standard `restricted`, not
//! from the code that it checks: it reads nothing but the pod.

mod init;
mod objects;

use serde_json::Value;

use objects::{Containers, list, text};

/// What is wrong with a patched pod; nothing where Kubernetes takes it.
pub(crate) fn problems(pod: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let containers = Containers::of(pod);
    check_volumes(pod, &mut problems);
    unique(
        "container",
        containers.all().map(|container| text(container, "name")),
        &mut problems,
    );
    for container in containers.all() {
        check_mounts(pod, container, &mut problems);
        check_variables(pod, container, &mut problems);
        check_command(container, &mut problems);
    }
    for volume in list(&pod["spec"], "volumes") {
        check_ours(text(volume, "name"), volume, &containers, &mut problems);
    }
    init::check(pod, &mut problems);
    check_mark(pod, &mut problems);
    problems
}

fn unique<'v>(what: &str, names: impl Iterator<Item = &'v str>, problems: &mut Vec<String>) {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
        problems.push(format!("{what} `{}` is there twice", pair[0]));
    }
}

/// DNS-1123 label.
fn is_label(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| good(byte) || byte == b'-')
        && name.bytes().next().is_some_and(good)
        && name.bytes().last().is_some_and(good)
}

fn check_volumes(pod: &Value, problems: &mut Vec<String>) {
    let volumes = list(&pod["spec"], "volumes");
    unique(
        "volume",
        volumes.iter().map(|volume| text(volume, "name")),
        problems,
    );
    for volume in volumes {
        let name = text(volume, "name");
        if !is_label(name) {
            problems.push(format!("volume name `{name}` is no label"));
        }
        let sources = volume.as_object().map_or(0, |fields| {
            fields
                .iter()
                .filter(|(key, value)| key.as_str() != "name" && !value.is_null())
                .count()
        });
        if sources != 1 {
            problems.push(format!("volume `{name}` has {sources} sources"));
        }
        if let Some(size) = volume["emptyDir"]["sizeLimit"].as_str()
            && crate::pod::Quantity::parse(size).is_none()
        {
            problems.push(format!("volume `{name}` has the size `{size}`"));
        }
        check_tokens(name, list(&volume["projected"], "sources"), problems);
    }
}

fn check_tokens(volume: &str, sources: &[Value], problems: &mut Vec<String>) {
    let tokens = || {
        sources
            .iter()
            .map(|source| &source["serviceAccountToken"])
            .filter(|token| !token.is_null())
    };
    unique("token path", tokens().map(|token| text(token, "path")), problems);
    for token in tokens() {
        let seconds = token["expirationSeconds"].as_i64().unwrap_or(3600);
        if !(600..=1 << 32).contains(&seconds) || text(token, "path").is_empty() {
            problems.push(format!("volume `{volume}` has a bad token {token}"));
        }
    }
}

fn check_mounts(pod: &Value, container: &Value, problems: &mut Vec<String>) {
    let name = text(container, "name");
    let mounts = list(container, "volumeMounts");
    let devices = list(container, "volumeDevices");
    let paths = mounts.iter().map(|mount| text(mount, "mountPath"));
    let device_paths = devices.iter().map(|device| text(device, "devicePath"));
    unique(&format!("{name}: path"), paths.chain(device_paths), problems);
    for mount in mounts {
        let volume = text(mount, "name");
        if objects::volume(pod, volume).is_none() {
            problems.push(format!("{name}: mount of `{volume}`, which is not there"));
        }
        if text(mount, "mountPath").is_empty() {
            problems.push(format!("{name}: mount of `{volume}` nowhere"));
        }
        let sub_path = text(mount, "subPath");
        if sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..") {
            problems.push(format!("{name}: sub path `{sub_path}`"));
        }
    }
}

fn check_variables(pod: &Value, container: &Value, problems: &mut Vec<String>) {
    let name = text(container, "name");
    for variable in list(container, "env") {
        let file = &variable["valueFrom"]["fileKeyRef"];
        if text(variable, "name").is_empty() {
            problems.push(format!("{name}: a variable without a name"));
        }
        if file.is_null() {
            continue;
        }
        let volume = text(file, "volumeName");
        match objects::volume(pod, volume) {
            None => problems.push(format!("{name}: fileKeyRef to `{volume}`, which is not there")),
            Some(volume) if !volume["emptyDir"].is_object() => {
                problems.push(format!(
                    "{name}: fileKeyRef to a volume that is no emptyDir: {volume}"
                ));
            }
            Some(_) => {}
        }
        let path = text(file, "path");
        if path.is_empty() || path.split('/').any(|part| part == "..") || text(file, "key").is_empty() {
            problems.push(format!("{name}: bad fileKeyRef {file}"));
        }
    }
}

fn check_command(container: &Value, problems: &mut Vec<String>) {
    let program = Value::from("/esi/bin/esi-cli");
    let command = list(container, "command");
    let wrappings = command.iter().filter(|element| **element == program).count();
    let mounted = list(container, "volumeMounts")
        .iter()
        .any(|mount| text(mount, "name") == "esi-bin");
    if wrappings > 1 {
        problems.push(format!("wrapped twice: {container}"));
    }
    if (wrappings == 1) != (mounted && text(container, "name") != "esi-init") {
        problems.push(format!(
            "wrapped without the program, or the other way round: {container}"
        ));
    }
    if wrappings == 1 && (command.first() != Some(&program) || command.last() == Some(&Value::from("--"))) {
        problems.push(format!("badly wrapped: {container}"));
    }
}

/// Whether a volume of this name is one of ours.
fn is_ours(name: &str, volume: &Value, containers: &Containers<'_>) -> bool {
    let filled = |mount: &Value| text(mount, "name") == name && text(mount, "mountPath").starts_with("/esi/");
    ["esi-env", "esi-token", "esi-bin"].contains(&name)
        || (name.starts_with("esi-") && volume["csi"]["driver"] == "esi.csi.external-secrets.io")
        || containers
            .esi_init()
            .is_some_and(|init| list(init, "volumeMounts").iter().any(filled))
}

/// kubelet skips volumes that no container mounts; none but the init container may write; and `subPath` shows one
/// generation for ever, or nothing.
fn check_ours(name: &str, volume: &Value, containers: &Containers<'_>, problems: &mut Vec<String>) {
    if !is_ours(name, volume, containers) {
        return;
    }
    let mut mounted = false;
    for container in containers.all() {
        let in_init = text(container, "name") == "esi-init";
        for mount in list(container, "volumeMounts")
            .iter()
            .filter(|mount| text(mount, "name") == name)
        {
            mounted = true;
            let read_only = mount["readOnly"] == true;
            if !in_init && (!read_only || name == "esi-token") {
                problems.push(format!("{}: {mount}", text(container, "name")));
            }
            if !["", ".none"].contains(&text(mount, "subPath")) {
                problems.push(format!(
                    "{}: a sub path of what rotates: {mount}",
                    text(container, "name")
                ));
            }
            if in_init && volume["csi"]["readOnly"] == true {
                problems.push(format!("esi-init cannot write {volume}"));
            }
        }
    }
    if !mounted {
        problems.push(format!("volume `{name}` is not mounted: kubelet would skip it"));
    }
}

fn check_mark(pod: &Value, problems: &mut Vec<String>) {
    let key = "esi.external-secrets.io/injected";
    let mark = pod["metadata"]["annotations"][key].as_str().unwrap_or_default();
    if mark.split(':').count() != 2 || pod["metadata"]["labels"][key] != "true" {
        problems.push(format!("badly marked: `{mark}`"));
    }
}
