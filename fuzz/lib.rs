//! What the targets share: a cluster, and what must hold of every answer.

use std::sync::{Arc, LazyLock};

use esi_resources::injection::Injection;
use esi_webhook::admission::{Answer, response};
use esi_webhook::admit::admit;
use esi_webhook::config::Configuration;
use esi_webhook::json::Json;
use esi_webhook::world::{EnvFiles, World};
use serde_json::{Value, json};

static CONFIGURATION: LazyLock<Configuration> = LazyLock::new(|| {
    let text = include_str!("../deploy/webhook/config.yaml");
    let ca = include_str!("../src/webhook/src/explain/example-ca.pem");
    Configuration::parse(text, &|_| Ok(ca.to_owned())).unwrap()
});

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let spec = json!({
        "source": {"generator": {"kind": "PostgreSQL", "namespace": "platform", "name": "shop"}},
        "env": [{"name": "DB_USER", "key": "username"}],
        "files": [{"path": "db.json", "format": "json"}],
    });
    let injection = |name: &str, delivery| {
        let mut spec = spec.clone();
        spec["delivery"] = delivery;
        let (namespace, name) = ("shop".parse().unwrap(), name.parse().unwrap());
        let injection = Injection::parse(namespace, name, &spec).unwrap();
        let identity = (injection.namespace.clone(), injection.name.clone());
        (identity, Ok(Arc::new(injection)))
    };
    let broken = (
        ("shop".parse().unwrap(), "broken".parse().unwrap()),
        Err("it is broken".to_owned()),
    );
    World {
        injections: [
            injection("db", json!("init")),
            injection("cache", json!("node")),
            broken,
        ]
        .into(),
        env_files: EnvFiles::Supported,
        restart_rules: true,
    }
});

/// Decides about this pod and checks what must hold of every answer.
pub fn check(pod: &Value) {
    let namespace = "shop".parse().unwrap();
    let decide = |pod: &Value| admit(&namespace, &Json::of(pod), &WORLD, &CONFIGURATION);
    let answer = decide(pod);
    assert_eq!(answer, decide(pod), "not a function of its arguments");
    let written = response("u", &answer).unwrap();
    assert!(written.len() < 64 * 1024 * 1024);
    let written: Value = serde_json::from_slice(&written).unwrap();
    let response = &written["response"];
    assert_eq!(response["uid"], "u");
    match &answer {
        Answer::Patched { patch, .. } => {
            let mut patched = pod.clone();
            let operations = patch.operations().unwrap();
            json_patch::patch(&mut patched, &operations).expect("the patch fits its pod");
            let again = decide(&patched);
            assert!(
                matches!(again, Answer::Complete { .. }),
                "a patched pod is answered {again:?}"
            );
        }
        Answer::Denied(denial) => {
            assert_eq!(response["allowed"], false);
            assert!(!denial.message.is_empty() && !denial.reason.is_empty());
            let shown = response["status"]["message"].as_str().unwrap();
            assert!(shown.len() <= 4096 && !shown.contains(|c: char| c.is_control() && c != '\n'));
        }
        Answer::Complete { .. } | Answer::Untouched(_) => assert!(response.get("patch").is_none()),
    }
    for warning in response["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().unwrap();
        assert!(warning.len() <= 256 && !warning.contains(char::is_control));
    }
}
