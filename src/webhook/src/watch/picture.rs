//! All watches together: changes in, a [`World`] out.

use std::sync::Arc;

use kube::runtime::watcher::Event;

use super::objects::{Key, Observed};
use super::view::{Changed, View};
use super::{Objects, Watched};
use crate::version::Kubernetes;
use crate::world::{EnvFiles, World};

/// What a watch has seen.
#[derive(Debug)]
pub(super) enum Change {
    /// Of the Injections.
    Injection(Event<(Key, Option<Arc<Observed>>)>),
    /// Of the nodes; only those that stand in the way have a value, their version.
    Node(Event<(String, Option<String>)>),
    /// The API server's version, as it was answered.
    Server(Kubernetes),
}

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(super) struct Picture {
    injections: View<Key, Arc<Observed>>,
    obstacles: View<String, String>,
    server: Option<Kubernetes>,
}

/// For whom a change means something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// For admission.
    pub(super) world: bool,
    /// For who reports on Injections.
    pub(super) objects: bool,
}

impl Picture {
    /// Takes a change.
    pub(super) fn apply(&mut self, change: Change) -> Touched {
        match change {
            Change::Injection(event) => match self.injections.apply(event) {
                Changed::Nothing => Touched::default(),
                Changed::One(old, new) => {
                    // Our own words in its status come back too, and are no news to admission.
                    let meaning = |observed: Option<Arc<Observed>>| observed.map(|it| it.injection.clone());
                    Touched {
                        world: meaning(old) != meaning(new),
                        objects: true,
                    }
                }
                Changed::List => Touched {
                    world: true,
                    objects: true,
                },
            },
            Change::Node(event) => Touched {
                world: self.obstacles.apply(event) != Changed::Nothing,
                objects: false,
            },
            Change::Server(version) => Touched {
                world: self.server.replace(version) != Some(version),
                objects: false,
            },
        }
    }

    /// Whether that was ever seen as a whole.
    pub(super) fn has(&self, watched: Watched) -> bool {
        match watched {
            Watched::Injections => self.injections.is_complete(),
            Watched::Nodes => self.obstacles.is_complete(),
            Watched::Version => self.server.is_some(),
        }
    }

    /// The Injections as objects.
    pub(super) fn objects(&self) -> Objects {
        self.injections.entries().clone()
    }

    /// What admission needs.
    pub(super) fn world(&self) -> World {
        let injections = self.injections.entries().iter();
        World {
            injections: injections
                .map(|(key, observed)| (key.clone(), observed.injection.clone()))
                .collect(),
            env_files: self.env_files(),
            restart_rules: self
                .server
                .is_some_and(|server| server >= Kubernetes::WITH_RESTART_RULES),
        }
    }

    fn env_files(&self) -> EnvFiles {
        let Some(server) = self.server else {
            return EnvFiles::Unknown;
        };
        if server < Kubernetes::WITH_ENV_FILES {
            return EnvFiles::TooOld {
                what: "the API server".to_owned(),
                version: server.to_string(),
            };
        }
        match self.obstacles.entries().first_key_value() {
            _ if !self.obstacles.is_complete() => EnvFiles::Unknown,
            None => EnvFiles::Supported,
            Some((name, version)) => EnvFiles::TooOld {
                what: format!("node `{name}`"),
                version: match version.as_str() {
                    "" => "unknown".to_owned(),
                    version => version.to_owned(),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use esi_resources::injection::InjectionStatus;

    use super::*;

    const NEW: Kubernetes = Kubernetes { major: 1, minor: 37 };
    const OLD: Kubernetes = Kubernetes { major: 1, minor: 34 };

    fn picture(changes: impl IntoIterator<Item = Change>) -> Picture {
        let mut picture = Picture::default();
        for change in changes {
            picture.apply(change);
        }
        picture
    }

    /// A complete list of nodes, with these versions in the way.
    fn nodes(obstacles: &[(&str, &str)]) -> impl Iterator<Item = Change> {
        let nodes: Vec<_> = obstacles
            .iter()
            .map(|(name, version)| Event::InitApply(((*name).to_owned(), Some((*version).to_owned()))))
            .collect();
        let events = [Event::Init].into_iter().chain(nodes).chain([Event::InitDone]);
        events.map(Change::Node)
    }

    fn too_old(what: &str, version: &str) -> EnvFiles {
        EnvFiles::TooOld {
            what: what.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn a_cluster_without_nodes_is_as_capable_as_its_api_server() {
        let with = |server| picture(nodes(&[]).chain([Change::Server(server)])).world();
        assert_eq!(with(NEW).env_files, EnvFiles::Supported);
        assert!(with(NEW).restart_rules);
        assert_eq!(with(OLD).env_files, too_old("the API server", "1.34"));
        assert!(!with(OLD).restart_rules);
    }

    #[test]
    fn nothing_is_promised_before_the_version_and_all_nodes_are_known() {
        assert_eq!(picture([]).world(), World::default());
        assert_eq!(picture(nodes(&[])).world().env_files, EnvFiles::Unknown);
        let listing = picture([Change::Server(NEW), Change::Node(Event::Init)]);
        assert_eq!(listing.world().env_files, EnvFiles::Unknown);
        assert!(listing.has(Watched::Version) && !listing.has(Watched::Nodes));
    }

    #[test]
    fn one_old_node_is_enough_and_its_upgrade_or_end_mends_it() {
        let mut picture = picture(nodes(&[("b", "v1.33.1")]).chain([Change::Server(NEW)]));
        assert_eq!(picture.world().env_files, too_old("node `b`", "v1.33.1"));
        let older = Event::Apply(("a".to_owned(), Some(String::new())));
        assert!(picture.apply(Change::Node(older)).world);
        assert_eq!(picture.world().env_files, too_old("node `a`", "unknown"));
        picture.apply(Change::Node(Event::Apply(("a".to_owned(), None))));
        picture.apply(Change::Node(Event::Delete(("b".to_owned(), None))));
        assert_eq!(picture.world().env_files, EnvFiles::Supported);
        // A new node's heartbeat means nothing to anybody.
        let heartbeat = Change::Node(Event::Apply(("c".to_owned(), None)));
        assert_eq!(picture.apply(heartbeat), Touched::default());
    }

    fn observed(problem: &str) -> Observed {
        Observed {
            uid: "u".to_owned(),
            generation: 1,
            injection: Err(problem.to_owned()),
            status: InjectionStatus::default(),
        }
    }

    fn applied(observed: Observed) -> Change {
        let key = ("shop".parse().unwrap(), "db".parse().unwrap());
        Change::Injection(Event::Apply((key, Some(Arc::new(observed)))))
    }

    #[test]
    fn an_injection_is_in_the_world_as_long_as_it_is_in_the_cluster() {
        let mut picture = picture([Change::Injection(Event::Init), Change::Injection(Event::InitDone)]);
        assert!(picture.has(Watched::Injections));
        assert!(picture.apply(applied(observed("first"))).world);
        assert!(picture.apply(applied(observed("second"))).world);
        let world = picture.world();
        let known: Vec<_> = world.injections.values().collect();
        assert_eq!(known, [&Err("second".to_owned())]);
        let key = ("shop".parse().unwrap(), "db".parse().unwrap());
        assert!(picture.apply(Change::Injection(Event::Delete((key, None)))).world);
        assert!(picture.world().injections.is_empty() && picture.objects().is_empty());
    }

    #[test]
    fn our_own_report_coming_back_is_no_news_to_admission() {
        let mut picture = picture([applied(observed("first"))]);
        let mut reported = observed("first");
        reported.status.observed_generation = Some(1);
        let touched = picture.apply(applied(reported.clone()));
        assert!(touched.objects && !touched.world);
        assert_eq!(picture.apply(applied(reported)), Touched::default());
    }
}
