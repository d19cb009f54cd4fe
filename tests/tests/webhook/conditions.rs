//! Every CEL expression that is shipped, evaluated without an API server. That the API server reads them alike is
//! shown by the tests beside this one.

use std::sync::Arc;

use esi_resources::injection::Injection;
use esi_tests::kubernetes::{Manifests, deploy};
use esi_webhook::admission::Answer;
use esi_webhook::admit::admit;
use esi_webhook::config::Configuration;
use esi_webhook::json::Json;
use esi_webhook::world::{EnvFiles, World};
use kube_cel::KubeCelExt as _;
use kube_cel::cel::{Context, Program, Value as CelValue, to_value};
use rstest::rstest;
use serde_json::{Value, json};

use super::pods::{MARK, ORIGINALS, OURS, injected, pod};

/// The conditions and validations of what is shipped.
struct Shipped {
    conditions: Vec<String>,
    validations: Vec<Validation>,
}

struct Validation {
    expression: String,
    message: Message,
}

enum Message {
    Fixed(String),
    Expression(String),
}

fn shipped() -> Manifests {
    Manifests::of_folder(&deploy("webhook")).unwrap()
}

fn registration() -> Shipped {
    let manifests = shipped();
    let webhook = &manifests.get("MutatingWebhookConfiguration", "esi-webhook")["webhooks"][0];
    Shipped {
        conditions: conditions(&webhook["matchConditions"]),
        validations: Vec::new(),
    }
}

fn policy(name: &str) -> Shipped {
    let manifests = shipped();
    let spec = &manifests.get("ValidatingAdmissionPolicy", name)["spec"];
    let validations = spec["validations"].as_array().unwrap().iter();
    Shipped {
        conditions: conditions(&spec["matchConditions"]),
        validations: validations
            .map(|it| Validation {
                expression: it["expression"].as_str().unwrap().to_owned(),
                message: match it["message"].as_str() {
                    Some(message) => Message::Fixed(message.to_owned()),
                    None => Message::Expression(it["messageExpression"].as_str().unwrap().to_owned()),
                },
            })
            .collect(),
    }
}

fn conditions(list: &Value) -> Vec<String> {
    let entries = list.as_array().unwrap().iter();
    entries
        .map(|it| it["expression"].as_str().unwrap().to_owned())
        .collect()
}

/// A change of a pod in a namespace.
struct Change {
    new: Value,
    old: Option<Value>,
    namespace: &'static str,
}

impl Change {
    fn create(pod: Value) -> Self {
        Self {
            new: pod,
            old: None,
            namespace: "demo",
        }
    }

    fn evaluate(&self, expression: &str) -> CelValue {
        let mut context = Context::default().with_all();
        let request = json!({ "namespace": self.namespace });
        let old = self.old.clone().unwrap_or_default();
        for (name, value) in [("object", &self.new), ("oldObject", &old), ("request", &request)] {
            context.add_variable_from_value(name, to_value(value).unwrap());
        }
        let program = Program::compile(expression).unwrap();
        // One that cannot be evaluated would fail pods that never asked.
        program
            .execute(&context)
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn holds(&self, expression: &str) -> bool {
        match self.evaluate(expression) {
            CelValue::Bool(holds) => holds,
            other => panic!("{expression}: {other:?}"),
        }
    }

    /// Whether all conditions hold; each is evaluated.
    fn meets(&self, shipped: &Shipped) -> bool {
        let outcome: Vec<bool> = shipped.conditions.iter().map(|it| self.holds(it)).collect();
        outcome.into_iter().all(|holds| holds)
    }

    /// Why the policy refuses it, if it does.
    fn refusal(&self, policy: &Shipped) -> Option<String> {
        if !self.meets(policy) {
            return None;
        }
        let broken = policy.validations.iter().find(|it| !self.holds(&it.expression))?;
        match &broken.message {
            Message::Fixed(message) => Some(message.clone()),
            Message::Expression(expression) => match self.evaluate(expression) {
                CelValue::String(message) => Some(message.to_string()),
                other => panic!("{expression}: {other:?}"),
            },
        }
    }
}

/// Annotations; whether the webhook is called; whether the pod may not start without its credential.
#[rstest]
#[case::none(Value::Null, false, false)]
#[case::an_empty_map(json!({}), false, false)]
#[case::of_others(json!({"example.com/inject": "x"}), false, false)]
#[case::of_a_similar_prefix(json!({"sub.esi.external-secrets.io/inject": "x"}), false, false)]
#[case::an_injection(json!({format!("{OURS}/inject"): "db"}), true, true)]
#[case::an_inline_binding(json!({format!("{OURS}/generator"): "Fake/f"}), true, true)]
#[case::a_misspelt_one(json!({format!("{OURS}/injct"): "db"}), true, true)]
#[case::skipped(json!({format!("{OURS}/inject"): "db", format!("{OURS}/skip"): "true"}), false, false)]
#[case::not_skipped(json!({format!("{OURS}/inject"): "db", format!("{OURS}/skip"): "false"}), true, true)]
#[case::skipped_in_other_words(json!({format!("{OURS}/inject"): "db", format!("{OURS}/skip"): "True"}), true, true)]
#[case::nothing_but_a_skip_that_does_not(json!({format!("{OURS}/skip"): "false"}), false, false)]
#[case::nothing_but_a_mark(json!({MARK: "1:0123"}), false, false)]
#[case::a_mirror(json!({format!("{OURS}/inject"): "db", "kubernetes.io/config.mirror": "x"}), false, false)]
#[case::the_originals_variables(json!({format!("{ORIGINALS}/env-vars"): "true"}), true, true)]
#[case::the_originals_files(json!({format!("{ORIGINALS}/file-secrets"): "true"}), true, true)]
#[case::the_originals_off(
    json!({format!("{ORIGINALS}/env-vars"): "false", format!("{ORIGINALS}/file-secrets"): "false"}), false, false
)]
#[case::the_originals_half_off(
    json!({format!("{ORIGINALS}/env-vars"): "false", format!("{ORIGINALS}/file-secrets"): "true"}), true, true
)]
#[case::the_originals_in_other_words(json!({format!("{ORIGINALS}/env-vars"): "no"}), true, true)]
#[case::the_originals_without_a_switch(json!({format!("{ORIGINALS}/federated-generators"): "f"}), true, false)]
#[case::the_originals_without_effect(json!({format!("{ORIGINALS}/federated-token"): "/token"}), true, false)]
#[case::the_originals_skipped(
    json!({format!("{ORIGINALS}/env-vars"): "true", format!("{ORIGINALS}/skip"): "true"}), false, false
)]
#[case::ours_beside_the_originals_skipped(
    json!({format!("{OURS}/inject"): "db", format!("{ORIGINALS}/skip"): "true"}), true, true
)]
#[case::all_skipped(
    json!({format!("{ORIGINALS}/env-vars"): "true", format!("{OURS}/skip"): "true"}), false, false
)]
fn only_pods_that_asked_are_concerned(#[case] annotations: Value, #[case] called: bool, #[case] asks: bool) {
    let mut pod = pod("app", &[]);
    // The API server drops what is null.
    if !annotations.is_null() {
        pod["metadata"]["annotations"] = annotations;
    }
    let change = Change::create(pod);
    assert_eq!(change.meets(&registration()), called);
    assert_eq!(change.meets(&policy("esi-asked-is-injected")), asks);
}

/// What is certain to ask is seen among any number; what may be misspelt, among those that people write.
#[rstest]
#[case::an_injection("esi.external-secrets.io/inject", true)]
#[case::an_inline_binding("esi.external-secrets.io/generator", true)]
#[case::the_originals("secretless.externalsecrets.com/env-vars", true)]
#[case::a_misspelt_one("esi.external-secrets.io/injct", false)]
fn a_pod_with_many_annotations_is_searched_no_further(#[case] name: &str, #[case] concerned: bool) {
    let many: Vec<String> = (0..256).map(|n| format!("example.com/a{n}")).collect();
    let mut annotations: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    annotations.push((name, "x"));
    let change = Change::create(pod("app", &annotations));
    assert_eq!(change.meets(&registration()), concerned);
    assert_eq!(change.meets(&policy("esi-asked-is-injected")), concerned);
}

#[test]
fn a_pod_without_metadata_to_speak_of_is_not_concerned() {
    let change = Change::create(json!({"metadata": {}, "spec": {}}));
    assert!(!change.meets(&registration()));
    assert!(!change.meets(&policy("esi-asked-is-injected")));
}

#[rstest]
#[case::as_it_asked(&|_: &mut Value| {}, true)]
#[case::injected(&|pod: &mut Value| *pod = injected(pod.clone()), false)]
#[case::without_the_annotation(&|pod: &mut Value| {
    *pod = injected(pod.clone());
    pod["metadata"]["annotations"].as_object_mut().unwrap().remove(MARK);
}, true)]
#[case::without_the_label(&|pod: &mut Value| {
    *pod = injected(pod.clone());
    pod["metadata"].as_object_mut().unwrap().remove("labels");
}, true)]
#[case::with_another_label(&|pod: &mut Value| {
    *pod = injected(pod.clone());
    pod["metadata"]["labels"] = json!({ MARK: "false" });
}, true)]
#[case::with_the_mark_and_nothing_else(&|pod: &mut Value| {
    *pod = injected(pod.clone());
    pod["spec"].as_object_mut().unwrap().remove("volumes");
}, true)]
#[case::with_the_mark_and_volumes_of_others(&|pod: &mut Value| {
    *pod = injected(pod.clone());
    pod["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
}, true)]
fn a_pod_that_asked_has_what_it_asked_for(#[case] change: &dyn Fn(&mut Value), #[case] refused: bool) {
    let mut pod = pod("app", &[("esi.external-secrets.io/inject", "db")]);
    change(&mut pod);
    let refusal = Change::create(pod).refusal(&policy("esi-asked-is-injected"));
    assert_eq!(refusal.is_some(), refused, "{refusal:?}");
}

#[rstest]
#[case(
    "demo",
    "an administrator must apply the MutatingWebhookConfiguration esi-webhook again"
)]
#[case("kube-system", "pods of namespace kube-system are not served")]
#[case("esi-system", "pods of namespace esi-system are not served")]
fn the_refusal_says_what_to_do(#[case] namespace: &'static str, #[case] expected: &str) {
    let mut change = Change::create(pod("app", &[("esi.external-secrets.io/inject", "db")]));
    change.namespace = namespace;
    let refusal = change.refusal(&policy("esi-asked-is-injected")).unwrap();
    assert!(refusal.contains(expected), "{refusal}");
    assert!(
        refusal.ends_with("set the annotation esi.external-secrets.io/skip: \"true\" to start it as it is")
    );
}

#[rstest]
#[case::a_label_of_others(&|pod: &mut Value| pod["metadata"]["labels"]["a"] = json!("b"), false)]
#[case::a_finalizer(&|pod: &mut Value| pod["metadata"]["finalizers"] = json!(["a.b/c"]), false)]
#[case::an_annotation_that_asks(&|pod: &mut Value| {
    pod["metadata"]["annotations"]["esi.external-secrets.io/inject"] = json!("other");
}, false)]
#[case::another_annotation(&|pod: &mut Value| pod["metadata"]["annotations"][MARK] = json!("1:ff"), true)]
#[case::no_annotation(&|pod: &mut Value| {
    pod["metadata"]["annotations"].as_object_mut().unwrap().remove(MARK);
}, true)]
#[case::no_annotations(&|pod: &mut Value| {
    pod["metadata"].as_object_mut().unwrap().remove("annotations");
}, true)]
#[case::another_label(&|pod: &mut Value| pod["metadata"]["labels"][MARK] = json!("false"), true)]
#[case::no_label(&|pod: &mut Value| {
    pod["metadata"].as_object_mut().unwrap().remove("labels");
}, true)]
#[case::both_gone_from_a_pod_that_ends(&|pod: &mut Value| {
    pod["metadata"] = json!({ "name": "app", "deletionTimestamp": "2030-01-01T00:00:00Z" });
}, false)]
fn the_mark_stays(#[case] change: &dyn Fn(&mut Value), #[case] refused: bool) {
    let old = injected(pod("app", &[("esi.external-secrets.io/inject", "db")]));
    let mut new = old.clone();
    change(&mut new);
    let change = Change {
        new,
        old: Some(old),
        namespace: "demo",
    };
    let refusal = change.refusal(&policy("esi-mark-is-kept"));
    assert_eq!(refusal.is_some(), refused, "{refusal:?}");
}

#[test]
fn the_mark_does_not_come_later() {
    let old = pod("app", &[]);
    for (what, new) in [
        ("annotations", json!({ "annotations": { MARK: "1:ff" } })),
        ("labels", json!({ "labels": { MARK: "true" } })),
    ] {
        let mut pod = old.clone();
        pod["metadata"][what] = new[what].clone();
        let change = Change {
            new: pod,
            old: Some(old.clone()),
            namespace: "demo",
        };
        assert!(change.refusal(&policy("esi-mark-is-kept")).is_some(), "{what}");
    }
}

/// What a pod may say for itself; each alone, under our prefix.
const OWN: [&[(&str, &str)]; 7] = [
    &[],
    &[("inject", "db")],
    &[("generator", "Fake/platform/shop"), ("files", "db.json=json")],
    &[("files", "db.json=json")],
    &[("injct", "db")],
    &[("volume", "csi")],
    &[("injected", "1:0123")],
];
/// The same under the original's prefix, beside its switches.
const ORIGINAL: [&[(&str, &str)]; 3] = [
    &[],
    &[("federated-token", "/token")],
    &[
        (
            "federated-server-url",
            "https://esi-federation.esi-system.svc:8443",
        ),
        ("federated-generators", "Fake/platform/shop"),
        ("inject-on-env", "DB_USER=username"),
    ],
];
/// What a switch may say.
const SWITCH: [Option<&str>; 4] = [None, Some("true"), Some("false"), Some("no")];

/// A cluster with the Injection `db`, and its operator's decisions.
fn surroundings() -> (World, Configuration) {
    let spec = json!({
        "source": { "generator": { "kind": "Fake", "name": "shop" } },
        "files": [{ "path": "db.json", "format": "json" }]
    });
    let injection = Injection::parse("demo".parse().unwrap(), "db".parse().unwrap(), &spec).unwrap();
    let key = (injection.namespace.clone(), injection.name.clone());
    let world = World {
        injections: [(key, Ok(Arc::new(injection)))].into(),
        env_files: EnvFiles::Supported,
        restart_rules: true,
    };
    let text = std::fs::read_to_string(deploy("webhook").join("config.yaml")).unwrap();
    let ca = include_str!("../../../src/webhook/src/explain/example-ca.pem");
    (
        world,
        Configuration::parse(&text, &|_| Ok(ca.to_owned())).unwrap(),
    )
}

/// The conditions under which the webhook is called, the webhook, and the policy that looks after it are three readers
/// of the same annotations.
#[test]
fn the_conditions_the_webhook_and_the_policy_agree_about_who_asks() {
    let compiled = |shipped: Shipped| -> Vec<Program> {
        let conditions = shipped.conditions.iter();
        conditions.map(|it| Program::compile(it).unwrap()).collect()
    };
    let (called, watched) = (
        compiled(registration()),
        compiled(policy("esi-asked-is-injected")),
    );
    let ((world, configuration), namespace) = (surroundings(), "demo".parse().unwrap());
    let switches = || SWITCH.iter().copied();
    let mut seen = [0_usize; 3];
    for (own, original) in OWN
        .iter()
        .flat_map(|own| ORIGINAL.iter().map(move |original| (own, original)))
    {
        for (skip, theirs) in switches().flat_map(|skip| switches().map(move |theirs| (skip, theirs))) {
            for (env, files) in switches().flat_map(|env| switches().map(move |files| (env, files))) {
                let ours = own.iter().copied().chain(skip.map(|skip| ("skip", skip)));
                let switched = [("skip", theirs), ("env-vars", env), ("file-secrets", files)];
                let switched = switched
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?)));
                let mut pod = pod("app", &[]);
                for (key, value) in ours {
                    pod["metadata"]["annotations"][format!("{OURS}/{key}")] = json!(value);
                }
                for (key, value) in original.iter().copied().chain(switched) {
                    pod["metadata"]["annotations"][format!("{ORIGINALS}/{key}")] = json!(value);
                }
                let mut context = Context::default().with_all();
                context.add_variable_from_value("object", to_value(&pod).unwrap());
                let meets = |conditions: &[Program]| {
                    let held = |it: &Program| matches!(it.execute(&context), Ok(CelValue::Bool(true)));
                    conditions.iter().all(held)
                };
                let (called, watched) = (meets(&called), meets(&watched));
                let answer = admit(&namespace, &Json::of(&pod), &world, &configuration);
                let annotations = &pod["metadata"]["annotations"];
                match &answer {
                    Answer::Patched { .. } => {
                        seen[0] += 1;
                        assert!(called && watched, "it would start without: {annotations}");
                    }
                    Answer::Untouched(_) => {
                        seen[1] += 1;
                        assert!(!watched, "refused, though it did not ask: {annotations}");
                    }
                    Answer::Denied(denial) => {
                        seen[2] += 1;
                        assert!(!watched || called, "{}: {annotations}", denial.message);
                    }
                    Answer::Complete { .. } => panic!("{annotations}"),
                }
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 100), "{seen:?}");
}
