//! Manifests of the project, applied as a person would.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersion;
use kube::discovery::{self, Scope};
use kube::{Api, Client};
use serde_json::Value;

use super::programs;

/// Documents in the order of their application.
#[derive(Debug, Clone)]
pub struct Manifests(Vec<Value>);

impl Manifests {
    /// All documents of the YAML files of a folder, in the order of the files' names.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
        files.sort();
        let mut all = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file)?;
            all.extend(Self::parse(&text).with_context(|| file.display().to_string())?.0);
        }
        // What kubectl and our programs read, but no API server.
        all.retain(|document| !document["kind"].is_null() && document["kind"] != "Kustomization");
        Ok(Self(all))
    }

    /// What `kubectl apply -k` would apply.
    pub fn of_kustomization(folder: &Path) -> Result<Self> {
        let kubectl = programs::directory()?.join("kubectl");
        let output = Command::new(kubectl).arg("kustomize").arg(folder).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {errors}", folder.display());
        Self::parse(std::str::from_utf8(&output.stdout)?)
    }

    /// The documents of a text.
    pub fn parse(text: &str) -> Result<Self> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
        Ok(Self(documents.into_iter().filter(|it| !it.is_null()).collect()))
    }

    /// Those that are so.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&Value) -> bool) -> Self {
        self.0.retain(keep);
        self
    }

    /// The one of this kind and name.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> &Value {
        self.0
            .iter()
            .find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("no {kind} {name} among the manifests"))
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Value] {
        &self.0
    }

    /// Applies all of them: namespaces and custom resource definitions first.
    pub async fn apply(&self, client: &Client) -> Result<()> {
        let rank = |document: &&Value| match document["kind"].as_str() {
            Some("Namespace") => 0,
            Some("CustomResourceDefinition") => 1,
            _ => 2,
        };
        let mut documents: Vec<&Value> = self.0.iter().collect();
        documents.sort_by_key(rank);
        for document in documents {
            apply(client, document).await?;
        }
        Ok(())
    }
}

/// Applies a manifest from the server's side, in the namespace that it states.
pub async fn apply(client: &Client, manifest: &Value) -> Result<DynamicObject> {
    let what = format!("{} {}", manifest["kind"], manifest["metadata"]["name"]);
    let (resource, scope) = kind_of(client, manifest).await.with_context(|| what.clone())?;
    let api: Api<DynamicObject> = match (scope, manifest["metadata"]["namespace"].as_str()) {
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
    };
    let name = manifest["metadata"]["name"].as_str().context("it has no name")?;
    let parameters = PatchParams::apply("tests").force();
    api.patch(name, &parameters, &Patch::Apply(manifest))
        .await
        .with_context(|| format!("cannot apply {what}"))
}

/// What the API server calls the kind of a manifest.
pub async fn kind_of(client: &Client, manifest: &Value) -> Result<(ApiResource, Scope)> {
    let text = |field: &str| {
        manifest[field]
            .as_str()
            .with_context(|| format!("it has no {field}"))
    };
    let kind = text("apiVersion")?
        .parse::<GroupVersion>()?
        .with_kind(text("kind")?);
    let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
    Ok((resource, capabilities.scope))
}
