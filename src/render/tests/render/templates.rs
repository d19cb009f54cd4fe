//! What templates can say, and what they cannot do.

use super::support::{credential, file, plan, template};
use esi_core::{Classify as _, Code, chain};
use esi_render::{Fault, TemplateProblem};
use proptest::prelude::*;
use serde_json::json;

/// A value that no message may have.
const CANARY: &str = "s3cr3t-hunter2-canary";

fn problem(source: &str) -> TemplateProblem {
    let values = credential(&[
        ("user", b"app"),
        ("password", CANARY.as_bytes()),
        ("access-key", b"AK"),
    ]);
    match template(source, &values).unwrap_err().fault() {
        Fault::Template { problem, .. } => problem.clone(),
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn a_connection_string_survives_any_password() {
    let values = credential(&[
        ("username", b"app@shop"),
        ("password", "p/w:@?#%& é'\"".as_bytes()),
    ]);
    let source = "postgres://{{ username | urlencode }}:{{ password | urlencode }}@db:5432/shop";
    assert_eq!(
        template(source, &values).unwrap(),
        "postgres://app%40shop:p%2Fw%3A%40%3F%23%25%26%20%C3%A9%27%22@db:5432/shop"
    );
}

#[test]
fn what_is_written_is_what_comes_out() {
    let values = credential(&[("password", b"<'\"&>\\")]);
    assert_eq!(
        template("a = \"{{ password }}\"\n\n", &values).unwrap(),
        "a = \"<'\"&>\\\"\n\n",
        "nothing is escaped, and line feeds stay"
    );
    assert_eq!(template("", &values).unwrap(), "");
}

#[test]
fn filters_take_values_into_json_and_base64() {
    let values = credential(&[("user", b"u"), ("password", b"a\"b\\\n")]);
    let text = template("{{ password | tojson }}", &values).unwrap();
    assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "a\"b\\\n");
    assert_eq!(
        template("{{ (user ~ ':' ~ user) | b64encode }}", &values).unwrap(),
        "dTp1"
    );
    let all = template("{{ credential | tojson }}", &values).unwrap();
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all, json!({"user": "u", "password": "a\"b\\\n"}));
}

#[test]
fn keys_that_are_no_identifiers_are_in_the_map_of_all() {
    let values = credential(&[("access-key", b"AK"), ("b", b"2")]);
    assert_eq!(template("{{ credential['access-key'] }}", &values).unwrap(), "AK");
    let each = "{% for key in credential %}{{ key }}={{ credential[key] }};{% endfor %}";
    assert_eq!(template(each, &values).unwrap(), "access-key=AK;b=2;");
    let own = credential(&[("credential", b"mine")]);
    assert_eq!(template("{{ credential }}", &own).unwrap(), "mine");
}

#[test]
fn conditions_may_ask_whether_a_key_is_there() {
    let values = credential(&[("password", b"p")]);
    let source = "{% if port is defined %}{{ port }}{% else %}5432{% endif %} {{ host | default('db') }}";
    assert_eq!(template(source, &values).unwrap(), "5432 db");
}

#[test]
fn a_misspelt_key_is_an_error_in_every_position_and_named() {
    for source in [
        "{{ pasword }}",
        "{{ pasword | urlencode }}",
        "{{ pasword | b64encode }}",
        "{{ pasword | tojson }}",
        "{{ pasword | upper }}",
        "{{ user ~ pasword }}",
        "{{ (pasword ~ 'x') | b64encode }}",
        "{% if pasword %}{% endif %}",
        "{% for char in pasword %}{% endfor %}",
        "{{ pasword.length }}",
    ] {
        let TemplateProblem::Undefined { names, available } = problem(source) else {
            panic!("{source}: {:?}", problem(source));
        };
        assert_eq!(names, "`pasword`", "{source}");
        assert_eq!(
            available,
            "of the credential, it has `access-key`, `password`, `user`"
        );
    }
    assert_eq!(problem("{{ pasword + 'x' }}"), TemplateProblem::Operation);
    let TemplateProblem::Undefined { names, .. } = problem("{{ credential['nope'] }}") else {
        panic!();
    };
    assert_eq!(names, "a key, attribute or variable");
}

#[test]
fn what_no_credential_could_satisfy_is_found_without_one() {
    let checked = |source: &str| {
        let env = json!([{"name": "A", "key": "absent"}, {"name": "B", "template": source}]);
        esi_render::check(&plan(&env, &json!([])))
    };
    for bad in ["{{ password", "{% if x %}", "{{ x | nofilter }}", "{{ f() }}"] {
        let error = checked(bad).unwrap_err();
        assert_eq!(error.place(), "env[1] `B`", "{bad}");
    }
    assert!(checked("{{ whatever | urlencode }}").is_ok());
    let file = json!([{"path": "a", "template": "{{"}]);
    assert_eq!(
        esi_render::check(&plan(&json!([]), &file)).unwrap_err().place(),
        "files[0] `a`"
    );
}

#[test]
fn the_line_and_the_output_of_a_mistake_are_named() {
    let values = credential(&[("user", b"u")]);
    let error = file(json!({"template": "a\nb\n{{ user | nope }}"}), &values).unwrap_err();
    assert_eq!(
        error.to_string(),
        "files[0] `out`: the template (line 3) uses the filter `nope`, which templates do not have; they have \
         b64encode, capitalize, d, default, indent, int, length, lower, replace, string, tojson, trim, upper, \
         urlencode"
    );
    let error = file(json!({"template": "a\n{{ user"}), &values).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("files[0] `out`: the template (line 2) is not valid: "),
        "{text}"
    );

    let plan = plan(
        &json!([{"name": "A", "key": "user"}, {"name": "B", "template": "{{ x }}"}]),
        &json!([]),
    );
    let error = esi_render::render(&plan, &values).unwrap_err();
    assert_eq!(error.place(), "env[1] `B`");
}

#[test]
fn no_error_has_a_value_in_it() {
    let values = credential(&[
        ("password", CANARY.as_bytes()),
        ("n", b"7"),
        ("binary", b"s3cr3t\xff"),
    ]);
    for source in [
        "{{ password + 1 }}",
        "{{ password * password }}",
        "{{ password - 1 }}",
        "{{ password // 2 }}",
        "{{ -password }}",
        "{{ password.foo.bar }}",
        "{{ password() }}",
        "{{ password.upper() }}",
        "{{ password | int }}",
        "{{ password | float }}",
        "{{ password | round }}",
        "{{ password | items }}",
        "{{ password | dictsort }}",
        "{{ password | batch(0) }}",
        "{{ password | format }}",
        "{{ '%d' | format(password) }}",
        "{{ '%*d' | format(password, password) }}",
        "{{ password | format(1, 2, 3) }}",
        "{{ n | indent(password) }}",
        "{{ n | nope(password) }}",
        "{{ n is nope(password) }}",
        "{{ [1, 2][password].x }}",
        "{{ {'a': 1}[password].x }}",
        "{{ {password: 1}.x.y }}",
        "{{ {[password]: 1} }}",
        "{{ dict(password) }}",
        "{{ range(password) }}",
        "{{ [password] | sum }}",
        "{{ [password, 1] | sort | join(password, 2, 3) }}",
        "{{ [password] | map(password) | list }}",
        "{{ [password] | map('nope') | list }}",
        "{{ [password] | select(password) | list }}",
        "{{ [1] | groupby(password) | list }}",
        "{{ password[password:password:password] }}",
        "{{ password[1:2:0] }}",
        "{{ password in 5 }}",
        "{{ 5 in password }}",
        "{% for a, b in [password] %}{% endfor %}",
        "{% for a, b in [[password]] %}{% endfor %}",
        "{% set a, b = password %}",
        "{% set a, b = [password] %}",
        "{{ credential[password].x }}",
        "{{ credential.password.x.y }}",
        "{% autoescape password %}{{ password }}{% endautoescape %}",
        "{% filter nope(password) %}{% endfilter %}",
        "{{ password | replace(1) }}",
        "{{ password | attr(1).x }}",
        "{{ password | urlencode(password) }}",
        "{{ password | b64encode(password) }}",
        "{{ password | tojson(password) }}",
        "{{ binary }}",
    ] {
        match file(json!({"template": source}), &values) {
            // Some of these are merely odd.
            Ok(_) => {}
            Err(error) => {
                let text = format!("{} {error:?}", chain(&error));
                assert!(
                    !text.contains("s3cr3t") && !text.contains("hunter2"),
                    "{source}: {text}"
                );
            }
        }
    }
}

#[test]
fn nothing_outside_the_values_can_be_reached() {
    for source in [
        "{% include '/etc/passwd' %}",
        "{% import '/etc/passwd' as x %}",
        "{% extends '/etc/passwd' %}",
        "{% block x %}{% endblock %}",
        "{% macro x() %}{% endmacro %}",
        "{% call x() %}{% endcall %}",
    ] {
        assert!(
            matches!(problem(source), TemplateProblem::Syntax { .. }),
            "{source}"
        );
    }
    for source in [
        "{{ debug() }}",
        "{{ namespace() }}",
        "{{ range(3) }}",
        "{{ user.upper() }}",
        "{{ [user] }}",
        "{{ {'a': user} }}",
        "{{ (user, user) }}",
        "{% set x = user, user %}",
        "{{ user in ['u', 'v'] }}",
        "{{ user[1:] }}",
        "{{ none[1:] }}",
        "{% set user.x = 1 %}",
        "{% set a, b = user %}",
        "{% autoescape true %}{% endautoescape %}",
    ] {
        let problem = problem(source);
        assert!(
            matches!(problem, TemplateProblem::Forbidden { .. }),
            "{source}: {problem:?}"
        );
    }
    for source in [
        "{{ credential | items }}",
        "{{ user | list }}",
        "{{ user is sameas user }}",
    ] {
        assert!(
            matches!(problem(source), TemplateProblem::Unknown { .. }),
            "{source}"
        );
    }
}

#[test]
fn bombs_end_at_once_in_a_typed_error() {
    let doublings = format!(
        "{{% set x = user %}}{}{{{{ x }}}}",
        "{% set x = x ~ x %}".repeat(60)
    );
    let sums = format!(
        "{{% set x = user %}}{}{{{{ x }}}}",
        "{% set x = x + x %}".repeat(60)
    );
    let lists = format!(
        "{{% set x = [user] %}}{}{{{{ x ~ x }}}}",
        "{% set x = [x, x] %}".repeat(60)
    );
    let map = format!(
        "{{% set x = credential %}}{}{{{{ x }}}}",
        "{% set x = x ~ x %}".repeat(60)
    );
    let captured = format!(
        "{{% set x = user %}}{}",
        "{% set x %}{{ x }}{{ x }}{% endset %}".repeat(60)
    );
    let folded = |open: &str, close: &str| {
        let deep = format!("{}1{}", open.repeat(8), close.repeat(8));
        format!("{{{{ {deep} == {deep} }}}}")
    };
    let (folded_lists, folded_tuples) = (folded("[", "]*30"), folded("(", ",)*30"));
    let big = "{% set a = 'x' * 60000 %}{% set b = a ~ a ~ a ~ a ~ a ~ a ~ a ~ a %}";
    let loops = format!(
        "{big}{}{}",
        "{% for c in b %}".repeat(20),
        "{% endfor %}".repeat(20)
    );
    let long = "{{ user }}".repeat(1000);
    for source in [
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ 'x' * 99999999 }}",
        "{{ user * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ 'x' | indent(10**9) }}",
        "{{ user | indent(99999999) }}",
        "{{ ('x' * 1000000) | replace('', 'y' * 1000000) }}",
        "{{ ('x' * 1000000) | urlencode | urlencode | urlencode | urlencode | urlencode }}",
        "{{ user | tojson(indent=10**9) }}",
        "{{ 10 ** 10 ** 10 }}",
        &doublings,
        &sums,
        &lists,
        &map,
        &captured,
        &folded_lists,
        &folded_tuples,
        &loops,
        &long,
    ] {
        let problem = problem(source);
        let bounded = matches!(
            problem,
            TemplateProblem::OutOfFuel | TemplateProblem::Operation | TemplateProblem::Forbidden { .. }
        );
        assert!(bounded, "{source:.60}: {problem:?}");
    }
}

#[test]
fn deep_templates_are_refused_and_do_not_exhaust_the_stack() {
    let parens = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let lists = format!("{{{{ {}{} }}}}", "[".repeat(5000), "]".repeat(5000));
    let ifs = format!("{}{}", "{% if 1 %}".repeat(700), "{% endif %}".repeat(700));
    let nots = format!("{{{{ {}1 }}}}", "not ".repeat(3000));
    let minus = format!("{{{{ {}1 }}}}", "-".repeat(12_000));
    let pipes = format!("{{{{ user{} }}}}", "|upper".repeat(2500));
    let dots = format!("{{{{ user{} }}}}", ".a".repeat(7000));
    let tildes = format!("{{{{ user{} }}}}", "~user".repeat(2500));
    let powers = format!("{{{{ 1{} }}}}", "**1".repeat(4000));
    let subscripts = format!("{{{{ user{} }}}}", "[0]".repeat(660));
    let elifs = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(490));
    let longest = format!("{{{{ {}user }}}}", "-".repeat(1990));
    let withs = format!(
        "{}{}",
        "{% with a = 1 %}".repeat(300),
        "{% endwith %}".repeat(300)
    );
    let values = credential(&[("user", b"u")]);
    for source in [
        parens, lists, ifs, nots, minus, pipes, dots, tildes, powers, subscripts, elifs, longest, withs,
    ] {
        // An answer of either kind will do; that there is one is the point.
        drop(template(&source, &values));
    }
}

#[test]
fn all_templates_of_a_binding_share_one_budget() {
    let half = "{% for char in user %}{% endfor %}";
    let values = credential(&[("user", &[b'u'; 15_000])]);
    assert!(file(json!({"template": half}), &values).is_ok());
    let files: Vec<_> = (0..10)
        .map(|index| json!({"path": index.to_string(), "template": half}))
        .collect();
    let error = esi_render::render(&plan(&json!([]), &json!(files)), &values).unwrap_err();
    assert!(
        matches!(
            error.fault(),
            Fault::Template {
                problem: TemplateProblem::OutOfFuel,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.code(), Code::ResourceExhausted);
}

#[test]
fn a_binding_is_bounded_in_all() {
    let values = credential(&[("big", &vec![1; 1024 * 1024])]);
    let four: Vec<_> = (0..4)
        .map(|index| json!({"path": index.to_string(), "key": "big"}))
        .collect();
    assert!(esi_render::render(&plan(&json!([]), &json!(four)), &values).is_ok());
    let mut five = four;
    five.push(json!({"path": "x", "format": "json"}));
    let error = esi_render::render(&plan(&json!([]), &json!(five)), &values).unwrap_err();
    assert_eq!(error.fault(), &Fault::TooLarge);
    assert_eq!(error.place(), "files[4] `x`");
}

#[test]
fn a_key_that_the_credential_lacks_is_named_with_those_it_has() {
    let values = credential(&[("username", b"u"), ("password", b"p")]);
    let error = file(json!({"key": "pasword"}), &values).unwrap_err();
    assert_eq!(
        error.to_string(),
        "files[0] `out`: the credential has no key `pasword`; it has `password`, `username`"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_template_ends_in_an_output_or_an_error_without_a_value(
        parts in proptest::collection::vec(prop_oneof![
            Just("{{ "), Just(" }}"), Just("{% "), Just(" %}"), Just("password"), Just("credential"), Just("user"),
            Just(" ~ "), Just(" + "), Just(" * "), Just(" ** "), Just(" | "), Just(" is "), Just(" not "), Just("-"),
            Just("("), Just(")"), Just("["), Just("]"), Just("{"), Just("}"), Just(","), Just("'x'"), Just("999999"),
            Just("for a in "), Just("endfor"), Just("set a = "), Just("if "), Just("endif"), Just("else"), Just("a"),
            Just("indent"), Just("replace"), Just("tojson"), Just("urlencode"), Just("int"), Just("."), Just("loop"),
        ], 0..40),
    ) {
        let values = credential(&[("user", b"app"), ("password", CANARY.as_bytes())]);
        if let Err(error) = file(json!({"template": parts.concat()}), &values) {
            let text = format!("{} {error:?}", chain(&error));
            prop_assert!(!text.contains("hunter2"), "{}", text);
        }
    }

    #[test]
    fn any_expression_of_any_shape_ends(
        parts in proptest::collection::vec(prop_oneof![
            Just("password"), Just("credential"), Just("user"), Just("7"), Just("(user ~ 'x')"), Just("loop"),
        ], 1..12),
        operators in proptest::collection::vec(prop_oneof![
            Just(" ~ "), Just(" + "), Just(" * "), Just(" - "), Just(" in "), Just(" == "), Just(" | replace('a', user) ~ "),
            Just(" | length * "), Just(" | tojson ~ "), Just(" | indent(9) + "), Just(" < "), Just(" and "), Just(" or "),
        ], 12),
        wrap in prop_oneof![Just("{% for c in password %}"), Just("{% if user %}"), Just("{% set a = user %}")],
    ) {
        let values = credential(&[("user", b"app"), ("password", CANARY.as_bytes())]);
        let expression: String = parts.iter().zip(&operators).flat_map(|(part, operator)| [*part, *operator]).collect();
        let end = if wrap.contains("for") { "{% endfor %}" } else if wrap.contains("if") { "{% endif %}" } else { "" };
        let source = format!("{wrap}{{{{ {expression}user }}}}{end}");
        if let Err(error) = file(json!({"template": source}), &values) {
            let text = format!("{} {error:?}", chain(&error));
            prop_assert!(!text.contains("hunter2"), "{}", text);
        }
    }
}
