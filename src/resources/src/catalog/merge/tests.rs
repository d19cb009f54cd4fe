use proptest::prelude::*;

use super::*;
use crate::catalog::parse::{Syntax, parse};
use crate::generator::GeneratorSpec;

fn read(files: &[(&str, &str)]) -> Reading {
    let parsed = files
        .iter()
        .map(|(path, text)| parse(&Path::new(path).into(), Syntax::Yaml, text));
    Reading {
        files: parsed.collect(),
        incomplete: Vec::new(),
    }
}

fn start(files: &[(&str, &str)]) -> Snapshot {
    let snapshot = merge(&Snapshot::default(), read(files), &[]);
    assert_eq!(snapshot.problems(), []);
    snapshot
}

fn reload(before: &Snapshot, files: &[(&str, &str)]) -> Snapshot {
    merge(before, read(files), &[])
}

/// What holds, one word an object.
fn holding(snapshot: &Snapshot) -> String {
    let generators = snapshot.generators().map(|document| {
        let stale = if document.stale { " (stale)" } else { "" };
        let value = match &document.spec {
            GeneratorSpec::Fake(spec) => spec.data.values().next().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        format!("{}={value}{stale}", document.reference.name)
    });
    let authorizations = snapshot.authorizations().iter().map(|one| one.name.to_string());
    let federations = snapshot.federations().iter().map(|one| one.name.to_string());
    let secrets = snapshot.secrets.iter().flat_map(|((_, name), held)| {
        let value = |value: &esi_core::SecretBytes| value.expose_str().unwrap().to_owned();
        held.value
            .values()
            .map(move |bytes| format!("{name}={}", value(bytes)))
    });
    let all: Vec<String> = generators
        .chain(authorizations)
        .chain(federations)
        .chain(secrets)
        .collect();
    all.join(", ")
}

fn problems(snapshot: &Snapshot) -> String {
    let problems = snapshot.problems().iter();
    problems.map(|problem| format!("{problem}\n")).collect()
}

fn fake(name: &str, value: &str) -> String {
    format!(
        "---\napiVersion: generators.external-secrets.io/v1alpha1\nkind: Fake\n\
         metadata: {{name: {name}, namespace: n}}\nspec: {{data: {{k: {value}}}}}\n"
    )
}

fn authorization(name: &str) -> String {
    format!(
        "---\napiVersion: federation.external-secrets.io/v1alpha1\nkind: Authorization\nmetadata: {{name: {name}}}\n\
         spec:\n  federationRef: {{kind: KubernetesFederation, name: c}}\n  subject: {{issuer: i, subject: s}}\n"
    )
}

fn federation(name: &str) -> String {
    format!(
        "---\napiVersion: identity.federation.external-secrets.io/v1alpha1\nkind: KubernetesFederation\n\
         metadata: {{name: {name}}}\nspec: {{url: 'https://c'}}\n"
    )
}

fn secret(name: &str, value: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: n}}\nstringData: {{k: {value}}}\n"
    )
}

fn all() -> String {
    fake("gen", "1") + &authorization("auth") + &federation("fed") + &secret("sec", "1")
}

const TORN: &str = "---\nkind: {\n";

#[test]
fn everything_that_is_right_holds() {
    let snapshot = start(&[("a", &all())]);
    assert_eq!(holding(&snapshot), "gen=1, auth, fed, sec=1");
    assert_eq!(snapshot.revision(), 1);
    let reference = "Fake/n/gen".parse().unwrap();
    assert!(snapshot.generator(&reference).is_some());
    let (namespace, name) = ("n".parse().unwrap(), "sec".parse().unwrap());
    assert!(snapshot.secret(&namespace, &name, "k").is_some());
    assert!(snapshot.secret(&namespace, &name, "other").is_none());
}

#[test]
fn a_removal_applies_at_once() {
    let before = start(&[("a", &all()), ("b", &fake("other", "1"))]);
    let next = reload(&before, &[("b", &fake("other", "1"))]);
    assert_eq!(holding(&next), "other=1");
    assert_eq!(next.revision(), 2);
}

#[test]
fn a_broken_generator_or_secret_keeps_its_last_good_form_and_the_rest_is_withdrawn() {
    let before = start(&[("a", &all())]);
    let broken = fake("gen", "2").replace("{data", "{dta")
        + &authorization("auth").replace("subject: s", "subjekt: s")
        + &federation("fed").replace("url", "ulr")
        + &secret("sec", "[2]");
    let next = reload(&before, &[("a", &broken)]);
    assert_eq!(holding(&next), "gen=1 (stale), sec=1");
    insta::assert_snapshot!(problems(&next), @r#"
    a:5: Fake n/gen: unknown field `dta`, expected one of controller, data
    a:12: Authorization auth: unknown field `subjekt`, expected one of oidc, spiffe, issuer, subject
    a:17: KubernetesFederation fed: unknown field `ulr`, expected one of url, caBundle, issuer, audiences, jwks, nodeAgents
    a:22: Secret n/sec: this Secret cannot be read here (what it says is not shown): write `data` as base64 text, or `stringData` as text, and no other field
    "#);

    // Still broken after another change; and mended, nothing is stale.
    let later = reload(&next, &[("a", &broken), ("b", &fake("other", "1"))]);
    assert_eq!(holding(&later), "gen=1 (stale), other=1, sec=1");
    let mended = reload(&later, &[("a", &all())]);
    assert_eq!(holding(&mended), "gen=1, auth, fed, sec=1");
    assert_eq!(mended.problems(), []);
}

#[test]
fn a_generator_that_was_never_good_does_not_hold() {
    let before = start(&[]);
    let next = reload(&before, &[("a", &fake("gen", "2").replace("{data", "{dta"))]);
    assert_eq!(holding(&next), "");
    assert_eq!(next.problems().len(), 1);
}

#[test]
fn a_torn_file_keeps_its_generators_and_secrets_and_withdraws_what_grants() {
    let before = start(&[("a", &all()), ("b", &authorization("other"))]);
    // Torn after the authorization: what is still readable of it may be cut short, so it does not hold.
    let text = authorization("auth") + &federation("fed") + &fake("new", "1") + TORN;
    let next = reload(&before, &[("a", &text), ("b", &authorization("other"))]);
    assert_eq!(holding(&next), "gen=1 (stale), new=1, other, sec=1");
    let again = reload(&next, &[("a", TORN), ("b", &authorization("other"))]);
    assert_eq!(holding(&again), "gen=1 (stale), new=1 (stale), other, sec=1");
    let completed = reload(&again, &[("a", &all()), ("b", &authorization("other"))]);
    assert_eq!(holding(&completed), "gen=1, auth, other, fed, sec=1");
}

#[test]
fn a_torn_file_that_vanishes_takes_its_objects_with_it() {
    let before = start(&[("a", &all())]);
    let torn = reload(&before, &[("a", TORN)]);
    assert_eq!(holding(&torn), "gen=1 (stale), sec=1");
    assert_eq!(holding(&reload(&torn, &[])), "");
}

#[test]
fn an_object_moved_out_of_a_torn_file_is_the_new_one() {
    let before = start(&[("a", &fake("gen", "1"))]);
    let next = reload(&before, &[("a", TORN), ("b", &fake("gen", "2"))]);
    assert_eq!(holding(&next), "gen=2");
}

#[test]
fn a_directory_that_cannot_be_read_keeps_and_withdraws_as_a_torn_file_does() {
    let before = start(&[("a", &all())]);
    let reading = Reading {
        files: read(&[("b", &authorization("b"))]).files,
        incomplete: vec![Problem::new("dir", None, None, "it cannot be read")],
    };
    let next = merge(&before, reading, &[]);
    assert_eq!(holding(&next), "gen=1 (stale), sec=1");
    assert_eq!(problems(&next), "dir: it cannot be read\n");
}

#[test]
fn an_object_that_is_there_twice_holds_in_neither_place_and_both_are_named() {
    let twice = [("a", all()), ("b", all()), ("c", fake("gen", "4"))];
    let twice: Vec<(&str, &str)> = twice.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let fresh = merge(&Snapshot::default(), read(&twice), &[]);
    assert_eq!(holding(&fresh), "");
    insta::assert_snapshot!(problems(&fresh), @r#"
    b:2: Fake n/gen: it is there already at a:2: neither holds until one is removed
    b:7: Authorization auth: it is there already at a:7: neither holds until one is removed
    b:14: KubernetesFederation fed: it is there already at a:14: neither holds until one is removed
    b:19: Secret n/sec: it is there already at a:19: neither holds until one is removed
    c:2: Fake n/gen: it is there already at a:2: neither holds until one is removed
    "#);

    // Later, what was good is kept as for any broken object.
    let before = start(&[("a", &all())]);
    assert_eq!(holding(&reload(&before, &twice)), "gen=1 (stale), sec=1");
}

#[test]
fn both_names_of_postgresql_are_one_object() {
    let spec = "{host: h, auth: {username: u, password: {name: s, key: k}}}";
    let old = fake("db", "1")
        .replace("Fake", "PostgreSql")
        .replace("{data: {k: 1}}", spec);
    let new = old.replace("PostgreSql", "PostgreSQL");
    let snapshot = start(&[("a", &old)]);
    for kind in ["PostgreSQL", "PostgreSql"] {
        let reference = format!("{kind}/n/db").parse().unwrap();
        assert!(snapshot.generator(&reference).is_some(), "{kind}");
    }
    assert_eq!(reload(&snapshot, &[("a", &old), ("b", &new)]).problems().len(), 1);
}

#[test]
fn the_servers_own_federation_holds_and_no_file_can_take_its_name() {
    let own = start(&[("a", &federation("dev"))]).federations;
    let next = merge(&Snapshot::default(), read(&[]), &own);
    assert_eq!(holding(&next), "dev");
    let files = read(&[("a", &federation("dev").replace("https://c", "https://evil"))]);
    let next = merge(&Snapshot::default(), files, &own);
    assert_eq!(next.federations(), own);
    insta::assert_snapshot!(problems(&next), @"a:2: KubernetesFederation dev: the server itself brings one of this name: this one does not hold");
}

#[test]
fn an_unsupported_generator_is_told_from_an_unknown_one() {
    let text = fake("a", "1").replace("Fake", "MFA") + &fake("b", "1").replace("Fake", "ClusterGenerator");
    let snapshot = start(&[("a", &text)]);
    assert!(snapshot.unsupported(&"MFA/n/a".parse().unwrap()));
    assert!(snapshot.unsupported(&"ClusterGenerator/anywhere/b".parse().unwrap()));
    assert!(!snapshot.unsupported(&"MFA/n/b".parse().unwrap()));
    assert!(snapshot.generator(&"MFA/n/a".parse().unwrap()).is_none());
    assert_eq!(snapshot.notices().len(), 2);
}

fn dangling(snapshot: &Snapshot) -> String {
    let dangling = snapshot.dangling().iter();
    dangling.map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn what_refers_to_what_is_not_there_is_no_problem_and_is_told_with_its_place_until_it_is() {
    let database = fake("db", "1").replace("Fake", "PostgreSQL").replace(
        "{data: {k: 1}}",
        "{host: h, auth: {username: u, password: {name: sec, key: k}}}",
    );
    let vault = fake("vault", "1").replace("Fake", "VaultDynamicSecret").replace(
        "{data: {k: 1}}",
        "{path: p, provider: {server: 'https://v', caProvider: {type: Secret, name: sec}, \
         auth: {appRole: {roleId: r, secretRef: {name: sec, key: k}}}}}",
    );
    let generators = "  allowedGenerators:\n  - {kind: PostgreSql, namespace: n, name: db}\n\
                      \x20 - {kind: Fake, namespace: n, name: gone}\n  - {kind: MFA, namespace: n, name: m}\n";
    let grant = authorization("auth") + generators;
    let unserved = fake("m", "1").replace("Fake", "MFA");
    let text = database + &vault + &grant + &unserved;
    let before = start(&[("a", &text)]);
    insta::assert_snapshot!(dangling(&before), @r#"
    a:2: PostgreSQL n/db: spec.auth.password needs Secret n/sec, which is not there: it can mint nothing until it is
    a:7: VaultDynamicSecret n/vault: spec.provider.auth.appRole.secretRef needs Secret n/sec, which is not there: it can mint nothing until it is
    a:7: VaultDynamicSecret n/vault: spec.provider.caProvider needs Secret n/sec, which is not there: it can mint nothing until it is
    a:12: Authorization auth: spec.allowedGenerators names Fake/n/gone, which is not there: that has no effect until it is
    a:12: Authorization auth: spec.federationRef names KubernetesFederation c, which is not there: that has no effect until it is
    "#);

    let (cluster, ca) = (
        federation("c"),
        secret("sec", "1").replace("{k: 1}", "{k: 1, ca.crt: x}"),
    );
    let with_secret = reload(
        &before,
        &[("a", &text), ("b", &secret("sec", "1")), ("c", &cluster)],
    );
    insta::assert_snapshot!(dangling(&with_secret), @r#"
    a:7: VaultDynamicSecret n/vault: spec.provider.caProvider needs the key `ca.crt` of Secret n/sec, which is not there: it can mint nothing until it is
    a:12: Authorization auth: spec.allowedGenerators names Fake/n/gone, which is not there: that has no effect until it is
    "#);
    let gone = fake("gone", "1");
    let mended = reload(
        &with_secret,
        &[("a", &text), ("b", &ca), ("c", &cluster), ("d", &gone)],
    );
    assert_eq!(dangling(&mended), "");
    assert_eq!(mended.problems(), []);
}

#[test]
fn a_mistyped_kind_of_federation_dangles_and_one_that_another_version_serves_does_not() {
    for (kind, number) in [("KubernetesFedration", 1), ("SpiffeFederation", 0)] {
        let text = authorization("auth").replace("KubernetesFederation", kind);
        assert_eq!(start(&[("a", &text)]).dangling().len(), number, "{kind}");
    }
}

/// What a file of one generator and one authorization may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Absent,
    Good,
    BrokenGenerator,
    BrokenAuthorization,
    Torn,
}

impl State {
    fn text(self, name: &str) -> Option<String> {
        let (generator, authorization) = (fake(name, "1"), authorization(name));
        match self {
            Self::Absent => None,
            Self::Good => Some(generator + &authorization),
            Self::BrokenGenerator => Some(generator.replace("{data", "{dta") + &authorization),
            Self::BrokenAuthorization => Some(generator + &authorization.replace("subject: s", "subjekt: s")),
            Self::Torn => Some(authorization + TORN),
        }
    }
}

fn states() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Absent),
        Just(State::Good),
        Just(State::BrokenGenerator),
        Just(State::BrokenAuthorization),
        Just(State::Torn),
    ]
}

proptest! {
    #[test]
    fn after_any_changes_only_what_is_right_now_grants_and_generators_outlive_breakage_only(
        history in proptest::collection::vec((states(), states()), 1..8),
    ) {
        let mut snapshot = start(&[]);
        // Whether the generator of each file holds, and whether it is stale.
        let mut generators = [None, None];
        for (first, second) in history {
            let texts = [("a", first.text("a")), ("b", second.text("b"))];
            let files: Vec<(&str, &str)> =
                texts.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))).collect();
            snapshot = reload(&snapshot, &files);
            for (index, (name, state)) in [("a", first), ("b", second)].into_iter().enumerate() {
                generators[index] = match state {
                    State::Absent => None,
                    State::Good | State::BrokenAuthorization => Some(false),
                    State::BrokenGenerator | State::Torn => generators[index].map(|_| true),
                };
                let reference = format!("Fake/n/{name}").parse().unwrap();
                prop_assert_eq!(snapshot.generator(&reference).map(|document| document.stale), generators[index]);
                let granted = snapshot.authorizations().iter().any(|one| one.name.as_str() == name);
                prop_assert_eq!(granted, matches!(state, State::Good | State::BrokenGenerator));
            }
        }
    }
}
