//! Objects as they are written, and mistakes in them. What is hostile or secret is in [`hostile`].

mod hostile;

use super::*;
use crate::generator::{GeneratorSpec, kind};

fn yaml(text: &str) -> ParsedFile {
    parse(&Path::new("f.yaml").into(), Syntax::Yaml, text)
}

fn json(text: &str) -> ParsedFile {
    parse(&Path::new("f.json").into(), Syntax::Json, text)
}

fn shown(file: &ParsedFile) -> String {
    let problems = file.problems.iter().map(|problem| format!("{problem}\n"));
    let notices = file.notices.iter().map(|notice| format!("notice {notice}\n"));
    let torn = file.torn.then(|| "torn\n".to_owned());
    problems.chain(notices).chain(torn).collect()
}

fn identities(file: &ParsedFile) -> Vec<String> {
    let documents = file.documents.iter();
    documents
        .map(|document| format!("{} {}", document.line, document.identity))
        .collect()
}

const FAKE: &str = "apiVersion: generators.external-secrets.io/v1alpha1
kind: Fake
metadata: {name: a, namespace: demo}
spec:
  data: {k: v}
";

fn authorization(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: federation.external-secrets.io/v1alpha1\nkind: Authorization\nmetadata: {{name: a}}\nspec:\n{spec}"
    )
}

fn federation(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: identity.federation.external-secrets.io/v1alpha1\nkind: KubernetesFederation\n\
         metadata: {{name: c}}\nspec:\n{spec}"
    )
}

/// A key of a federation, as Ed25519 has them.
const KEY: &str = "{kty: OKP, crv: Ed25519, kid: k, x: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}";

const SUBJECT: &str = "federationRef: {kind: KubernetesFederation, name: dev}
subject: {oidc: {issuer: https://i, subject: s}}
";

fn the_authorization(file: ParsedFile) -> crate::authorization::Authorization {
    assert_eq!(shown(&file), "");
    match file.documents.into_iter().next().unwrap().object {
        Some(Object::Authorization(authorization)) => authorization,
        other => panic!("{other:?}"),
    }
}

fn the_federation(file: ParsedFile) -> crate::federation::KubernetesFederation {
    assert_eq!(shown(&file), "");
    match file.documents.into_iter().next().unwrap().object {
        Some(Object::Federation(federation)) => federation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_may_hold_many_documents_comments_and_empty_ones() {
    let text = format!("\u{feff}%YAML 1.2\n---\n# nothing\n---\n{FAKE}...\n---\n---\n\n# last\n{FAKE}");
    let file = yaml(&text.replace('\n', "\r\n"));
    assert_eq!(shown(&file), "");
    assert_eq!(identities(&file), ["5 Fake demo/a", "15 Fake demo/a"]);
}

#[test]
fn a_marker_inside_a_block_text_of_a_document_is_text_when_it_is_indented() {
    let file = yaml(&FAKE.replace("{k: v}", "\n    k: |\n      ---\n      text"));
    assert_eq!(shown(&file), "");
    assert_eq!(file.documents.len(), 1);
}

#[test]
fn a_broken_document_is_named_with_its_line_and_the_others_are_read() {
    let broken = FAKE.replace("data: {k: v}", "data:\n    k: v\n  dta: {}");
    let file = yaml(&format!("{FAKE}---\n{broken}---\n{FAKE}"));
    insta::assert_snapshot!(shown(&file), @"f.yaml:13: Fake demo/a: unknown field `dta`, expected one of controller, data");
    let whole: Vec<bool> = file
        .documents
        .iter()
        .map(|document| document.object.is_some())
        .collect();
    assert_eq!(whole, [true, false, true]);
    assert!(!file.torn);
}

#[test]
fn what_is_no_yaml_tears_the_file_and_says_on_which_line() {
    for (broken, snapshot) in [
        ("spec:\n  data: {k: v", 10),
        ("spec:\n\tdata: {k: v}", 10),
        ("spec: 'x", 9),
    ] {
        let broken = FAKE.replace("spec:\n  data: {k: v}", broken);
        let file = yaml(&format!("{FAKE}---\n{broken}"));
        assert!(file.torn, "{broken}");
        let line = file.problems[0].line.unwrap();
        assert!((snapshot..=snapshot + 2).contains(&line), "{}", shown(&file));
        assert_eq!(identities(&file), ["1 Fake demo/a"]);
    }
}

#[test]
fn an_object_that_does_not_say_who_it_is_tears_the_file() {
    let texts = [
        "just text".to_owned(),
        "- a list".to_owned(),
        "kind: Fake".to_owned(),
        FAKE.replace("name: a, ", ""),
        FAKE.replace(", namespace: demo", ""),
        FAKE.replace("name: a,", "name: A_B,"),
    ];
    let problems: String = texts.iter().map(|text| shown(&yaml(text))).collect();
    insta::assert_snapshot!(problems, @r#"
    f.yaml:1: this is no object: write apiVersion, kind and metadata as a mapping
    torn
    f.yaml:1: this is no object: write apiVersion, kind and metadata as a mapping
    torn
    f.yaml:1: write apiVersion and kind
    torn
    f.yaml:1: Fake: write metadata.name
    torn
    f.yaml:1: Fake a: write metadata.namespace
    torn
    f.yaml:3: Fake demo/A_B: metadata.name: `A_B` is no object name: use 1 to 253 lower-case letters, digits, `-` and `.`; each part between dots starts and ends with a letter or digit
    torn
    "#);
}

#[test]
fn mistakes_in_our_own_kinds_are_problems_that_say_what_to_write() {
    let texts = [
        FAKE.replace("kind: Fake", "kind: Fak"),
        FAKE.replace("v1alpha1", "v1"),
        FAKE.replace("spec:", "spce:"),
        FAKE.replace("{k: v}", "[]"),
        authorization(&format!("{SUBJECT}allowedGenerator: []")),
        authorization(&format!("{SUBJECT}maxTtl: 1h")),
        authorization(&format!("{SUBJECT}maxTTL: 1d")),
        authorization(&format!("{SUBJECT}maxTTL: 0s")),
        authorization(&format!("{SUBJECT}allowedGenerators:\n- {{kind: Fake, name: a}}")),
        authorization(&format!(
            "{SUBJECT}allowedGenerators:\n- {{kind: Fake, name: a, namespace: d, apiVersion: v1}}"
        )),
        authorization("federationRef: {kind: KubernetesFederation, name: dev}\nsubject: {}"),
        authorization(
            "federationRef: {kind: KubernetesFederation, name: dev}\nsubject: {spiffe: {spiffeID: x}}",
        ),
        authorization(SUBJECT).replace("spec:", "maxTTL: 1h\nspec:"),
        federation("audiences: [a]"),
        federation("url: http://cluster"),
        federation(&format!("jwks: {{keys: [{KEY}]}}")),
        federation("jwks: {keys: []}\nissuer: https://i"),
        federation("jwks: {keys: [{kty: RSA, n: AQAB, e: AQAB}]}\nissuer: https://i"),
        federation(&format!("url: https://c\njwks: {{keys: [{KEY}]}}")),
        federation("url: https://cluster\ncaBundle: x"),
        FAKE.replace("kind: Fake", "kind: PostgreSQL").replace(
            "data: {k: v}",
            "host: h\n  auth: {username: u, password: {name: s, key: k}}\n  caBundle: x",
        ),
        FAKE.replace("kind: Fake", "kind: VaultDynamicSecret").replace(
            "data: {k: v}",
            "path: p\n  provider: {server: 'https://v', caBundle: QUFBQQ==}",
        ),
        federation("url: https://cluster\nissuer: ''"),
    ];
    let problems: String = texts.iter().map(|text| shown(&yaml(text))).collect();
    insta::assert_snapshot!(problems, @r#"
    f.yaml:1: Fak demo/a: kind: there is no such generator; this version serves Fake, Password, PostgreSQL, UUID, VaultDynamicSecret
    f.yaml:1: Fake demo/a: apiVersion: this version reads `generators.external-secrets.io/v1alpha1`
    f.yaml:4: Fake demo/a: unknown field `spce`, expected one of apiVersion, kind, metadata, spec, status
    f.yaml:5: Fake demo/a: expected mapping start
    f.yaml:7: Authorization a: unknown field `allowedGenerator`, expected one of federationRef, subject, allowedGenerators, allowedClusterSecretStores, allowedGeneratorStates, maxTTL
    f.yaml:7: Authorization a: unknown field `maxTtl`, expected one of federationRef, subject, allowedGenerators, allowedClusterSecretStores, allowedGeneratorStates, maxTTL
    f.yaml:7: Authorization a: maxTTL: `1d` is no duration: write whole numbers with units h, m, s or ms, largest first, as in `1h30m`
    f.yaml:7: Authorization a: maxTTL: write more than 0s
    f.yaml:8: Authorization a: allowedGenerators: write the namespace of `Fake/a`
    f.yaml:8: Authorization a: allowedGenerators: the apiVersion of `Fake/a` must be `generators.external-secrets.io/v1alpha1`
    f.yaml:6: Authorization a: subject: write exactly one of `oidc: {issuer, subject}` and `spiffe: {spiffeID}`
    f.yaml:6: Authorization a: subject: a spiffeID starts with `spiffe://`
    f.yaml:4: Authorization a: unknown field `maxTTL`, expected one of apiVersion, kind, metadata, spec, status
    f.yaml:5: KubernetesFederation c: write `url` (where discovery starts) or `jwks` (the keys)
    f.yaml:5: KubernetesFederation c: url: write a URL that starts with `https://`
    f.yaml:5: KubernetesFederation c: issuer: write it where `jwks` takes the place of `url`
    f.yaml:5: KubernetesFederation c: jwks: it has no key for RS256, ES256, ES384, ES512 or EdDSA
    f.yaml:5: KubernetesFederation c: jwks: keys[0]: write `n` (2048 to 8192 bits) and `e` in base64url without padding (RFC 7518 §6.3)
    f.yaml:5: KubernetesFederation c: issuer: write it where `jwks` takes the place of `url`
    f.yaml:6: KubernetesFederation c: caBundle: write certificates in PEM, whole ones, or the base64 of that
    f.yaml:1: PostgreSQL demo/a: caBundle: write certificates in PEM, whole ones, or the base64 of that
    f.yaml:1: VaultDynamicSecret demo/a: caBundle: write certificates in PEM, whole ones, or the base64 of that
    f.yaml:6: KubernetesFederation c: an empty text would match nothing: leave it out
    "#);
}

#[test]
fn what_this_version_does_not_serve_is_noticed_and_what_is_foreign_is_not() {
    let of = |group: &str, kind: &str| {
        yaml(&format!(
            "apiVersion: {group}\nkind: {kind}\nmetadata: {{name: a, namespace: n}}\nspec: {{x: 1}}"
        ))
    };
    let files = [
        of("generators.external-secrets.io/v1alpha1", "ECRAuthorizationToken"),
        of("generators.external-secrets.io/v1alpha1", "ClusterGenerator"),
        of(
            "identity.federation.external-secrets.io/v1alpha1",
            "SpiffeFederation",
        ),
        of("external-secrets.io/v1", "ClusterSecretStore"),
        of("apps/v1", "Deployment"),
    ];
    let notices: String = files.iter().map(shown).collect();
    insta::assert_snapshot!(notices, @r#"
    notice f.yaml:1: ECRAuthorizationToken n/a: this kind of generator is not supported by this version
    notice f.yaml:1: ClusterGenerator a: this kind of generator is not supported by this version
    notice f.yaml:1: SpiffeFederation n/a: not served by this version; it grants nothing
    notice f.yaml:1: ClusterSecretStore n/a: not served by this version; it grants nothing
    "#);
    assert_eq!(identities(&files[0]), ["1 ECRAuthorizationToken n/a"]);
    assert_eq!(identities(&files[1]), ["1 ClusterGenerator a"]);
    assert!(files[2..].iter().all(|file| file.documents.is_empty()));
}

#[test]
fn an_authorization_reads_all_its_forms() {
    let lists = "allowedGenerators:
- {kind: PostgreSql, namespace: p, name: db, apiVersion: generators.external-secrets.io/v1alpha1}
- {kind: ClusterGenerator, name: everywhere}
allowedClusterSecretStores: [vault]
allowedGeneratorStates: [{namespace: p}]
maxTTL: 1h30m
";
    let full = the_authorization(yaml(&authorization(&format!("{SUBJECT}{lists}"))));
    assert_eq!(full.allowed_generators, ["PostgreSQL/p/db".parse().unwrap()]);
    assert_eq!(full.allowed_cluster_secret_stores, ["vault"]);
    assert_eq!(full.max_ttl, Some(std::time::Duration::from_secs(5400)));

    let flat = SUBJECT.replace(
        "{oidc: {issuer: https://i, subject: s}}",
        "{issuer: https://i, subject: s}",
    );
    let flat = the_authorization(yaml(&authorization(&format!("{flat}allowedGenerators: null"))));
    assert_eq!(flat.subject, full.subject);
    assert!(flat.allowed_generators.is_empty());

    let spiffe =
        "federationRef: {kind: SpiffeFederation, name: s}\nsubject: {spiffe: {spiffeID: spiffe://a/b}}";
    let text = authorization(spiffe) + "status: {anything: true}\n";
    assert!(matches!(
        the_authorization(yaml(&text)).subject,
        crate::authorization::Subject::Spiffe { .. }
    ));
}

#[test]
fn a_federation_is_read_under_both_groups() {
    let text = federation(&format!(
        "url: https://c\nissuer: https://i\naudiences: [esi]\nnodeAgents: [n/a.b]\n\
         jwks: {{keys: [{KEY}]}}"
    ));
    let new = the_federation(yaml(&text));
    let old = the_federation(yaml(&text.replace("identity.federation", "federation")));
    assert_eq!(new, old);
    assert_eq!(new.audiences, ["esi"]);
}

#[test]
fn the_node_agents_of_a_federation_are_service_accounts_and_a_mistake_has_its_line() {
    let with = |agents: &str| yaml(&federation(&format!("url: https://c\nnodeAgents:\n{agents}")));
    let read = the_federation(with("- esi/node\n- esi/node.v2\n"));
    let agents: Vec<_> = read
        .node_agents
        .iter()
        .map(|agent| format!("{} {}", agent.namespace, agent.name))
        .collect();
    assert_eq!(agents, ["esi node", "esi node.v2"]);
    let refusals: Vec<_> = [
        "- esi/node\n- node\n",
        "- e.si/node\n",
        "- esi/a/b\n",
        "- {namespace: a, name: b}\n",
    ]
    .map(|agents| shown(&with(agents)).trim_end().to_owned())
    .into();
    insta::assert_snapshot!(refusals.join("\n"), @r"
    f.yaml:8: KubernetesFederation c: nodeAgents: write a service account as `namespace/name`
    f.yaml:7: KubernetesFederation c: nodeAgents: `e.si` is no namespace: use 1 to 63 lower-case letters, digits and `-`, starting and ending with a letter or digit
    f.yaml:7: KubernetesFederation c: nodeAgents: `a/b` is no object name: use 1 to 253 lower-case letters, digits, `-` and `.`; each part between dots starts and ends with a letter or digit
    f.yaml:7: KubernetesFederation c: expected string scalar
    ");
    assert_eq!(shown(&with(&"- a/b\n".repeat(17))).lines().count(), 1);
}

#[test]
fn every_served_kind_is_read() {
    let spec = |kind: &str| match kind {
        "Fake" => "{data: {a: b}}",
        "PostgreSQL" => "{host: h, port: '5433', auth: {username: u, password: {name: s, key: k}}}",
        "VaultDynamicSecret" => "{path: p, provider: {server: 'https://v'}}",
        _ => "{}",
    };
    for kind in kind::SERVED {
        let text = FAKE.replace("kind: Fake", &format!("kind: {kind}"));
        let text = text.replace("spec:\n  data: {k: v}", &format!("spec: {}", spec(kind)));
        let file = yaml(&text);
        assert_eq!(shown(&file), "");
        assert!(
            matches!(file.documents[0].object, Some(Object::Generator { .. })),
            "{kind}"
        );
    }
}

#[test]
fn the_old_name_of_postgresql_and_annotations_are_kept_for_the_generator() {
    let text = "apiVersion: generators.external-secrets.io/v1alpha1
kind: PostgreSql
metadata:
  name: db
  namespace: p
  annotations: {esi.external-secrets.io/x: 'y'}
spec:
  host: h
  auth: {username: u, password: {name: s, key: k, namespace: p}}
";
    let file = yaml(text);
    assert_eq!(shown(&file), "");
    assert_eq!(identities(&file), ["1 PostgreSQL p/db"]);
    let Some(Object::Generator { annotations, spec }) = &file.documents[0].object else {
        panic!()
    };
    assert_eq!(annotations["esi.external-secrets.io/x"], "y");
    assert!(matches!(spec, GeneratorSpec::PostgreSql(spec) if spec.port == 5432));

    let foreign = yaml(&text.replace("namespace: p}}", "namespace: other}}"));
    insta::assert_snapshot!(shown(&foreign), @"f.yaml:1: PostgreSQL p/db: it names the namespace `other`; a generator reads Secrets of its own namespace only");
}

#[test]
fn a_list_is_read_as_its_items_with_their_lines() {
    let items = "apiVersion: v1
items:
- apiVersion: generators.external-secrets.io/v1alpha1
  kind: Fake
  metadata:
    name: one
    namespace: demo
# a comment at the edge
  spec:
    data:
      text: |
        a

        b
- apiVersion: generators.external-secrets.io/v1alpha1
  kind: Fake
  metadata: {name: two, namespace: demo}
  spec:
    dota: {}
kind: List
metadata: {}
";
    let file = yaml(items);
    insta::assert_snapshot!(shown(&file), @"f.yaml:19: Fake demo/two: unknown field `dota`, expected one of controller, data");
    assert_eq!(identities(&file), ["3 Fake demo/one", "15 Fake demo/two"]);
    let Some(Object::Generator {
        spec: GeneratorSpec::Fake(spec),
        ..
    }) = &file.documents[0].object
    else {
        panic!()
    };
    assert_eq!(spec.data["text"], "a\n\nb\n");

    let flow = yaml("apiVersion: v1\nkind: List\nitems: [{kind: Fake}]");
    insta::assert_snapshot!(shown(&flow), @r#"
    f.yaml:3: List: write each item of a List as a block of its own, without brackets, anchors or tags
    torn
    "#);
}

#[test]
fn json_is_read_with_its_lines() {
    let file = json(
        r#"{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "UUID",
	"metadata": {"name": "a", "namespace": "demo"}},
  {"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "Fake",
    "metadata": {"name": "b", "namespace": "demo"},
    "spec": {"data": {"emoji": "\ud83d\ude00"},
             "more": 1}}
]}"#,
    );
    insta::assert_snapshot!(shown(&file), @"f.json:7: Fake demo/b: unknown field `more`, expected one of controller, data");
    assert_eq!(identities(&file), ["2 UUID demo/a", "4 Fake demo/b"]);
    insta::assert_snapshot!(shown(&json("{\n\"a\": 1,\n}")), @r#"
    f.json:3: this JSON cannot be read: key must be a string
    torn
    "#);
    assert!(json("a: 1").torn, "YAML in a JSON file");
}
