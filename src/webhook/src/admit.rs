//! The decision: one pure function.

use esi_core::names::Namespace;

use crate::admission::{Answer, Denial};
use crate::ask::ask;
use crate::config::Configuration;
use crate::json::Json;
use crate::mutate::mutate;
use crate::world::World;

/// On pods that a kubelet made of its own manifests. They may not have tokens or volumes of secrets.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Decides about a pod that is being created. What it answers is a function of its arguments: a dry run, a second call
/// and another replica say the same.
#[must_use]
pub fn admit(namespace: &Namespace, pod: &Json<'_>, world: &World, configuration: &Configuration) -> Answer {
    let metadata = pod.root().get("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
    let Some(annotations) = annotations.filter(|annotations| !annotations.is_null()) else {
        return Answer::Untouched("not_asked");
    };
    let Some(annotations) = annotations.as_object() else {
        return denied("malformed", &"metadata.annotations is no mapping");
    };
    if annotations.get(MIRROR).is_some() {
        return Answer::Untouched("mirror_pod");
    }
    let asked = match ask(namespace, annotations, world, configuration) {
        Ok(None) => return Answer::Untouched("not_asked"),
        Ok(Some(asked)) => asked,
        Err(error) => return denied(error.reason(), &error),
    };
    match mutate(pod, &asked, world, configuration) {
        Err(error) => denied(error.reason(), &error),
        Ok(mutation) if mutation.patch.is_empty() => Answer::Complete {
            warnings: mutation.warnings,
        },
        Ok(mutation) => Answer::Patched {
            patch: mutation.patch,
            warnings: mutation.warnings,
        },
    }
}

fn denied(reason: &'static str, message: &impl ToString) -> Answer {
    Answer::Denied(Denial {
        code: 403,
        reason,
        message: message.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::world::EnvFiles;

    fn configuration() -> Configuration {
        let text = include_str!("../../../deploy/webhook/config.yaml");
        let ca = include_str!("explain/example-ca.pem");
        Configuration::parse(text, &|_| Ok(ca.to_owned())).unwrap()
    }

    fn answer(annotations: &Value) -> Answer {
        let world = World {
            env_files: EnvFiles::Supported,
            restart_rules: true,
            ..World::default()
        };
        let pod = json!({
            "metadata": {"generateName": "web-", "annotations": annotations},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]}
        });
        admit(
            &"shop".parse().unwrap(),
            &Json::of(&pod),
            &world,
            &configuration(),
        )
    }

    const GENERATOR: &str = "esi.external-secrets.io/generator";
    const FILES: &str = "esi.external-secrets.io/files";

    #[test]
    fn a_pod_that_asks_for_nothing_is_left_alone() {
        for none in [json!(null), json!({}), json!({"a": "b"})] {
            assert_eq!(answer(&none), Answer::Untouched("not_asked"));
        }
        let none = World::default();
        for pod in [json!({}), json!({"metadata": null}), json!({"metadata": {}})] {
            let answer = admit(&"shop".parse().unwrap(), &Json::of(&pod), &none, &configuration());
            assert_eq!(answer, Answer::Untouched("not_asked"));
        }
    }

    #[test]
    fn a_mirror_pod_is_left_alone_whatever_it_asks_for() {
        assert_eq!(
            answer(&json!({MIRROR: "x", GENERATOR: "?"})),
            Answer::Untouched("mirror_pod")
        );
    }

    #[test]
    fn a_pod_that_asks_is_patched() {
        let answer = answer(&json!({GENERATOR: "Fake/demo/free", FILES: "db.json=json"}));
        assert!(matches!(answer, Answer::Patched { .. }), "{answer:?}");
    }

    #[test]
    fn a_pod_that_cannot_have_what_it_asks_for_is_denied_with_the_reason() {
        for (annotations, reason) in [
            (json!("x"), "malformed"),
            (json!({FILES: "db.json=json"}), "ask_incomplete"),
            (
                json!({GENERATOR: "Fake/demo/free", FILES: "a=json", "esi.external-secrets.io/containers": "b"}),
                "unknown_container",
            ),
        ] {
            let Answer::Denied(denial) = answer(&annotations) else {
                panic!("{annotations} was taken");
            };
            assert_eq!((denial.code, denial.reason), (403, reason), "{}", denial.message);
        }
    }
}
