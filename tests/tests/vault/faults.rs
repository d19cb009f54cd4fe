//! What goes wrong at Vault or before it, and what the caller is told.

use std::time::Duration;

use esi_core::{Classify as _, Code, chain};
use esi_generators::GeneratorError;
use esi_tests::openbao::{Api, OpenBao};
use esi_tests::process::free_port;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::backend::*;
use super::support::*;

/// A manifest with a token that nobody checks.
fn towards(address: &str) -> Manifest {
    let auth = json!({"tokenSecretRef": {"name": "vault", "key": "token"}});
    Manifest::new(
        shared(),
        "database/creds/shop",
        (auth, Known::with("token", "s.nobody")),
    )
    .set_provider("server", json!(address))
}

/// Something that answers every connection with `answer`, after it has seen a request.
async fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            // A reader that has seen enough hangs up.
            stream.write_all(&answer).await.ok();
        }
    });
    address
}

fn http(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

#[tokio::test]
async fn a_policy_that_lacks_the_path_is_our_access_and_leaves_no_login() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    // The policy names the engine, so that its logins are found, and grants nothing there.
    let policy = format!("path \"{mount}/roles/x\" {{ capabilities = [\"read\"] }}\n{OWN_POLICY}");
    let auth = approle(bao, &policy, json!({})).await;
    let error = otp_manifest(bao, &mount, auth).build().issue().await.unwrap_err();
    assert!(matches!(error, GeneratorError::Refused { .. }), "{error:?}");
    assert!(chain(&error).contains("permission denied"), "{}", chain(&error));
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    assert_eq!(logins_of(bao, &mount).await, [""; 0]);
}

#[tokio::test]
async fn a_policy_that_lacks_revoking_keeps_the_revocation_pending() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let policy = format!("path \"{mount}/creds/otp\" {{ capabilities = [\"update\"] }}");
    let auth = approle(bao, &policy, json!({})).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    esi.steps.take();
    let error = esi.revoke(&issued.handle).await.unwrap_err();
    assert!(matches!(error, GeneratorError::Refused { .. }), "{error:?}");
    assert!(esi.steps.take().is_empty());
    assert_eq!(
        logins_of(bao, &mount).await,
        [issued.handle.text("accessor").unwrap()]
    );
}

#[tokio::test]
async fn a_wrong_secret_id_is_our_access_and_is_not_shown() {
    let bao = shared();
    let (auth, _) = approle(bao, OWN_POLICY, json!({})).await;
    let manifest = Manifest::new(
        bao,
        "database/creds/x",
        (auth, Known::with("secret-id", "hunter2-hunter2")),
    );
    let error = manifest.build().issue().await.unwrap_err();
    assert!(matches!(error, GeneratorError::Refused { .. }), "{error:?}");
    assert!(!format!("{error:?}{}", chain(&error)).contains("hunter2"));
}

#[tokio::test]
async fn a_path_that_is_not_there_is_a_request_that_stays_wrong() {
    let bao = shared();
    let policy = format!("path \"nowhere/*\" {{ capabilities = [\"read\"] }}\n{OWN_POLICY}");
    let auth = approle(bao, &policy, json!({})).await;
    let error = Manifest::new(bao, "nowhere/creds/x", auth)
        .build()
        .issue()
        .await
        .unwrap_err();
    assert!(matches!(error, GeneratorError::Rejected { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable() {
    let address = format!("http://127.0.0.1:{}", free_port().unwrap());
    let error = towards(&address).build().issue().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert!(matches!(error, GeneratorError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn what_does_not_speak_http_or_json_is_a_bad_answer_and_is_not_quoted() {
    let page = "<html>hunter2</html>";
    for answer in [
        b"\x16\x03hunter2 garbage\r\n\r\n".to_vec(),
        http("200 OK", page),
        http("200 OK", r#"{"lease_id": {"hunter2": 1}}"#),
        http("200 OK", r#"{"data": "hunter2"}"#),
        http("200 OK", &"x".repeat(3 * 1024 * 1024)),
    ] {
        let address = answering(answer).await;
        let error = towards(&address).build().issue().await.unwrap_err();
        assert!(matches!(error, GeneratorError::BadAnswer { .. }), "{error:?}");
        assert!(!format!("{error:?}{}", chain(&error)).contains("hunter2"));
    }
}

#[tokio::test]
async fn statuses_that_pass_are_unavailable_whatever_their_body() {
    for status in [
        "307 Temporary Redirect",
        "429 Too Many Requests",
        "500 Oops",
        "503 Sealed",
    ] {
        let address = answering(http(status, "<html>")).await;
        let error = towards(&address).build().issue().await.unwrap_err();
        assert!(
            matches!(error, GeneratorError::Unavailable { .. }),
            "{status}: {error:?}"
        );
    }
}

#[tokio::test]
async fn an_error_that_echoes_our_token_is_logged_without_it() {
    let address = answering(http("400 Bad Request", r#"{"errors":["bad token s.nobody"]}"#)).await;
    let error = towards(&address).build().issue().await.unwrap_err();
    let shown = format!("{error:?}{}", chain(&error));
    assert!(
        shown.contains("bad token") && !shown.contains("s.nobody"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_the_deadline() {
    // The kernel accepts; nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let limit = Duration::from_millis(300);
    let error = towards(&address)
        .build()
        .issue_for(HOUR, limit)
        .await
        .unwrap_err();
    let GeneratorError::Timeout { after, .. } = error else {
        panic!("{error:?}")
    };
    assert!(after <= limit, "{after:?}");
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_unavailable_and_no_token_is_sent() {
    let ours = OpenBao::durable().await.unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let error = towards(ours.api().address())
        .set_provider("caBundle", json!(other.cert.pem()))
        .build()
        .issue()
        .await
        .unwrap_err();
    assert!(matches!(error, GeneratorError::Unavailable { .. }), "{error:?}");
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
}

#[tokio::test]
async fn a_restart_ends_no_lease_and_while_vault_is_sealed_everything_waits() {
    let mut server = OpenBao::durable().await.unwrap();
    let bao: Api = server.api().clone();
    let mount = ssh_engine(&bao).await;
    let auth = approle(&bao, &otp_policy(&mount), json!({})).await;
    let manifest = otp_manifest(&bao, &mount, auth);
    let issued = manifest.build().issue().await.unwrap();
    let other = manifest.build().issue().await.unwrap();

    server.restart().unwrap();
    // A server of ours that has just been started, too: all that it has is the handle.
    let esi = manifest.build();
    for error in [
        esi.issue().await.unwrap_err(),
        esi.revoke(&issued.handle).await.unwrap_err(),
    ] {
        assert!(matches!(error, GeneratorError::Unavailable { .. }), "{error:?}");
    }
    assert!(esi.steps.take().is_empty());

    server.unseal().await.unwrap();
    assert_eq!(leases(&bao, &mount).await.len(), 2);
    assert!(otp_works(&bao, &mount, &value(&other, "key")).await);
    esi.revoke(&issued.handle).await.unwrap();
    assert!(!otp_works(&bao, &mount, &value(&issued, "key")).await);
    assert_eq!(leases(&bao, &mount).await.len(), 1);
}

#[tokio::test]
async fn the_end_of_our_own_access_ends_no_lease_and_with_new_access_it_is_revoked() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let (auth, known) = approle(bao, &otp_policy(&mount), json!({})).await;
    let manifest = otp_manifest(bao, &mount, (auth.clone(), known.clone()));
    let issued = manifest.build().issue().await.unwrap();

    let role = format!("auth/{}/role/esi", auth["appRole"]["path"].as_str().unwrap());
    bao.put(
        &format!("{role}/secret-id/destroy"),
        json!({"secret_id": known.values().next().unwrap()}),
    )
    .await
    .unwrap();
    let error = manifest.build().revoke(&issued.handle).await.unwrap_err();
    assert!(matches!(error, GeneratorError::Refused { .. }), "{error:?}");
    assert!(accessor_lives(bao, issued.handle.text("accessor").unwrap()).await);
    assert_eq!(leases(bao, &mount).await.len(), 1);

    let fresh = bao.put(&format!("{role}/secret-id"), json!({})).await.unwrap();
    let fresh = Known::with("secret-id", fresh["data"]["secret_id"].as_str().unwrap());
    let esi = otp_manifest(bao, &mount, (auth, fresh)).build();
    esi.revoke(&issued.handle).await.unwrap();
    assert!(!otp_works(bao, &mount, &value(&issued, "key")).await);
}

#[tokio::test]
async fn a_lease_is_not_said_to_have_ended_because_the_generator_points_elsewhere() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let policy = otp_policy(&mount);
    let auth = approle(bao, &policy, json!({"token_ttl": "1m"})).await;
    let issued = otp_manifest(bao, &mount, auth.clone())
        .build()
        .issue()
        .await
        .unwrap();

    let other = OpenBao::dev().unwrap();
    let elsewhere = approle(other.api(), &policy, json!({"token_ttl": "1m"})).await;
    let moved = otp_manifest(other.api(), &mount, elsewhere).build();
    let error = moved.revoke(&issued.handle).await.unwrap_err();
    assert!(
        matches!(
            error,
            GeneratorError::Misconfigured {
                field: "spec.provider.server",
                ..
            }
        ),
        "{error}"
    );
    assert!(chain(&error).contains(bao.address()), "{}", chain(&error));
    assert_eq!(
        leases(bao, &mount).await.len(),
        1,
        "it lives on where it was made"
    );

    // The same Vault under another name knows the login, and so is believed.
    let renamed = bao.address().replace("127.0.0.1", "localhost");
    assert_ne!(renamed, bao.address());
    let renamed = otp_manifest(bao, &mount, auth)
        .set_provider("server", json!(renamed))
        .build();
    renamed.revoke(&issued.handle).await.unwrap();
    assert!(leases(bao, &mount).await.is_empty());
}
