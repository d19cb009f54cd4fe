//! What `explain` shows is what the API server would be answered.

use super::*;

const INJECTION: &str = "
apiVersion: esi.external-secrets.io/v1alpha1
kind: Injection
metadata: {name: db, namespace: shop}
spec:
  source: {generator: {kind: PostgreSQL, namespace: platform, name: shop}}
  env: [{name: DB_USER, key: username}]
  files: [{path: db.json, format: json}]
";

const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  annotations: {esi.external-secrets.io/inject: db}
spec:
  containers:
    - name: app
      image: app:1
      env: [{name: LOG, value: 'yes'}]
";

/// What was shown, what was noted, and whether all may be created.
#[derive(Debug)]
struct Shown {
    output: String,
    notes: String,
    allowed: bool,
}

fn options() -> Explain {
    Explain {
        files: vec![PathBuf::from("-")],
        config: None,
        namespace: "default".parse().unwrap(),
        kubernetes: "1.37".parse().unwrap(),
        output: Output::Diff,
    }
}

fn run(options: &Explain, input: &str) -> Result<Shown, ExplainError> {
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let allowed = explain(
        options,
        Streams {
            input: &mut input.as_bytes(),
            output: &mut output,
            notes: &mut notes,
        },
    )?;
    Ok(Shown {
        output: String::from_utf8(output).unwrap(),
        notes: String::from_utf8(notes).unwrap(),
        allowed,
    })
}

fn shown(output: Output, input: &str) -> Shown {
    let options = Explain { output, ..options() };
    run(&options, input).unwrap()
}

fn refused(input: &str) -> String {
    run(&options(), input).unwrap_err().to_string()
}

fn both() -> String {
    format!("{POD}---{INJECTION}")
}

#[test]
fn the_diff_is_the_whole_pod_with_what_is_added() {
    let shown = shown(Output::Diff, &both());
    assert!(shown.allowed);
    insta::assert_snapshot!(shown.output);
    insta::assert_snapshot!(shown.notes, @"note: without --config, the servers and the image are those of the documented example");
}

#[test]
fn yaml_json_and_patch_are_the_same_pod() {
    let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let yaml = read(&shown(Output::Yaml, &both()).output);
    assert_eq!(yaml["spec"]["initContainers"][0]["name"], "esi-init");
    let json: Value = serde_json::from_str(&shown(Output::Json, &both()).output).unwrap();
    assert_eq!(json, yaml);
    let patch: json_patch::Patch = serde_json::from_str(&shown(Output::Patch, &both()).output).unwrap();
    let mut pod = read(POD);
    json_patch::patch(&mut pod, &patch).unwrap();
    assert_eq!(pod, yaml);
}

#[test]
fn what_was_explained_is_complete_when_it_is_explained_again() {
    let once = shown(Output::Yaml, &both()).output;
    let again = shown(Output::Patch, &format!("{once}---{INJECTION}"));
    assert_eq!(again.output.trim(), "[]");
}

#[test]
fn a_pod_that_asks_for_nothing_is_shown_as_it_is() {
    let pod = POD.replace("inject: db", "other: x");
    let pod = pod.replace("esi.external-secrets.io/", "example.com/");
    let shown = shown(Output::Diff, &pod);
    assert!(
        shown.allowed && shown.notes.contains("note: Pod/web: unchanged (not_asked)"),
        "{}",
        shown.notes
    );
    assert!(
        shown.output.lines().all(|line| line.starts_with("  ")),
        "{}",
        shown.output
    );
}

#[test]
fn a_denied_pod_is_not_shown_and_its_message_is() {
    let shown = shown(Output::Yaml, POD);
    assert!(!shown.allowed);
    assert_eq!(shown.output, "");
    insta::assert_snapshot!(shown.notes);
}

#[test]
fn each_kind_that_makes_pods_is_explained_by_its_template() {
    let template = "{metadata: {annotations: {esi.external-secrets.io/inject: db}}, \
                    spec: {containers: [{name: app, image: 'app:1'}]}}";
    let workload = |kind: &str, spec: &str| {
        let spec = spec.replace("TEMPLATE", template);
        format!("---\n{{kind: {kind}, metadata: {{name: web, namespace: shop}}, spec: {spec}}}\n")
    };
    let mut input = INJECTION.to_owned();
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"];
    for kind in kinds {
        input += &workload(kind, "{template: TEMPLATE}");
    }
    input += &workload("CronJob", "{jobTemplate: {spec: {template: TEMPLATE}}}");
    let shown = shown(Output::Json, &input);
    let list: Value = serde_json::from_str(&shown.output).unwrap();
    let pods = list["items"].as_array().unwrap();
    assert_eq!(pods.len(), kinds.len() + 1, "{}", shown.notes);
    for pod in pods {
        assert_eq!(
            (&pod["kind"], &pod["metadata"]["generateName"]),
            (&"Pod".into(), &"web-".into())
        );
        assert_eq!(pod["spec"]["initContainers"][0]["name"], "esi-init");
    }
}

#[test]
fn annotations_beside_the_template_are_warned_of_with_their_place() {
    let workload = |kind: &str, key: &str, spec: &str| {
        let spec = spec.replace("POD", "{spec: {containers: [{name: app, image: 'app:1'}]}}");
        let metadata = format!("{{name: web, annotations: {{{key}: db}}}}");
        shown(
            Output::Yaml,
            &format!("{{kind: {kind}, metadata: {metadata}, spec: {spec}}}"),
        )
        .notes
    };
    let notes = workload("Deployment", "esi.external-secrets.io/inject", "{template: POD}");
    let place = "warning: Deployment/web: annotations of its own do nothing: write them into \
                 spec.template.metadata.annotations\n";
    assert!(
        notes.contains(place) && notes.contains("unchanged (not_asked)"),
        "{notes}"
    );
    let cron = "{jobTemplate: {spec: {template: POD}}}";
    let notes = workload("CronJob", "secretless.externalsecrets.com/env-vars", cron);
    assert!(
        notes.contains("spec.jobTemplate.spec.template.metadata.annotations"),
        "{notes}"
    );
    let notes = workload("Deployment", "example.com/inject", "{template: POD}");
    assert!(!notes.contains("do nothing"), "{notes}");
    let on_a_pod = shown(Output::Yaml, &both()).notes;
    assert!(!on_a_pod.contains("do nothing"), "{on_a_pod}");
}

#[test]
fn lists_are_opened_and_other_kinds_are_passed_over() {
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web}}";
    let indent = |text: &str| text.trim().replace('\n', "\n    ");
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n  - {service}\n  - {}\n  - {}\n",
        indent(POD),
        indent(INJECTION)
    );
    assert_eq!(
        shown(Output::Yaml, &list).output,
        shown(Output::Yaml, &both()).output
    );
    assert!(refused(service).contains("there is no pod"));
}

#[test]
fn a_namespace_is_the_objects_own_or_the_one_that_is_given() {
    let nowhere = both()
        .replace(", namespace: shop", "")
        .replace("  namespace: shop\n", "");
    assert!(shown(Output::Patch, &nowhere).allowed);
    let mixed = POD.to_owned() + "---" + &INJECTION.replace(", namespace: shop", "");
    assert!(
        !shown(Output::Patch, &mixed).allowed,
        "another namespace's Injection was taken"
    );
    let options = Explain {
        namespace: "shop".parse().unwrap(),
        ..options()
    };
    assert!(run(&options, &mixed).unwrap().allowed);
}

#[test]
fn an_older_cluster_denies_what_it_cannot_do() {
    let old = Explain {
        kubernetes: "v1.34.2".parse().unwrap(),
        ..options()
    };
    let shown = run(&old, &both()).unwrap();
    assert!(!shown.allowed && shown.notes.contains("1.34"), "{}", shown.notes);
    assert!("newest".parse::<Kubernetes>().is_err());
}

#[test]
fn a_broken_injection_is_noted_and_denies_the_pods_that_name_it() {
    let broken = INJECTION.replace("key: username", "kee: username");
    let shown = shown(Output::Diff, &format!("{POD}---{broken}"));
    assert!(!shown.allowed);
    assert!(
        shown.notes.contains("note: Injection/db: spec.env[0]"),
        "{}",
        shown.notes
    );
    assert!(shown.notes.contains("denied: Pod/web"), "{}", shown.notes);
}

#[test]
fn what_cannot_be_explained_says_why() {
    assert!(refused("a: [").contains("- is no YAML"));
    assert!(refused("").contains("there is no pod"));
    assert!(
        refused("{kind: Deployment, metadata: {name: web}}")
            .contains("Deployment/web: there is no pod template")
    );
    assert!(refused(&format!("{INJECTION}---{INJECTION}---{POD}")).contains("Injection/db is there twice"));
    assert!(refused("{kind: Pod, metadata: {namespace: Shop}}").contains("`Shop` is no namespace"));
    assert!(refused("{kind: Pod, metadata: {namespace: no}}").contains("put it in quotes"));
    let missing = Explain {
        files: vec![PathBuf::from("/nowhere.yaml")],
        ..options()
    };
    assert!(
        run(&missing, "")
            .unwrap_err()
            .to_string()
            .contains("/nowhere.yaml cannot be read")
    );
}

#[test]
fn a_configuration_is_read_though_its_ca_files_are_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let text =
        "servers: {default: {url: 'https://esi.example.com', caFile: ca/ca.pem}}\ninit: {image: 'mine:2'}\n";
    std::fs::write(&config, text).unwrap();
    let options = Explain {
        config: Some(config),
        output: Output::Yaml,
        ..options()
    };
    let shown = run(&options, &both()).unwrap();
    assert_eq!(
        shown.notes,
        "note: ca/ca.pem is not here: an example stands for it\n"
    );
    assert!(shown.output.contains("image: mine:2") && shown.output.contains("https://esi.example.com"));
}
