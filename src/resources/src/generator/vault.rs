//! `VaultDynamicSecret`: any path of HashiCorp Vault or OpenBao that answers with a dynamic secret.

use std::collections::BTreeMap;

use esi_core::names::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::reference::SecretKeySelector;
use crate::crd::words;

/// What to call, where, and what of the answer is the credential.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VaultDynamicSecretSpec {
    /// Read and without effect.
    #[serde(default)]
    pub controller: Option<String>,
    /// `GET` (default), `LIST`, `DELETE`; any other method writes.
    #[serde(default)]
    pub method: Option<String>,
    /// The JSON body of a write.
    #[serde(default)]
    #[schemars(schema_with = "words::any")]
    pub parameters: Option<Value>,
    /// The query of a read.
    #[serde(default)]
    pub get_parameters: BTreeMap<String, Vec<String>>,
    /// Which part of the answer is the credential.
    #[serde(default)]
    pub result_type: VaultResultType,
    /// Read and without effect.
    #[serde(default)]
    #[schemars(schema_with = "words::any_object")]
    pub retry_settings: Option<Value>,
    /// Where Vault is and how to log in.
    pub provider: VaultProvider,
    /// The path to call, such as `database/creds/shop`.
    pub path: String,
    /// An answer without a body is an empty credential and no error.
    #[serde(default)]
    pub allow_empty_response: bool,
}

/// Which part of Vault's answer is the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Default)]
pub enum VaultResultType {
    /// `data`.
    #[default]
    Data,
    /// `auth`.
    Auth,
    /// The whole answer.
    Raw,
}

/// Where Vault is and how to log in: External Secrets Operator's `VaultProvider`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
// The original has more ways.
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct VaultProvider {
    /// The URL.
    pub server: String,
    /// Read and without effect here: the mount path of a key-value engine.
    #[serde(default)]
    pub path: Option<String>,
    /// Read and without effect here: the version of a key-value engine.
    #[serde(default)]
    pub version: Option<String>,
    /// The namespace of Vault Enterprise or OpenBao.
    #[serde(default)]
    pub namespace: Option<String>,
    /// CA certificates, base64 of PEM.
    #[serde(default)]
    pub ca_bundle: Option<String>,
    /// CA certificates in a Secret.
    #[serde(default)]
    pub ca_provider: Option<CaProvider>,
    /// How to log in.
    #[serde(default)]
    pub auth: Option<VaultAuth>,
    /// Extra request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Read and without effect.
    #[serde(default)]
    pub forward_inconsistent: Option<bool>,
    /// Read and without effect.
    #[serde(default)]
    pub read_your_writes: Option<bool>,
}

impl VaultProvider {
    /// Every key of a Secret that it needs.
    pub(super) fn secrets(&self) -> Vec<(&'static str, &ObjectName, &str)> {
        let ca = self.ca_provider.iter().filter(|ca| ca.kind == "Secret");
        let ca = ca.map(|ca| {
            (
                "provider.caProvider",
                &ca.name,
                ca.key.as_deref().unwrap_or(CA_KEY),
            )
        });
        ca.chain(self.auth.iter().flat_map(VaultAuth::secrets)).collect()
    }

    /// Every namespace that a reference to an object gives.
    pub(super) fn named_namespaces(&self) -> Vec<Option<&String>> {
        let ca = self.ca_provider.as_ref().map(|ca| ca.namespace.as_ref());
        let auth = self.auth.iter().flat_map(VaultAuth::named_namespaces);
        ca.into_iter().chain(auth).collect()
    }
}

/// The key of a CA's Secret where none is named.
pub const CA_KEY: &str = "ca.crt";

/// CA certificates kept in an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaProvider {
    /// `Secret` or `ConfigMap`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object's name.
    #[schemars(with = "String")]
    pub name: ObjectName,
    /// Its key (`ca.crt`).
    #[serde(default)]
    pub key: Option<String>,
    /// It must be the generator's own namespace where given.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// How to log in: exactly one of the methods.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
// The original has more ways.
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct VaultAuth {
    /// The namespace to log in to, where it is not the provider's.
    #[serde(default)]
    pub namespace: Option<String>,
    /// A token.
    #[serde(default)]
    pub token_secret_ref: Option<SecretKeySelector>,
    /// An AppRole.
    #[serde(default)]
    pub app_role: Option<VaultAppRole>,
    /// A service account token at the kubernetes method.
    #[serde(default)]
    pub kubernetes: Option<VaultKubernetes>,
    /// A JWT at the jwt method.
    #[serde(default)]
    pub jwt: Option<VaultJwt>,
}

impl VaultAuth {
    fn secrets(&self) -> Vec<(&'static str, &ObjectName, &str)> {
        let app_role = self.app_role.as_ref();
        let role = app_role.and_then(|method| method.role_ref.as_ref());
        let kubernetes = self
            .kubernetes
            .as_ref()
            .and_then(|method| method.secret_ref.as_ref());
        let jwt = self.jwt.as_ref().and_then(|method| method.secret_ref.as_ref());
        [
            self.token_secret_ref
                .as_ref()
                .map(|secret| secret.at("provider.auth.tokenSecretRef")),
            role.map(|secret| secret.at("provider.auth.appRole.roleRef")),
            app_role.map(|method| method.secret_ref.at("provider.auth.appRole.secretRef")),
            kubernetes.map(|secret| secret.at("provider.auth.kubernetes.secretRef")),
            jwt.map(|secret| secret.at("provider.auth.jwt.secretRef")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn named_namespaces(&self) -> Vec<Option<&String>> {
        let app_role = self.app_role.as_ref();
        let kubernetes = self.kubernetes.as_ref();
        let jwt = self.jwt.as_ref();
        let secrets = [
            self.token_secret_ref.as_ref(),
            app_role.and_then(|method| method.role_ref.as_ref()),
            app_role.map(|method| &method.secret_ref),
            kubernetes.and_then(|method| method.secret_ref.as_ref()),
            jwt.and_then(|method| method.secret_ref.as_ref()),
        ];
        let accounts = [
            kubernetes.and_then(|method| method.service_account_ref.as_ref()),
            jwt.and_then(|method| method.kubernetes_service_account_token.as_ref())
                .map(|token| &token.service_account_ref),
        ];
        let secrets = secrets
            .into_iter()
            .flatten()
            .map(|secret| secret.namespace.as_ref());
        let accounts = accounts
            .into_iter()
            .flatten()
            .map(|account| account.namespace.as_ref());
        secrets.chain(accounts).collect()
    }
}

/// Log in with an AppRole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VaultAppRole {
    /// The method's mount (`approle`).
    #[serde(default = "default_approle")]
    pub path: String,
    /// The role id.
    #[serde(default)]
    pub role_id: Option<String>,
    /// The role id in a Secret.
    #[serde(default)]
    pub role_ref: Option<SecretKeySelector>,
    /// The secret id.
    pub secret_ref: SecretKeySelector,
}

/// Log in with a service account token at the kubernetes method.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VaultKubernetes {
    /// The method's mount (`kubernetes`).
    #[serde(default = "default_kubernetes")]
    pub mount_path: String,
    /// The role at Vault.
    pub role: String,
    /// A service account to ask the cluster for a token of; needs a cluster.
    #[serde(default)]
    pub service_account_ref: Option<ServiceAccountSelector>,
    /// A Secret with the token.
    #[serde(default)]
    pub secret_ref: Option<SecretKeySelector>,
}

/// Log in with a JWT at the jwt method.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VaultJwt {
    /// The method's mount (`jwt`).
    #[serde(default = "default_jwt")]
    pub path: String,
    /// The role at Vault.
    #[serde(default)]
    pub role: Option<String>,
    /// A Secret with the JWT.
    #[serde(default)]
    pub secret_ref: Option<SecretKeySelector>,
    /// A service account to ask the cluster for a token of; needs a cluster.
    #[serde(default)]
    pub kubernetes_service_account_token: Option<VaultJwtServiceAccountToken>,
}

/// A token to ask the cluster for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VaultJwtServiceAccountToken {
    /// Whose.
    pub service_account_ref: ServiceAccountSelector,
    /// For whom.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// For how long, in seconds.
    #[serde(default)]
    pub expiration_seconds: Option<u64>,
}

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccountSelector {
    /// Its name.
    #[schemars(with = "String")]
    pub name: ObjectName,
    /// It must be the generator's own namespace where given.
    #[serde(default)]
    pub namespace: Option<String>,
    /// For whom its token is.
    #[serde(default)]
    pub audiences: Vec<String>,
}

fn default_approle() -> String {
    "approle".to_owned()
}

fn default_kubernetes() -> String {
    "kubernetes".to_owned()
}

fn default_jwt() -> String {
    "jwt".to_owned()
}
