//! What must hold of the injected init container.

use std::collections::BTreeSet;

use esi_core::Plan;
use serde_json::Value;

use super::objects::{Containers, list, text, volume};
use crate::json::Json;

pub(super) fn check(pod: &Value, problems: &mut Vec<String>) {
    let containers = Containers::of(pod);
    let Some(init) = containers.esi_init() else {
        if volume(pod, "esi-token").is_some() {
            problems.push("a token, and no esi-init".to_owned());
        }
        return;
    };
    if text(init, "image").is_empty() || init["args"] != serde_json::json!(["init"]) {
        problems.push(format!("esi-init runs {} {}", init["image"], init["args"]));
    }
    check_restricted(init, problems);
    check_resources(init, problems);
    let plans = match Plan::parse_many(&variable(init, "ESI_PLANS")) {
        Ok(plans) => plans,
        Err(error) => return problems.push(format!("ESI_PLANS: {}", esi_core::classify::chain(&error))),
    };
    check_servers(pod, init, &plans, problems);
    for plan in &plans {
        check_plan(pod, init, plan, problems);
    }
}

/// The Pod Security Standard `restricted`, and more.
fn check_restricted(init: &Value, problems: &mut Vec<String>) {
    let security = &init["securityContext"];
    let holds = [
        security["allowPrivilegeEscalation"] == false,
        security["capabilities"] == serde_json::json!({ "drop": ["ALL"] }),
        security["runAsNonRoot"] == true,
        security["runAsUser"].as_i64().is_some_and(|user| user > 0),
        security["seccompProfile"] == serde_json::json!({ "type": "RuntimeDefault" }),
        security["readOnlyRootFilesystem"] == true,
        security["privileged"].is_null(),
        init["ports"].is_null(),
    ];
    if holds.contains(&false) {
        problems.push(format!("esi-init is not restricted: {security}"));
    }
    if ![Value::Null, Value::from("OnFailure")].contains(&init["restartPolicy"]) {
        problems.push(format!("esi-init restarts {}", init["restartPolicy"]));
    }
}

fn check_resources(init: &Value, problems: &mut Vec<String>) {
    let resources = &init["resources"];
    for name in ["cpu", "memory"] {
        let amount = |kind| crate::pod::Quantity::read(Json::of(&resources[kind][name]).root());
        if let (Some(request), Some(limit)) = (amount("requests"), amount("limits"))
            && request > limit
        {
            problems.push(format!("esi-init asks for more {name} than it may use"));
        }
    }
}

/// The value of a variable as kubelet expands it; every reference is to something that is not there.
fn variable(init: &Value, name: &str) -> String {
    let value = list(init, "env")
        .iter()
        .find(|variable| text(variable, "name") == name);
    let mut text = value.map(|value| text(value, "value")).unwrap_or_default();
    let mut expanded = String::new();
    while let Some((before, after)) = text.split_once('$') {
        expanded.push_str(before);
        text = match after.strip_prefix('$') {
            Some(after) => {
                expanded.push('$');
                after
            }
            None if after.starts_with('(') => {
                expanded.push_str("EXPANDED");
                after
            }
            None => {
                expanded.push('$');
                after
            }
        };
    }
    expanded + text
}

fn check_servers(pod: &Value, init: &Value, plans: &[Plan], problems: &mut Vec<String>) {
    let servers: Value = serde_json::from_str(&variable(init, "ESI_SERVERS")).unwrap_or_default();
    let named: BTreeSet<&str> = plans.iter().map(|plan| plan.server.as_str()).collect();
    let described: BTreeSet<&str> = servers
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    if named != described {
        problems.push(format!("plans name {named:?}, ESI_SERVERS {described:?}"));
    }
    let tokens = volume(pod, "esi-token")
        .map(|volume| list(&volume["projected"], "sources"))
        .unwrap_or_default();
    for server in servers
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, server)| server)
    {
        let file = server["tokenFile"].as_str().unwrap_or("/var/run/esi/token");
        let shown = tokens
            .iter()
            .map(|source| &source["serviceAccountToken"])
            .any(|token| {
                token["audience"] == server["audience"]
                    && file == format!("/var/run/esi/{}", text(token, "path"))
            });
        if !shown {
            problems.push(format!("no token for {}", server["url"]));
        }
    }
    let mount = list(init, "volumeMounts")
        .iter()
        .find(|mount| text(mount, "name") == "esi-token");
    if mount.is_none_or(|mount| text(mount, "mountPath") != "/var/run/esi") {
        problems.push("esi-init has no token".to_owned());
    }
}

fn check_plan(pod: &Value, init: &Value, plan: &Plan, problems: &mut Vec<String>) {
    let binding = &plan.binding;
    let mounted = |name: &str, path: &str| {
        list(init, "volumeMounts").iter().any(|mount| {
            text(mount, "name") == name && text(mount, "mountPath") == path && mount["readOnly"] != true
        })
    };
    let carrier = volume(pod, &format!("esi-{binding}"));
    let needs = plan.has_environ() || !plan.files.is_empty();
    if (needs || carrier.is_some()) && !mounted(&format!("esi-{binding}"), &format!("/esi/volumes/{binding}"))
    {
        problems.push(format!("esi-init cannot fill the volume of {binding}"));
    }
    if plan.has_variables() && !plan.has_environ() && !mounted("esi-env", "/esi/env") {
        problems.push(format!("esi-init cannot write the env file of {binding}"));
    }
    if plan.has_environ() && !mounted("esi-bin", "/esi/bin") {
        problems.push("esi-init cannot install esi-cli".to_owned());
    }
    let attributes = carrier.map(|carrier| &carrier["csi"]["volumeAttributes"]);
    if let Some(attributes) = attributes.filter(|attributes| !attributes.is_null()) {
        let same = Plan::parse(text(attributes, "plan")).is_ok_and(|other| other == *plan);
        let user = init["securityContext"]["runAsUser"].to_string();
        if !same || attributes["delivery"] != "init" || attributes["uid"] != user {
            problems.push(format!(
                "the volume of {binding} and esi-init do not agree: {attributes}"
            ));
        }
    }
}
