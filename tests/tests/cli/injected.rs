//! What the webhook writes into a pod is what `esi-cli` does there: the real webhook's words, in a pod's surroundings.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use esi_tests::federation::binary;
use esi_tests::issuer::AUDIENCE;
use serde_json::{Value, json};

use super::world::{Cli, Running};
use crate::flow::world::{SHOP, World};

/// A pod that asks for the shop's credential, as the webhook leaves it.
fn injected(cli: &Cli, annotations: &[(&str, &str)]) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "app", "namespace": "demo", "annotations": {} },
        "spec": { "containers": [{ "name": "app", "image": "app:1", "command": ["sh", "-c"], "args": ["exit 9"] }] }
    });
    let asked = [("generator", SHOP)].iter().chain(annotations).copied();
    for (name, value) in asked {
        pod["metadata"]["annotations"][format!("esi.external-secrets.io/{name}")] = json!(value);
    }
    let configuration = json!({
        "servers": { "default": { "url": cli.url(), "ca": cli.ca(), "audience": AUDIENCE } },
        "init": { "image": "esi-cli:1" }
    });
    let (pod_file, configuration_file) = (cli.dir().join("pod.json"), cli.dir().join("webhook.json"));
    std::fs::write(&pod_file, pod.to_string()).unwrap();
    std::fs::write(&configuration_file, configuration.to_string()).unwrap();
    let explained = Command::new(binary("esi-webhook").unwrap())
        .args(["explain", "-o", "json", "-f"])
        .arg(&pod_file)
        .arg("--config")
        .arg(&configuration_file)
        .output()
        .unwrap();
    assert!(
        explained.status.success(),
        "{}",
        String::from_utf8_lossy(&explained.stderr)
    );
    serde_json::from_slice(&explained.stdout).unwrap()
}

/// kubelet's own reading of a value: `$$` is one dollar sign. None of these values refers to a variable.
fn expanded(value: &Value) -> String {
    value.as_str().unwrap().replace("$$", "$")
}

/// `esi-init`, with the pod's directories in the place of its mounts.
fn init(cli: &Cli, pod: &Value) -> Command {
    let container = &pod["spec"]["initContainers"][0];
    assert_eq!(container["name"], "esi-init");
    for volume in pod["spec"]["volumes"].as_array().unwrap() {
        if let Some(binding) = volume["csi"]
            .is_object()
            .then(|| volume["name"].as_str().unwrap())
        {
            std::fs::create_dir_all(cli.volume(&binding["esi-".len()..])).unwrap();
        }
    }
    let mut init = Command::new(binary("esi-cli").unwrap());
    init.args(container["args"].as_array().unwrap().iter().map(expanded));
    for variable in container["env"].as_array().unwrap() {
        init.env(variable["name"].as_str().unwrap(), expanded(&variable["value"]));
    }
    init.env("ESI_TOKEN_FILE", cli.dir().join("token"));
    init.env("ESI_VOLUMES", cli.dir().join("volumes"));
    init.env("ESI_ENV_DIR", cli.dir().join("env"));
    if container["env"]
        .as_array()
        .unwrap()
        .iter()
        .any(|it| it["name"] == "ESI_INSTALL")
    {
        init.env("ESI_INSTALL", cli.bin());
    }
    init
}

fn done(mut command: Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The variables of a container, as kubelet reads them from its env files.
fn variables(cli: &Cli, container: &Value) -> BTreeMap<String, String> {
    let read = |variable: &Value| {
        let from = &variable["valueFrom"]["fileKeyRef"];
        let text =
            std::fs::read_to_string(cli.dir().join("env").join(from["path"].as_str().unwrap())).unwrap();
        let begin = format!("{}='", from["key"].as_str().unwrap());
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(&begin)?.strip_suffix('\''));
        (
            variable["name"].as_str().unwrap().to_owned(),
            value.unwrap().to_owned(),
        )
    };
    container["env"].as_array().unwrap().iter().map(read).collect()
}

#[tokio::test]
async fn init_fills_what_the_containers_refer_to() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let pod = injected(
        &cli,
        &[
            ("env", "DB_USER=username,DB_PASS=password"),
            ("files", "db.json=json"),
        ],
    );
    done(init(&cli, &pod));

    let app = &pod["spec"]["containers"][0];
    let variables = variables(&cli, app);
    let (user, password) = (&variables["DB_USER"], &variables["DB_PASS"]);
    assert!(world.fixture.connect(user, password).await.is_ok());
    let document: Value = serde_json::from_slice(&std::fs::read(cli.file("db.json")).unwrap()).unwrap();
    assert_eq!(document, json!({ "username": user, "password": password }));
    assert_eq!(app["command"], json!(["sh", "-c"]), "no command is touched");
}

#[tokio::test]
async fn a_wrapped_command_finds_the_copy_of_the_program_and_the_variables() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let pod = injected(&cli, &[("env", "*"), ("env-method", "exec")]);
    done(init(&cli, &pod));

    let app = &pod["spec"]["containers"][0];
    let mount = app["volumeMounts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "esi-default");
    let mount = mount.unwrap()["mountPath"].as_str().unwrap();
    // What the container sees at its mounts is in the pod's directories.
    let seen = |word: &Value| {
        let word = expanded(word);
        let within = |prefix: &str, directory: &Path| {
            let rest = word.strip_prefix(prefix)?;
            Some(format!("{}{rest}", directory.display()))
        };
        within("/esi/bin", &cli.bin())
            .or_else(|| within(mount, &cli.volume("default")))
            .unwrap_or(word)
    };
    let words: Vec<String> = app["command"].as_array().unwrap().iter().map(seen).collect();
    assert_eq!(words[words.len() - 3..], ["--", "sh", "-c"]);
    let mut wrapped = Command::new(&words[0]);
    wrapped.args(&words[1..words.len() - 3]);
    let output = Running::output(wrapped, "printf '%s %s' \"$username\" \"$password\"");
    let text = String::from_utf8(output.stdout).unwrap();
    let (user, password) = text.split_once(' ').unwrap();
    assert!(world.fixture.connect(user, password).await.is_ok());
    assert_eq!(app["args"], json!(["exit 9"]));
}
