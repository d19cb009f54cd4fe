use std::time::Duration;

use esi_client::testing::{Fake, Method};
use esi_client::{Action, Budget, Client, Gone, Server, Shown, Token, TokenSource, read_servers};
use esi_core::{Generation, SecretBytes};

const SECOND: Duration = Duration::from_secs(1);

fn server(fake: &Fake) -> Server {
    let json = serde_json::json!({"default": {"url": fake.url, "ca": fake.authority.pem()}}).to_string();
    let mut servers = read_servers(&json, |_server| "/none".into()).unwrap();
    servers.pop_first().unwrap().1
}

fn given(text: &str) -> TokenSource {
    TokenSource::Given(Token::parse(&SecretBytes::from(text)).unwrap())
}

fn shown(pod: &str, generation: u64) -> Shown {
    Shown {
        pod: pod.parse().unwrap(),
        binding: "db".parse().unwrap(),
        generation: Generation::new(generation),
    }
}

#[tokio::test]
async fn one_connection_serves_many_callers_and_each_shows_its_own_token() {
    let fake = Fake::start().await;
    let client = Client::new(&server(&fake), "test").unwrap();
    let binding = "db".parse().unwrap();
    for token in ["first", "second"] {
        let caller = client.showing(given(token));
        caller.revoke(&binding, Budget::of(SECOND)).await.unwrap();
    }
    let tokens: Vec<_> = fake.calls().into_iter().map(|call| call.authorization).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer second"]);
    // Its own is in a file that is not there.
    assert!(client.revoke(&binding, Budget::of(SECOND)).await.is_err());
}

#[tokio::test]
async fn a_node_reports_bindings_of_many_pods_and_each_verdict_is_at_its_place() {
    let fake = Fake::start().await;
    let client = Client::new(&server(&fake), "test")
        .unwrap()
        .showing(given("node"));
    let report = client
        .report_shown(&[shown("pod-1", 1), shown("pod-2", 7)], Budget::of(SECOND))
        .await
        .unwrap();
    let actions: Vec<_> = report.verdicts.iter().map(|verdict| verdict.action).collect();
    assert_eq!(actions, [Action::Keep, Action::Keep]);
    assert_eq!(fake.calls_of(Method::Report)[0].binding, "pod-1/db@1,pod-2/db@7");
}

#[tokio::test]
async fn a_node_gives_back_volumes_with_the_last_generation_that_it_knows() {
    let fake = Fake::start().await;
    let client = Client::new(&server(&fake), "test")
        .unwrap()
        .showing(given("node"));
    let gone = |pod: &str, generation| Gone {
        pod: pod.parse().unwrap(),
        binding: "db".parse().unwrap(),
        generation,
    };
    let volumes = [gone("pod-1", Some(Generation::new(3))), gone("pod-2", None)];
    client.release(&volumes, Budget::of(SECOND)).await.unwrap();
    assert_eq!(fake.calls_of(Method::Revoke)[0].binding, "pod-1/db@3,pod-2/db@");
}
