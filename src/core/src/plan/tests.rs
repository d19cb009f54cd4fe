use std::time::Duration;

use proptest::prelude::*;

use super::{Content, EnvMethod, EnvValue, Format, Plan, PlanError, Source, limits};
use crate::classify::chain;

const DESIGN_EXAMPLE: &str = r#"{"version":1,"binding":"db","server":"default",
 "source":{"generator":{"kind":"PostgreSQL","namespace":"platform","name":"shop"}},"ttl":"1h",
 "env":[{"name":"DB_USER","key":"username"},{"name":"DATABASE_URL","template":"postgres://{{ username | urlencode }}@db"}],
 "files":[{"path":"db.json","format":"json"},{"path":"password","key":"password","mode":"0400"}]}"#;

/// The example with one piece of text replaced.
fn plan_with(from: &str, to: &str) -> String {
    assert!(DESIGN_EXAMPLE.contains(from), "the example has no {from}");
    DESIGN_EXAMPLE.replace(from, to)
}

fn refusal(text: &str) -> String {
    chain(&Plan::parse(text).unwrap_err())
}

#[test]
fn the_designs_example_is_read() {
    let plan = Plan::parse(DESIGN_EXAMPLE).unwrap();
    assert_eq!(plan.binding.as_str(), "db");
    assert_eq!(plan.ttl, Some(Duration::from_secs(3600)));
    assert!(matches!(&plan.source, Source::Generator(g) if g.to_string() == "PostgreSQL/platform/shop"));
    assert!(matches!(&plan.env[1].value, EnvValue::Template(text) if text.contains("urlencode")));
    assert_eq!(plan.files[0].content, Content::Format(Format::Json));
    let modes: Vec<u32> = plan
        .files
        .iter()
        .map(|file| file.effective_mode().bits())
        .collect();
    assert_eq!(modes, [0o440, 0o400]);
}

#[test]
fn a_plan_reads_back_what_it_writes() {
    let plan = Plan::parse(DESIGN_EXAMPLE).unwrap();
    assert_eq!(Plan::parse(&plan.to_json()).unwrap(), plan);
}

#[test]
fn what_is_not_said_is_not_written_so_that_older_readers_still_read_it() {
    let text = Plan::parse(DESIGN_EXAMPLE).unwrap().to_json();
    for absent in ["overlap", "envMethod", "allKeys", "envMode"] {
        assert!(!text.contains(absent), "{text}");
    }
    // The writer may yet fill in the mode of the one, and must keep that of the other.
    assert_eq!(text.matches(r#""mode":"#).count(), 1, "{text}");
}

#[test]
fn every_key_may_become_a_variable_only_where_kubernetes_need_not_know_the_names() {
    let with = |said: &str| plan_with(r#""ttl":"1h""#, said);
    let plan = Plan::parse(&with(r#""envMethod":"exec","allKeys":true,"overlap":"5m""#)).unwrap();
    assert!(plan.all_keys);
    assert_eq!(plan.env_method, EnvMethod::Exec);
    assert_eq!(plan.overlap, Some(Duration::from_secs(300)));
    assert_eq!(Plan::parse(&plan.to_json()).unwrap(), plan);
    assert!(plan.has_environ());
    assert!(refusal(&with(r#""allKeys":true"#)).starts_with("allKeys: "));
    assert!(refusal(&with(r#""overlap":"25h""#)).starts_with("overlap: "));
    assert!(refusal(&with(r#""envMethod":"shell""#)).contains("shell"));
}

#[test]
fn the_file_of_variables_is_no_other_file_where_there_is_one() {
    let path = |path: &str, method: &str| {
        plan_with(r#""path":"password""#, &format!(r#""path":"{path}""#))
            .replace(r#""ttl":"1h""#, &format!(r#""envMethod":"{method}""#))
    };
    for taken in [".environ", ".environ/a"] {
        let refusal = refusal(&path(taken, "exec"));
        assert!(refusal.starts_with("files[1].path: `.environ`"), "{refusal}");
        assert!(!Plan::parse(&path(taken, "file")).unwrap().has_environ());
    }
    assert!(Plan::parse(&path(".environment", "exec")).unwrap().has_environ());
}

#[test]
fn who_may_read_the_file_of_variables_is_said_only_where_there_is_one() {
    let with = |said: &str| plan_with(r#""ttl":"1h""#, said);
    let plan = Plan::parse(&with(r#""envMethod":"exec","envMode":"0444""#)).unwrap();
    assert_eq!(plan.env_mode.unwrap().bits(), 0o444);
    assert_eq!(Plan::parse(&plan.to_json()).unwrap(), plan);
    assert!(refusal(&with(r#""envMode":"0444""#)).starts_with("envMode: "));
    assert!(refusal(&with(r#""envMethod":"exec","envMode":"0446""#)).starts_with("envMode: "));
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    assert!(refusal(&plan_with(r#""ttl":"#, r#""tttl":"#)).contains("tttl"));
    assert!(refusal(&plan_with(r#""mode":"0400""#, r#""owner":"root""#)).contains("owner"));
}

#[test]
fn a_newer_version_is_named_before_its_fields() {
    let text = plan_with(r#""version":1"#, r#""version":2,"future":true"#);
    assert!(matches!(
        Plan::parse(&text).unwrap_err(),
        PlanError::Version { version: 2 }
    ));
}

#[test]
fn paths_that_leave_or_repeat_are_refused_with_their_place() {
    assert!(refusal(&plan_with(r#""path":"password""#, r#""path":"../x""#)).starts_with("files[1].path: "));
    assert!(refusal(&plan_with(r#""path":"password""#, r#""path":"/x""#)).starts_with("files[1].path: "));
    assert!(
        refusal(&plan_with(r#""path":"password""#, r#""path":"db.json""#)).contains("cannot both be files")
    );
    assert!(
        refusal(&plan_with(r#""path":"password""#, r#""path":"db.json/x""#)).contains("cannot both be files")
    );
}

#[test]
fn a_variable_named_twice_is_refused() {
    assert_eq!(
        refusal(&plan_with("DATABASE_URL", "DB_USER")),
        "env[1].name: `DB_USER` is there twice"
    );
}

#[test]
fn an_output_has_exactly_one_origin() {
    assert!(
        refusal(&plan_with(r#""key":"username""#, r#""key":"a","template":"b""#)).starts_with("env[0]: ")
    );
    assert!(refusal(&plan_with(r#","format":"json""#, "")).starts_with("files[0]: "));
}

#[test]
fn a_source_is_exactly_one() {
    let text = plan_with(
        r#"{"generator":{"kind":"PostgreSQL","namespace":"platform","name":"shop"}}"#,
        "{}",
    );
    assert!(refusal(&text).starts_with("source: "));
}

#[test]
fn a_mode_that_lets_others_write_is_refused() {
    for mode in ["0402", "4755", "0999", "rw", "07777"] {
        assert!(
            refusal(&plan_with("0400", mode)).starts_with("files[1].mode: "),
            "{mode} was taken"
        );
    }
}

#[test]
fn ten_megabytes_are_refused_without_being_read() {
    let text = " ".repeat(10_000_000);
    assert!(matches!(
        Plan::parse(&text).unwrap_err(),
        PlanError::TooLarge { bytes: 10_000_000 }
    ));
}

#[test]
fn counts_are_bounded() {
    let files: Vec<String> = (0..=limits::MAX_FILES)
        .map(|n| format!(r#"{{"path":"f{n}","format":"json"}}"#))
        .collect();
    let text = format!(
        r#"{{"version":1,"binding":"db","source":{{"generator":{{"kind":"A","namespace":"b","name":"c"}}}},"files":[{}]}}"#,
        files.join(",")
    );
    assert_eq!(refusal(&text), "files: there are 65; at most 64 are allowed");
}

#[test]
fn many_plans_are_read_and_a_problem_names_the_plan() {
    assert_eq!(Plan::parse_many(&format!("[{DESIGN_EXAMPLE}]")).unwrap().len(), 1);
    let alone = Plan::parse_many(DESIGN_EXAMPLE).unwrap_err();
    assert_eq!(
        alone.to_string(),
        "plans: write a JSON array, also around a single plan: `[{…}]`"
    );
    let twice = Plan::parse_many(&format!("[{DESIGN_EXAMPLE},{DESIGN_EXAMPLE}]")).unwrap_err();
    assert_eq!(twice.to_string(), "[1].binding: `db` is there twice");
    let bad = Plan::parse_many(&format!("[{}]", plan_with("1h", "1x"))).unwrap_err();
    assert!(bad.to_string().starts_with("[0].ttl: "), "{bad}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in ".{0,200}") {
        drop(Plan::parse(&text));
        drop(Plan::parse_many(&text));
    }

    #[test]
    fn any_change_of_one_byte_is_read_back_equal_or_refused(at in 0..DESIGN_EXAMPLE.len(), byte in 0_u8..128) {
        let mut bytes = DESIGN_EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(plan) = Plan::parse(&text)
        {
            prop_assert_eq!(Plan::parse(&plan.to_json()).unwrap(), plan);
        }
    }
}
