//! Requests of every shape, for a pod.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::Value;

use super::super::build::{Bind, after, ask, at, before, in_memory};
use crate::ask::{Asked, Position};

const BINDINGS: [&str; 4] = ["a", "b", "db", "init"];

/// A request that does not know yet which containers there are.
#[derive(Debug, Clone)]
pub(super) struct AnyAsk {
    bindings: Vec<AnyBinding>,
    names: usize,
    in_memory: bool,
    position: Option<(u8, Index)>,
}

#[derive(Debug, Clone)]
struct AnyBinding {
    variables: Vec<&'static str>,
    exec: bool,
    all_keys: bool,
    files: usize,
    mode: Option<&'static str>,
    mount_path: Option<&'static str>,
    server: Option<&'static str>,
    node: bool,
    containers: Vec<Index>,
}

pub(super) fn asked() -> impl Strategy<Value = AnyAsk> {
    let position = prop_oneof![4 => Just(None), 1 => any::<(u8, Index)>().prop_map(Some)];
    (
        vec(binding(), 1..4),
        0..BINDINGS.len(),
        prop::bool::weighted(0.15),
        position,
    )
        .prop_map(|(bindings, names, in_memory, position)| AnyAsk {
            bindings,
            names,
            in_memory,
            position,
        })
}

fn binding() -> impl Strategy<Value = AnyBinding> {
    let mode = prop_oneof![4 => Just(None), 1 => Just(Some("0400")), 1 => Just(Some("0444"))];
    let path = prop_oneof![4 => Just(None), 1 => Just(Some("/etc/app")), 1 => Just(Some("/in/$(HOME)/ä"))];
    let server = prop_oneof![3 => Just(None), 1 => Just(Some("east")), 1 => Just(Some("west"))];
    let containers = prop_oneof![2 => Just(Vec::new()), 1 => vec(any::<Index>(), 1..3)];
    let variables = prop_oneof![
        3 => subsequence(vec!["0", "1", "2"], 0..=3),
        1 => Just(vec!["SHARED"]),
    ];
    (
        variables,
        prop::bool::weighted(0.2),
        any::<bool>(),
        0..3_usize,
        mode,
        path,
        server,
        any::<bool>(),
        containers,
    )
        .prop_map(
            |(variables, exec, all_keys, files, mode, mount_path, server, node, containers)| AnyBinding {
                variables,
                exec,
                all_keys,
                files,
                mode,
                mount_path,
                server,
                node,
                containers,
            },
        )
}

impl AnyAsk {
    /// The request, in the words of a pod.
    pub(super) fn of(&self, pod: &Value) -> Asked {
        let names = |list: &str| {
            let list = pod
                .pointer(&format!("/spec/{list}"))
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            list.filter_map(|container| container.get("name")?.as_str().map(str::to_owned))
                .filter(|name| name.parse::<esi_core::names::ContainerName>().is_ok())
                .collect::<Vec<_>>()
        };
        let init = names("initContainers");
        let all = [names("containers"), init.clone()].concat();
        let bindings = self.bindings.iter().enumerate().map(|(index, binding)| {
            let name = BINDINGS[(self.names + index) % BINDINGS.len()];
            binding.of(name, &all, self.in_memory)
        });
        let mut asked = ask(bindings);
        if self.in_memory {
            asked = in_memory(asked);
        }
        if let Some((kind, index)) = &self.position {
            let position = match kind % 3 {
                1 if !init.is_empty() => before(index.get(&init).as_str()),
                2 if !init.is_empty() => after(index.get(&init).as_str()),
                _ => Position::First,
            };
            asked = at(position, asked);
        }
        asked
    }
}

impl AnyBinding {
    fn of(&self, name: &str, containers: &[String], in_memory: bool) -> Bind {
        let mut bind = Bind::new(name);
        for variable in &self.variables {
            let variable = match *variable {
                "SHARED" => "SHARED".to_owned(),
                own => format!("{}_{own}", name.to_uppercase()),
            };
            bind = bind.env(&variable, "$$(key)");
        }
        // A binding without any output is refused before it comes here.
        let shown = !self.variables.is_empty() || (self.exec && self.all_keys);
        for file in 0..self.files.max(usize::from(!shown)) {
            let path = format!("f{file}");
            bind = match self.mode {
                Some(mode) => bind.file_with_mode(&path, mode),
                None => bind.file(&path),
            };
        }
        if self.exec {
            bind = bind.exec().set("allKeys", self.all_keys);
        }
        if let Some(path) = self.mount_path {
            bind = bind.mount_path(path);
        }
        if let Some(server) = self.server {
            bind = bind.server(server);
        }
        if self.node && !self.exec && !in_memory {
            bind = bind.node();
        }
        if containers.is_empty() {
            return bind;
        }
        let names: Vec<&str> = self
            .containers
            .iter()
            .map(|index| index.get(containers).as_str())
            .collect();
        bind.containers(&names)
    }
}
