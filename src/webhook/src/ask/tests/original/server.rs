//! Which server is asked.

use super::*;

#[test]
fn the_server_url_selects_a_configured_server() {
    let binding = binding(&with(&[ENV, USER]));
    assert_eq!(binding.plan.server.as_str(), "default");
    let eu = ("old/federated-server-url", "HTTPS://EU.example.com:443/");
    assert_eq!(super::binding(&[eu, ONE, ENV, USER]).plan.server.as_str(), "eu");
}

#[test]
fn a_server_url_that_is_not_configured_is_refused_and_never_followed() {
    for url in [
        "https://evil.example",
        "http://esi-federation.esi.svc:8443",
        "https://esi-federation.esi.svc:8443/x",
        "https://esi-federation.esi.svc:8443@evil.example",
        "https://esi-federation.esi.svc",
        "default",
        "",
    ] {
        let text = refused(
            "ask_unknown_server",
            &[("old/federated-server-url", url), ONE, ENV, USER],
        );
        assert!(
            text.contains(&format!("configured: `{URL}`, `https://eu.example.com`")),
            "{text}"
        );
    }
}

#[test]
fn two_servers_with_one_url_cannot_be_told_apart() {
    let mut config = config();
    config
        .servers
        .insert("same".parse().unwrap(), server(&format!("{URL}/")));
    let error = ask_of(&annotations(&with(&[ENV, USER])), &World::default(), &config).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`default` and `same` are configured with this URL"),
        "{error}"
    );
}

#[test]
fn the_local_mode_is_refused_with_the_lines_to_write() {
    let text = refused("ask_not_offered", &[("old/externalsecret", "db"), ENV]);
    assert!(
        text.starts_with("annotation `secretless.externalsecrets.com/externalsecret`: "),
        "{text}"
    );
    assert!(
        text.contains("`esi.external-secrets.io/generator: Kind/shop/NAME`"),
        "{text}"
    );
    assert!(
        text.contains("`esi.external-secrets.io/env: DB_USER=username`"),
        "{text}"
    );
    assert!(refused("ask_not_offered", &[ENV]).contains("federated-server-url"));
}

#[test]
fn pods_authenticate_with_their_kubernetes_token_only() {
    let auth = |value| with(&[ENV, USER, ("old/federated-auth", value)]);
    assert_eq!(binding(&auth("kubernetes")), binding(&with(&[ENV, USER])));
    for other in ["spiffe", "okta", "pingidentity"] {
        let text = refused("ask_not_offered", &auth(other));
        assert!(
            text.contains(other) && text.contains("federated-auth: kubernetes"),
            "{text}"
        );
    }
    assert!(refused("ask_malformed", &auth("ldap")).contains("`ldap` is no authentication"));
}
