//! Forged, confused and honest tokens. Every key and signature here is real.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esi_core::{ManualClock, Timestamp};
use esi_resources::catalog::SnapshotBuilder;
use esi_resources::federation::KubernetesFederation;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://kubernetes.default.svc";

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A cluster's signing key.
struct Signer {
    id: &'static str,
    algorithm: &'static str,
    pair: Pair,
    public: Value,
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn ec(id: &'static str) -> Self {
        Self::curve(id, "ES256", "P-256", 32, &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    fn curve(
        id: &'static str,
        algorithm: &'static str,
        curve: &str,
        size: usize,
        signing: &'static EcdsaSigningAlgorithm,
    ) -> Self {
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let (x, y) = (b64(&point[1..=size]), b64(&point[size + 1..]));
        let public = json!({ "kty": "EC", "crv": curve, "kid": id, "x": x, "y": y });
        Self {
            id,
            algorithm,
            pair: Pair::Ec(pair),
            public,
        }
    }

    fn rsa(id: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
        let public = json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": id,
            "n": b64(n.big_endian_without_leading_zero()), "e": b64(e.big_endian_without_leading_zero())
        });
        Self {
            id,
            algorithm: "RS256",
            pair: Pair::Rsa(pair),
            public,
        }
    }

    fn ed(id: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public =
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": b64(pair.public_key().as_ref()) });
        Self {
            id,
            algorithm: "EdDSA",
            pair: Pair::Ed(pair),
            public,
        }
    }

    fn signature(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, signed).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    fn token(&self, claims: &Value) -> SecretBytes {
        self.token_with(
            &json!({ "alg": self.algorithm, "kid": self.id, "typ": "JWT" }),
            claims,
        )
    }

    fn token_with(&self, header: &Value, claims: &Value) -> SecretBytes {
        let signed = format!(
            "{}.{}",
            b64(header.to_string().as_bytes()),
            b64(claims.to_string().as_bytes())
        );
        let signature = b64(&self.signature(signed.as_bytes()));
        SecretBytes::from(format!("{signed}.{signature}"))
    }

    fn federation(&self, name: &str) -> KubernetesFederation {
        KubernetesFederation {
            name: name.parse().unwrap(),
            url: None,
            ca_bundle: None,
            issuer: Some(ISSUER.to_owned()),
            audiences: vec![],
            jwks: Some(json!({ "keys": [self.public] })),
            node_agents: vec![],
        }
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "system:serviceaccount:shop:web", "aud": ["esi"],
        "iat": NOW, "nbf": NOW, "exp": NOW + 3600,
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": { "name": "web", "uid": "sa-1" },
            "pod": { "name": "web-0", "uid": "pod-1" },
            "node": { "name": "node-a", "uid": "node-1" }
        }
    })
}

/// The usual claims with one of them changed; `null` removes it.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn authenticator(federations: Vec<KubernetesFederation>) -> Authenticator {
    let snapshot = federations
        .into_iter()
        .fold(SnapshotBuilder::new(), SnapshotBuilder::federation)
        .build();
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    Authenticator::new(Catalog::fixed(snapshot), clock, "esi".to_owned())
}

async fn verdict(signer: &Signer, claims: &Value) -> Result<Principal, AuthenticateError> {
    authenticator(vec![signer.federation("prod")])
        .authenticate(&signer.token(claims))
        .await
}

async fn refusal(signer: &Signer, claims: &Value) -> AuthenticateError {
    verdict(signer, claims).await.unwrap_err()
}

#[tokio::test]
async fn a_bound_token_speaks_for_its_pod_under_every_accepted_algorithm() {
    let signers = [
        Signer::rsa("k"),
        Signer::ec("k"),
        Signer::curve("k", "ES384", "P-384", 48, &ECDSA_P384_SHA384_FIXED_SIGNING),
        Signer::curve("k", "ES512", "P-521", 66, &ECDSA_P521_SHA512_FIXED_SIGNING),
        Signer::ed("k"),
    ];
    for signer in &signers {
        let principal = verdict(signer, &claims()).await.unwrap();
        assert_eq!(principal.federation.as_str(), "prod", "{}", signer.algorithm);
        assert_eq!(principal.subject, "system:serviceaccount:shop:web");
        assert_eq!(principal.pod.unwrap().1.as_str(), "pod-1");
        assert_eq!(principal.node.unwrap().as_str(), "node-a");
    }
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let signer = Signer::ec("k");
    let token = signer.token(&claims());
    let (signed, signature) = token.expose_str().unwrap().rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let mut forged = claims();
    forged["sub"] = json!("system:serviceaccount:shop:admin");
    let forged = format!("{header}.{}.{signature}", b64(forged.to_string().as_bytes()));
    let error = authenticator(vec![signer.federation("prod")])
        .authenticate(&forged.into())
        .await
        .unwrap_err();
    assert!(matches!(error, AuthenticateError::Signature), "{error}");
}

#[tokio::test]
async fn algorithm_none_and_a_public_key_used_as_a_shared_secret_are_refused() {
    let signer = Signer::rsa("k");
    let authenticator = authenticator(vec![signer.federation("prod")]);
    let unsigned = format!(
        "{}.{}.",
        b64(br#"{"alg":"none","kid":"k"}"#),
        b64(claims().to_string().as_bytes())
    );
    let error = authenticator.authenticate(&unsigned.into()).await.unwrap_err();
    assert!(matches!(error, AuthenticateError::Algorithm { .. }), "{error}");

    let signed = format!(
        "{}.{}",
        b64(br#"{"alg":"HS256","kid":"k"}"#),
        b64(claims().to_string().as_bytes())
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, signer.public.to_string().as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    let error = authenticator
        .authenticate(&format!("{signed}.{}", b64(tag.as_ref())).into())
        .await
        .unwrap_err();
    assert!(matches!(error, AuthenticateError::Algorithm { .. }), "{error}");
}

#[tokio::test]
async fn a_key_verifies_no_other_algorithm_than_its_own() {
    let signer = Signer::ec("k");
    let token = signer.token_with(&json!({ "alg": "EdDSA", "kid": "k" }), &claims());
    let error = authenticator(vec![signer.federation("prod")])
        .authenticate(&token)
        .await
        .unwrap_err();
    assert!(matches!(error, AuthenticateError::UnknownKey { .. }), "{error}");
}

#[tokio::test]
async fn a_key_that_the_federation_does_not_have_is_refused() {
    let (known, other) = (Signer::ec("known"), Signer::ec("other"));
    let error = authenticator(vec![known.federation("prod")])
        .authenticate(&other.token(&claims()))
        .await
        .unwrap_err();
    assert!(matches!(error, AuthenticateError::UnknownKey { .. }), "{error}");
}

#[tokio::test]
async fn the_same_key_id_at_two_clusters_with_one_issuer_is_told_apart_by_the_key() {
    let (a, b) = (Signer::ec("k"), Signer::ec("k"));
    let authenticator = authenticator(vec![a.federation("a"), b.federation("b")]);
    assert_eq!(
        authenticator
            .authenticate(&a.token(&claims()))
            .await
            .unwrap()
            .federation
            .as_str(),
        "a"
    );
    assert_eq!(
        authenticator
            .authenticate(&b.token(&claims()))
            .await
            .unwrap()
            .federation
            .as_str(),
        "b"
    );
}

#[tokio::test]
async fn a_cluster_that_shows_anothers_keys_and_issuer_as_its_own_gets_none_of_its_tokens() {
    let victim = Signer::ec("k");
    for thief in ["a-thief", "z-thief"] {
        let discovered = KubernetesFederation {
            url: Some("https://thief.example".to_owned()),
            issuer: None,
            jwks: None,
            ..victim.federation(thief)
        };
        let authenticator = authenticator(vec![victim.federation("prod"), discovered]);
        for issuer in authenticator.issuers().unwrap() {
            if issuer.name().as_str() == thief {
                issuer.discovered(ISSUER, &json!({ "keys": [victim.public] }));
            }
        }
        let principal = authenticator
            .authenticate(&victim.token(&claims()))
            .await
            .unwrap();
        assert_eq!(principal.federation.as_str(), "prod");
    }
}

#[tokio::test]
async fn a_cluster_cannot_sign_for_another_clusters_issuer() {
    let (mine, theirs) = (Signer::ec("mine"), Signer::ec("theirs"));
    let mut other = theirs.federation("other");
    other.issuer = Some("https://other".to_owned());
    let authenticator = authenticator(vec![mine.federation("prod"), other]);
    let token = mine.token(&claims_with("iss", json!("https://other")));
    let error = authenticator.authenticate(&token).await.unwrap_err();
    assert!(matches!(error, AuthenticateError::UnknownKey { .. }), "{error}");
}

#[tokio::test]
async fn an_issuer_that_is_not_registered_is_named() {
    let error = refusal(&Signer::ec("k"), &claims_with("iss", json!("https://evil\n"))).await;
    assert!(error.to_string().contains(r"https://evil\n"), "{error}");
}

#[tokio::test]
async fn a_withdrawn_federation_vouches_for_nobody() {
    let signer = Signer::ec("k");
    let error = authenticator(vec![])
        .authenticate(&signer.token(&claims()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AuthenticateError::UnknownIssuer { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_audience_of_another_server_is_refused_and_both_are_named() {
    let signer = Signer::ec("k");
    for audience in [json!("kubernetes"), json!(["a", "b"]), json!([])] {
        let error = refusal(&signer, &claims_with("aud", audience)).await;
        assert!(matches!(&error, AuthenticateError::Audience { .. }), "{error}");
        assert!(error.to_string().contains("`esi`"), "{error}");
    }
    assert!(verdict(&signer, &claims_with("aud", json!("esi"))).await.is_ok());
}

#[tokio::test]
async fn sixty_seconds_of_skew_are_accepted_and_not_one_more() {
    let signer = Signer::ec("k");
    assert!(
        verdict(&signer, &claims_with("exp", json!(NOW - 59)))
            .await
            .is_ok()
    );
    assert!(matches!(
        refusal(&signer, &claims_with("exp", json!(NOW - 60))).await,
        AuthenticateError::Expired { .. }
    ));
    assert!(
        verdict(&signer, &claims_with("nbf", json!(NOW + 60)))
            .await
            .is_ok()
    );
    assert!(matches!(
        refusal(&signer, &claims_with("nbf", json!(NOW + 61))).await,
        AuthenticateError::NotYetValid { .. }
    ));
}

#[tokio::test]
async fn every_claim_that_is_relied_on_must_be_there_and_of_its_type() {
    let signer = Signer::ec("k");
    for claim in ["iss", "sub", "aud", "exp", "nbf"] {
        for value in [Value::Null, json!({ "x": 1 }), json!(true)] {
            let error = refusal(&signer, &claims_with(claim, value.clone())).await;
            assert!(
                matches!(error, AuthenticateError::Claim { .. }),
                "{claim}={value}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_is_no_service_accounts_is_refused() {
    let signer = Signer::ec("k");
    let cases = [
        claims_with("kubernetes.io", Value::Null),
        claims_with("kubernetes.io", json!({})),
        claims_with("sub", json!("system:serviceaccount:shop:other")),
        claims_with(
            "kubernetes.io",
            json!({ "namespace": "shop", "serviceaccount": { "name": "web" }, "pod": { "name": "web-0" } }),
        ),
    ];
    for claims in &cases {
        let error = refusal(&signer, claims).await;
        assert!(
            matches!(error, AuthenticateError::NotAServiceAccount { .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_token_without_a_pod_speaks_for_the_instance_that_the_client_names_and_for_none_else() {
    let mut claims = claims();
    claims["kubernetes.io"].as_object_mut().unwrap().remove("pod");
    let unbound = verdict(&Signer::ec("k"), &claims).await.unwrap();
    assert_eq!(unbound.workload(None).unwrap_err(), InstanceError::Neither);
    assert!(unbound.workload(Some("ci-1".parse().unwrap())).is_ok());
    let bound = verdict(&Signer::ec("k"), &self::claims()).await.unwrap();
    assert_eq!(
        bound.workload(Some("ci-1".parse().unwrap())).unwrap_err(),
        InstanceError::Both
    );
}

#[tokio::test]
async fn text_that_is_no_token_is_refused_without_a_panic() {
    let signer = Signer::ec("k");
    let authenticator = authenticator(vec![signer.federation("prod")]);
    let header = b64(br#"{"alg":"ES256","kid":"k"}"#);
    let critical = b64(br#"{"alg":"ES256","kid":"k","crit":["b64"]}"#);
    let no_key = b64(br#"{"alg":"ES256"}"#);
    let cases = [
        String::new(),
        "a".to_owned(),
        "a.b".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        format!("{header}.e30.e30.e30"),
        format!("{header}.bm8.e30"),
        format!("{critical}.e30.e30"),
        format!("{no_key}.e30.e30"),
        format!("{header}.e30=.e30"),
    ];
    for text in cases {
        let error = authenticator
            .authenticate(&SecretBytes::from(text.as_str()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, AuthenticateError::Malformed { .. }),
            "{text}: {error}"
        );
    }
    let huge = SecretBytes::new(vec![b'a'; 1_000_000]);
    assert!(matches!(
        authenticator.authenticate(&huge).await.unwrap_err(),
        AuthenticateError::TooLarge { .. }
    ));
    let binary = SecretBytes::new(vec![0xff; 100]);
    assert!(matches!(
        authenticator.authenticate(&binary).await.unwrap_err(),
        AuthenticateError::Malformed { .. }
    ));
}

#[tokio::test]
async fn inline_keys_that_cannot_be_used_are_not_said_to_be_fetched_again() {
    let signer = Signer::ec("k");
    let mut federation = signer.federation("dev");
    federation.jwks = Some(json!({ "keys": [{ "kty": "oct", "kid": "s" }] }));
    let error = authenticator(vec![federation])
        .authenticate(&signer.token(&claims()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AuthenticateError::FederationUnusable { .. }),
        "{error}"
    );
    assert_eq!(
        (error.code(), error.retry()),
        (Code::FailedPrecondition, Retry::Never)
    );
    assert!(!error.to_string().contains("fetched"), "{error}");
}
