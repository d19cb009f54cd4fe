//! The command line of `explain`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const POD: &str = "
kind: Pod
metadata: {name: web, annotations: {esi.external-secrets.io/generator: Fake/demo/free, ANNOTATIONS}}
spec: {containers: [{name: app, image: 'app:1'}]}
";

fn explain(annotations: &str, flags: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let pod = folder.path().join("pod.yaml");
    std::fs::write(&pod, POD.replace("ANNOTATIONS", annotations)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_esi-webhook"))
        .env_clear()
        .args(["explain", "-f"])
        .arg(pod)
        .args(flags)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_pod_that_may_be_created_ends_with_success() {
    let shown = explain("esi.external-secrets.io/files: db.json=json", &["-o", "yaml"]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert!(
        text(&shown.stdout).contains("esi-init"),
        "{}",
        text(&shown.stdout)
    );
}

#[test]
fn a_denied_pod_ends_with_failure_and_its_message() {
    let shown = explain("esi.external-secrets.io/filez: x", &[]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(
        text(&shown.stderr).contains("denied: Pod/web"),
        "{}",
        text(&shown.stderr)
    );
    assert!(text(&shown.stderr).contains("esi.external-secrets.io/filez"));
}

#[test]
fn a_mistake_in_the_command_line_is_none_of_the_pods() {
    assert_eq!(explain("a: b", &["-o", "xml"]).status.code(), Some(2));
    let shown = explain("a: b", &["-f", "/nowhere.yaml"]);
    assert_eq!(shown.status.code(), Some(2));
    let error = text(&shown.stderr);
    let expected = "error: /nowhere.yaml cannot be read: No such file";
    assert!(error.contains(expected), "{error}");
}

/// A path of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Explains what is shown to people, which must be taken as it stands and without a warning.
fn is_taken(files: &[PathBuf]) {
    let files = files.iter().flat_map(|file| [Path::new("-f"), file]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_esi-webhook"));
    let shown = command.env_clear().arg("explain").args(files).output().unwrap();
    let notes = text(&shown.stderr);
    assert_eq!(shown.status.code(), Some(0), "{notes}");
    assert!(!notes.contains("warning:"), "{notes}");
    assert!(text(&shown.stdout).contains("esi-init"), "{notes}");
}

#[test]
fn the_example_that_is_shipped_is_taken() {
    is_taken(&[
        project("deploy/examples/injection/pod.yaml"),
        project("deploy/examples/injection/injection.yaml"),
    ]);
}

#[test]
fn every_pod_of_the_documentation_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    for page in ["README.md", "docs/webhook.md"] {
        let page = std::fs::read_to_string(project(page)).unwrap();
        let examples = page.split("```yaml\n").skip(1);
        let examples = examples.map(|rest| rest.split("```").next().unwrap_or_default());
        let pods: Vec<_> = examples
            .filter(|example| example.contains("kind: Pod\n") || example.contains("kind: Deployment\n"))
            .collect();
        assert!(!pods.is_empty(), "there is no example");
        for pod in pods {
            let file = folder.path().join("example.yaml");
            std::fs::write(&file, pod).unwrap();
            is_taken(&[file]);
        }
    }
}
