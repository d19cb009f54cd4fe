//! `file-secrets` and `inject-on-file`.

use super::*;

#[test]
fn the_file_mode_writes_the_originals_file() {
    let binding = binding(&with(&[FILES]));
    assert_eq!(binding.mount_path.as_str(), "/secrets");
    assert_eq!(outputs(&binding.plan), ["secrets.json=json"]);
}

#[test]
fn both_modes_are_one_binding() {
    let binding = binding(&with(&[ENV, FILES, USER]));
    assert_eq!(outputs(&binding.plan), ["DB_USER=username", "secrets.json=json"]);
}

#[test]
fn a_files_directory_is_the_mount_path() {
    let asked = asked(&with(&[
        ENV,
        USER,
        (
            "old/inject-on-file",
            "/etc/app/db.json=db,/etc/app/tls/pw=db.password",
        ),
    ]));
    assert_eq!(asked.bindings[0].mount_path.as_str(), "/etc/app");
    assert_eq!(
        outputs(&asked.bindings[0].plan),
        ["DB_USER=username", "db.json=json", "tls/pw=.password"]
    );
    let warnings = asked.warnings.join("\n");
    assert!(
        warnings.contains("is written as JSON, which YAML parsers read too"),
        "{warnings}"
    );
    assert!(
        warnings.contains("takes the place of directory `/etc/app`"),
        "{warnings}"
    );
}

#[test]
fn the_originals_file_stands_beside_others_below_its_directory_only() {
    let beside = asked(&with(&[FILES, ("old/inject-on-file", "/secrets/pw=db.password")]));
    assert_eq!(
        outputs(&beside.bindings[0].plan),
        ["pw=.password", "secrets.json=json"]
    );
    assert_eq!(beside.warnings, [""; 0]);
    let elsewhere = asked(&with(&[FILES, ("old/inject-on-file", "/app/pw=db.password")]));
    assert_eq!(outputs(&elsewhere.bindings[0].plan), ["pw=.password"]);
    assert!(
        elsewhere.warnings[0].contains("`/secrets/secrets.json` is not written"),
        "{:?}",
        elsewhere.warnings
    );
}

#[test]
fn a_broken_file_is_refused_by_its_entry() {
    for (entry, said) in [
        ("/secrets/x", "write `/path=name`"),
        ("secrets/x=db", "write an absolute path"),
        ("/etc/passwd=db", "take the place of the directory `/etc`"),
        ("/x=db", "take the place of the directory `/`"),
        ("/secrets/../x=db", "write an absolute path"),
        ("/secrets/x=other", "names none of the generators"),
        ("/secrets/..x=db", "names that start with `..` are reserved"),
    ] {
        let text = refused("ask_malformed", &with(&[FILES, ("old/inject-on-file", entry)]));
        assert!(
            text.contains(&format!("/inject-on-file`, entry `{entry}`")),
            "{text}"
        );
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn several_generators_have_a_directory_each() {
    let text = refused("ask_incomplete", &with_two(&[FILES]));
    assert!(
        text.contains("inject-on-file: /secrets/db/secrets.json=db"),
        "{text}"
    );
    let each = (
        "old/inject-on-file",
        "/secrets/db/secrets.json=db,/secrets/cloud/secrets.json=cloud",
    );
    let asked = asked(&with_two(&[FILES, each]));
    let paths: Vec<_> = asked.bindings.iter().map(|one| one.mount_path.as_str()).collect();
    assert_eq!(paths, ["/secrets/db", "/secrets/cloud"]);
    let same = ("old/inject-on-file", "/secrets/db=db,/secrets/cloud=cloud");
    refused("ask_conflict", &with_two(&[FILES, same]));
}

#[test]
fn a_generator_of_which_nothing_is_seen_is_refused_with_the_line_to_write() {
    let text = refused("ask_incomplete", &with_two(&[ENV, USER]));
    assert!(
        text.contains("generator `VaultDynamicSecret/platform/cloud`"),
        "{text}"
    );
    assert!(text.contains("`DB_USER=cloud.username`"), "{text}");
}
