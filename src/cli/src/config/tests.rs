use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use rstest::rstest;

use super::{Config, ConfigError, Environment, Settings, read_plans};
use crate::args::{Invocation, parse};

const PLANS: &str =
    r#"[{"version":1,"binding":"db","source":{"generator":{"kind":"Fake","namespace":"a","name":"b"}}}]"#;
const PEM: &str = "-----BEGIN CERTIFICATE-----";

fn servers(url: &str) -> String {
    serde_json::json!({"default": {"url": url, "ca": PEM}}).to_string()
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)))
        .collect()
}

fn good() -> Environment {
    environment(&[
        ("ESI_PLANS", PLANS),
        ("ESI_SERVERS", &servers("https://esi:8443")),
    ])
}

fn read(arguments: &[&str], environment: &Environment) -> Result<Config, ConfigError> {
    let Invocation::Do(typed) = parse(arguments.iter().map(OsString::from)).unwrap() else {
        panic!("{arguments:?} is no invocation")
    };
    Config::read(&Settings::new(&typed, environment)?)
}

fn refusal(arguments: &[&str], environment: &Environment) -> String {
    read(arguments, environment).unwrap_err().to_string()
}

#[test]
fn plans_and_servers_are_enough_and_the_rest_has_defaults() {
    let config = read(&["init"], &good()).unwrap();
    assert_eq!(config.plans.len(), 1);
    assert_eq!(config.volumes, Path::new("/esi/volumes"));
    assert_eq!(config.env_dir, Path::new("/esi/env"));
    assert_eq!(config.deadline, Duration::from_secs(120));
    let server = config.servers.values().next().unwrap();
    assert_eq!(server.token_file, Path::new("/var/run/esi/token"));
}

#[test]
fn an_instance_that_nobody_named_is_named_anew_each_time() {
    let name = || read(&["init"], &good()).unwrap().instance;
    assert_ne!(name(), name());
    assert_eq!(
        read(&["init", "--instance", "ci-1"], &good())
            .unwrap()
            .instance
            .as_str(),
        "ci-1"
    );
}

#[test]
fn a_flag_wins_over_its_variable_and_the_variable_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    std::fs::write(
        &file,
        r#"{"deadline":"3s","volumes":"/from-file","token_file":"/t","instance":"i"}"#,
    )
    .unwrap();
    let mut environment = good();
    environment.insert("ESI_DEADLINE".into(), "2s".into());
    let file = file.to_str().unwrap();
    let config = read(&["run", "--config", file, "x"], &environment).unwrap();
    assert_eq!(config.deadline, Duration::from_secs(2));
    assert_eq!(config.volumes, Path::new("/from-file"));
    assert_eq!(
        config.servers.values().next().unwrap().token_file,
        Path::new("/t")
    );
    let config = read(&["run", "--config", file, "--deadline", "1s", "x"], &environment).unwrap();
    assert_eq!(config.deadline, Duration::from_secs(1));
}

#[test]
fn a_config_file_can_say_everything() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let servers = servers("https://esi");
    std::fs::write(
        &file,
        format!(r#"{{"plans":{PLANS},"servers":{servers},"tokenFile":"/t"}}"#),
    )
    .unwrap();
    let config = read(
        &["run", "--config", file.to_str().unwrap(), "x"],
        &Environment::new(),
    )
    .unwrap();
    assert_eq!(config.plans[0].binding.as_str(), "db");
    std::fs::write(&file, r#"{"plan":[]}"#).unwrap();
    let text = refusal(
        &["run", "--config", file.to_str().unwrap(), "x"],
        &Environment::new(),
    );
    assert!(
        text.starts_with("--config: ") && text.contains("unknown field `plan`"),
        "{text}"
    );
}

#[test]
fn plans_can_be_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plans.json");
    std::fs::write(&file, PLANS).unwrap();
    let at_file = format!("@{}", file.display());
    assert_eq!(
        read(&["init", "--plans", &at_file], &good()).unwrap().plans.len(),
        1
    );
    std::fs::write(&file, " ".repeat(10_000_000)).unwrap();
    let text = refusal(&["init", "--plans", &at_file], &good());
    assert!(
        text.starts_with("--plans: ") && text.contains("more than 2097152 bytes"),
        "{text}"
    );
}

#[test]
fn one_plan_can_be_stated_with_flags() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, PEM).unwrap();
    let server = ["--server-url", "https://esi:1", "--ca", ca.to_str().unwrap()];
    let plan = [
        "--generator",
        "PostgreSQL/platform/shop",
        "--ttl",
        "5m",
        "--binding",
        "db",
    ];
    let outputs = [
        "--env",
        "U=username,P=password",
        "--env",
        "H=host",
        "--file",
        "db.json=json,p=.password",
    ];
    let arguments = [&["run"], &server[..], &plan, &outputs, &["x"]].concat();
    // The flags win over the whole environment, though it has other plans and servers.
    let config = read(&arguments, &good()).unwrap();
    let expected = r#"{"version":1,"binding":"db","server":"default","source":{"generator":{"kind":"PostgreSQL","namespace":"platform","name":"shop"}},"ttl":"5m","env":[{"name":"U","key":"username"},{"name":"P","key":"password"},{"name":"H","key":"host"}],"files":[{"path":"db.json","format":"json"},{"path":"p","key":"password"}]}"#;
    assert_eq!(config.plans[0].to_json(), expected);
    assert_eq!(
        config.servers.values().next().unwrap().at.url.to_string(),
        "https://esi:1/"
    );
}

#[test]
fn a_plan_file_takes_the_place_of_the_plans() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plan.json");
    std::fs::write(&file, PLANS.trim_matches(['[', ']']).replace("db", "other")).unwrap();
    let file = file.to_str().unwrap();
    let config = read(&["run", "--plan", file, "x"], &good()).unwrap();
    assert_eq!(config.plans[0].binding.as_str(), "other");
    let text = refusal(&["run", "--plan", file, "--plan", file, "x"], &good());
    assert!(text.contains("binding `other` is there twice"), "{text}");
}

#[rstest]
#[case::plans_twice(&["run", "--plans", "[]", "--generator", "A/b/c", "x"], "--generator: the plans are already given by --plans")]
#[case::part_without_generator(&["run", "--env", "A=b", "x"], "--env: it belongs to a plan stated with --generator")]
#[case::no_pair(&["run", "--generator", "A/b/c", "--env", "A", "x"], "--env: `A` is not NAME=KEY")]
#[case::bad_generator(&["run", "--generator", "A/b", "x"], "--generator: `A/b` is no generator reference")]
#[case::leaving_path(&["run", "--generator", "A/b/c", "--file", "../x=json", "x"], "the plan stated with flags: files[0].path: ")]
#[case::url_without_ca(&["run", "--server-url", "https://a", "x"], "--server-url: write --ca FILE too")]
#[case::ca_without_url(&["run", "--ca", "f", "x"], "--ca: it belongs to --server-url")]
#[case::no_duration(&["init", "--deadline", "soon"], "--deadline: `soon` is no duration")]
#[case::no_time(&["init", "--deadline", "0s"], "--deadline: it is zero")]
#[case::bad_instance(&["init", "--instance", "a b"], "--instance: `a b` is no client instance id")]
#[case::empty(&["init", "--plans", "[]"], "--plans: there is no plan in it")]
#[case::unknown_field(&["init", "--plans", r#"[{"version":1,"x":1}]"#], "--plans: [0]: the plan is not valid: unknown field `x`")]
fn a_refusal_names_its_place(#[case] arguments: &[&str], #[case] expected: &str) {
    let text = refusal(arguments, &good());
    assert!(text.starts_with(expected), "{text}");
}

#[rstest]
#[case::plain(
    r#"{"default":{"url":"http://esi","ca":"PEM"}}"#,
    "default.url: `http://esi` is not https"
)]
#[case::no_scheme(
    r#"{"default":{"url":"esi:1","ca":"PEM"}}"#,
    "default.url: `esi:1` is not https"
)]
#[case::path(
    r#"{"default":{"url":"https://esi/x","ca":"PEM"}}"#,
    "default.url: `https://esi/x` has something after"
)]
#[case::user(
    r#"{"default":{"url":"https://u@esi","ca":"PEM"}}"#,
    "default.url: `https://u@esi` is not https://HOST"
)]
#[case::no_ca(r#"{"default":{"url":"https://esi"}}"#, "default.ca: write exactly one of")]
#[case::two_cas(
    r#"{"default":{"url":"https://esi","ca":"PEM","caFile":"x"}}"#,
    "default.ca: write exactly one of"
)]
#[case::empty_ca(
    r#"{"default":{"url":"https://esi","ca":"x"}}"#,
    "default.ca: there is no certificate"
)]
#[case::no_ca_file(
    r#"{"default":{"url":"https://esi","caFile":"/none"}}"#,
    "default.caFile: /none: No such file"
)]
#[case::unknown(
    r#"{"default":{"url":"https://esi","insecure":true}}"#,
    "unknown field `insecure`"
)]
#[case::bad_name(r#"{"De":{"url":"https://esi","ca":"PEM"}}"#, "`De` is no server name")]
fn a_server_is_refused_with_its_field(#[case] servers: &str, #[case] expected: &str) {
    let servers = servers.replace("PEM", PEM);
    let text = refusal(&["init", "--servers", &servers], &good());
    let rest = text
        .strip_prefix("--servers: ")
        .unwrap_or_else(|| panic!("{text}"));
    assert!(rest.starts_with(expected), "{text}");
}

#[test]
fn a_plan_of_a_server_that_is_not_configured_is_refused() {
    let plans = PLANS.replace(r#""source""#, r#""server":"other","source""#);
    let text = refusal(&["init", "--plans", &plans], &good());
    assert!(
        text.starts_with("plan `db`: its server `other` is not configured"),
        "{text}"
    );
}

#[test]
fn what_is_missing_is_said_with_how_to_set_it() {
    assert!(refusal(&["init"], &Environment::new()).contains("set ESI_PLANS"));
    let only_plans = environment(&[("ESI_PLANS", PLANS)]);
    assert!(refusal(&["init"], &only_plans).contains("set ESI_SERVERS"));
}

#[test]
fn render_reads_plans_without_any_server() {
    let Invocation::Do(typed) = parse(["render", "--generator", "A/b/c"].map(OsString::from)).unwrap() else {
        panic!("no invocation")
    };
    let environment = Environment::new();
    assert_eq!(
        read_plans(&Settings::new(&typed, &environment).unwrap())
            .unwrap()
            .len(),
        1
    );
}
