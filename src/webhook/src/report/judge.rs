//! What is to be said of an Injection: a function of it and of the configuration.

use esi_core::Timestamp;
use esi_core::names::ServerName;
use esi_resources::injection::{Condition, InjectionStatus};
use k8s_openapi::jiff;

use crate::config::Configuration;
use crate::watch::Observed;

/// The condition that says whether pods can be given it.
const READY: &str = "Ready";
/// Configured servers that a message names.
const MAX_NAMED: usize = 8;
/// Most bytes of a message: Kubernetes' own bound is 32,768, and people read less.
const MAX_MESSAGE: usize = 1024;

/// The status that this Injection should have, where it has another.
pub(super) fn due(
    observed: &Observed,
    configuration: &Configuration,
    now: Timestamp,
) -> Option<InjectionStatus> {
    let (ready, reason, message) = judge(observed, configuration);
    let status = if ready { "True" } else { "False" };
    let was = observed.status.conditions.iter().find(|it| it.kind == READY);
    let since = was
        .filter(|was| was.status == status)
        .map(|was| was.last_transition_time.clone());
    let generation = Some(observed.generation);
    let condition = Condition {
        kind: READY.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since.unwrap_or_else(|| written(now)),
        observed_generation: generation,
    };
    let same = was == Some(&condition) && observed.status.observed_generation == generation;
    (!same).then(|| InjectionStatus {
        observed_generation: generation,
        conditions: vec![condition],
    })
}

fn judge(observed: &Observed, configuration: &Configuration) -> (bool, &'static str, String) {
    let injection = match &observed.injection {
        Ok(injection) => injection,
        Err(problem) => return (false, "Invalid", cut(problem, MAX_MESSAGE).to_owned()),
    };
    let server = &injection.plan.server;
    if !configuration.servers.contains_key(server) {
        let message = format!(
            "there is no federation server `{server}`; configured: {}",
            names(configuration)
        );
        return (false, "UnknownServer", message);
    }
    let message = format!(
        "a pod of this namespace is given it with the annotation esi.external-secrets.io/inject: {}",
        injection.name
    );
    (true, "Accepted", message)
}

fn names(configuration: &Configuration) -> String {
    let servers = configuration.servers.keys().map(ServerName::as_str);
    let named: Vec<_> = servers.take(MAX_NAMED).collect();
    match configuration.servers.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// The beginning of a text, of at most so many bytes.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

fn written(now: Timestamp) -> String {
    // A clock beyond the year 9999 is one that was never set.
    jiff::Timestamp::from_second(now.as_secs())
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use esi_resources::injection::Injection;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const LATER: Timestamp = Timestamp::from_secs(1_800_009_999);

    fn configuration() -> Configuration {
        let text = include_str!("../../../../deploy/webhook/config.yaml");
        let ca = include_str!("../explain/example-ca.pem");
        Configuration::parse(text, &|_| Ok(ca.to_owned())).unwrap()
    }

    fn observed(server: &str) -> Observed {
        let spec = json!({
            "source": {"generator": {"kind": "Fake", "name": "free"}}, "server": server,
            "files": [{"path": "db.json", "format": "json"}]
        });
        let injection = Injection::parse("shop".parse().unwrap(), "db".parse().unwrap(), &spec);
        Observed {
            uid: "u".to_owned(),
            generation: 2,
            injection: Ok(Arc::new(injection.unwrap())),
            status: InjectionStatus::default(),
        }
    }

    fn told(observed: &Observed, now: Timestamp) -> InjectionStatus {
        due(observed, &configuration(), now).expect("there is nothing to say")
    }

    #[test]
    fn a_good_injection_is_ready_and_its_condition_says_how_to_use_it() {
        let status = told(&observed("default"), NOW);
        assert_eq!(status.observed_generation, Some(2));
        let ready = &status.conditions[0];
        assert_eq!(
            (ready.kind.as_str(), ready.status.as_str(), ready.reason.as_str()),
            ("Ready", "True", "Accepted")
        );
        assert!(ready.message.ends_with("inject: db"), "{}", ready.message);
        assert_eq!(ready.last_transition_time, "2027-01-15T08:00:00Z");
    }

    #[test]
    fn a_broken_one_is_told_what_is_wrong() {
        let mut broken = observed("default");
        broken.injection = Err("spec.surce: unknown field".to_owned());
        let status = told(&broken, NOW);
        let ready = &status.conditions[0];
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", "Invalid")
        );
        assert_eq!(ready.message, "spec.surce: unknown field");
    }

    #[test]
    fn one_whose_server_is_not_configured_is_told_which_are() {
        let status = told(&observed("mars"), NOW);
        let ready = &status.conditions[0];
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str()),
            ("False", "UnknownServer")
        );
        assert!(
            ready.message.contains("`mars`") && ready.message.contains("default"),
            "{}",
            ready.message
        );
    }

    #[test]
    fn what_is_said_already_is_not_said_again_by_this_replica_or_another() {
        let mut said = observed("default");
        said.status = told(&said, NOW);
        assert_eq!(due(&said, &configuration(), LATER), None);
    }

    #[test]
    fn a_new_generation_is_said_and_keeps_the_time_of_the_last_transition() {
        let mut changed = observed("default");
        changed.status = told(&changed, NOW);
        changed.generation = 3;
        let status = told(&changed, LATER);
        assert_eq!(status.observed_generation, Some(3));
        assert_eq!(status.conditions[0].last_transition_time, "2027-01-15T08:00:00Z");

        changed.status = status;
        changed.injection = Err("x".to_owned());
        let turned = told(&changed, LATER);
        assert_eq!(turned.conditions[0].last_transition_time, "2027-01-15T10:46:39Z");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }
}
