//! A one-time password of OpenBao's ssh engine behind an AppRole login, fetched by hand with the same two calls on a
//! kept connection, and by the server.

use anyhow::{Context as _, Result};
use esi_tests::openbao::{Api, OpenBao};
use serde_json::{Value, json};

use super::compare;
use crate::server::Server;
use crate::table::Table;

const SHOP: &str = "VaultDynamicSecret/platform/shop";
/// What the generator needs, and what this one's path asks for.
const POLICY: &str = r#"
path "ssh/creds/otp"              { capabilities = ["update"] }
path "sys/leases/renew"           { capabilities = ["update"] }
path "sys/leases/revoke"          { capabilities = ["update"] }
path "auth/token/renew-accessor"  { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
"#;

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let bao = OpenBao::dev()?;
    let (role_id, secret_id) = prepare(bao.api()).await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "vault", "namespace": "platform" },
        "stringData": { "secret-id": secret_id }
    });
    let generator = json!({
        "apiVersion": "generators.external-secrets.io/v1alpha1", "kind": "VaultDynamicSecret",
        "metadata": { "name": "shop", "namespace": "platform" },
        "spec": {
            "path": "ssh/creds/otp", "method": "POST", "parameters": { "ip": "10.0.0.1" },
            "provider": { "server": bao.api().address(), "auth": { "appRole": {
                "path": "approle", "roleId": role_id, "secretRef": { "name": "vault", "key": "secret-id" }
            } } }
        }
    });
    let server = Server::start(&format!("{generator}\n---\n{secret}\n"), &[SHOP])?;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    compare(table, "OpenBao", &server, SHOP, async |_round| {
        let put = async |path: &str, token: &str, body: Value| -> Result<Value> {
            let answer = client
                .put(format!("{}/v1/{path}", bao.api().address()))
                .header("X-Vault-Token", token)
                .json(&body)
                .send()
                .await?;
            Ok(answer.error_for_status()?.json().await?)
        };
        let body = json!({ "role_id": role_id, "secret_id": secret_id });
        let login = put("auth/approle/login", "", body).await?;
        let token = text(&login["auth"]["client_token"])?;
        let credential = put("ssh/creds/otp", &token, json!({ "ip": "10.0.0.1" })).await?;
        text(&credential["data"]["key"])?;
        Ok(())
    })
    .await
}

/// An engine, and an AppRole whose logins live longer than the leases that hang on them.
async fn prepare(api: &Api) -> Result<(String, String)> {
    api.put("sys/mounts/ssh", json!({ "type": "ssh" })).await?;
    let otp = json!({ "key_type": "otp", "default_user": "web", "cidr_list": "0.0.0.0/0" });
    api.put("ssh/roles/otp", otp).await?;
    api.policy("esi", POLICY).await?;
    api.put("sys/auth/approle", json!({ "type": "approle" })).await?;
    let role = "auth/approle/role/esi";
    api.put(role, json!({ "token_policies": "esi", "token_ttl": "2h" }))
        .await?;
    let role_id = api.get(&format!("{role}/role-id")).await?;
    let secret_id = api.put(&format!("{role}/secret-id"), json!({})).await?;
    Ok((
        text(&role_id["data"]["role_id"])?,
        text(&secret_id["data"]["secret_id"])?,
    ))
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .context("no text in OpenBao's answer")
}
