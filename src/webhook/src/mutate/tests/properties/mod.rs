//! What holds for every pod, whatever it asks for.

mod asks;
mod edits;
mod pods;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::build::{apply, configuration, pruned, show, try_mutate, world};
use crate::ask::Asked;
use crate::check::problems;
use crate::json::Json;
use crate::mutate::names::{INJECTED_ANNOTATION, INJECTED_LABEL};
use crate::mutate::ours::Ours;
use crate::mutate::resources::Class;
use crate::mutate::share;
use crate::pod::Pod;
use asks::asked;
use edits::{edit, edits, mangle, mangled};
use pods::{json_value, pod};

/// A pod and two requests of which it could have either.
fn case() -> impl Strategy<Value = (Value, Asked, Asked)> {
    (pod(), asked(), asked()).prop_map(|(pod, one, other)| {
        let (one, other) = (one.of(&pod), other.of(&pod));
        (pod, one, other)
    })
}

/// The pod after its patch, if it can have it.
fn taken(pod: &Value, asked: &Asked) -> Option<Value> {
    match try_mutate(pod, asked) {
        Ok(mutation) => Some(apply(pod, &mutation)),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(char::is_control), "{message:?}");
            None
        }
    }
}

fn is_left_alone(pod: &Value, asked: &Asked) -> bool {
    try_mutate(pod, asked).unwrap().patch.is_empty()
}

/// The pod, without the mark and without the variables whose place ours take in `patched`: what must be left when
/// ours are taken out of it.
fn remainder(pod: &Value, patched: &Value) -> Value {
    let mut rest = pod.clone();
    for list in ["containers", "initContainers"] {
        for container in rest["spec"][list].as_array_mut().into_iter().flatten() {
            let after = patched["spec"][list]
                .as_array()
                .unwrap()
                .iter()
                .find(|after| after["name"] == container["name"]);
            let env = |container: &Value| container["env"].as_array().cloned().unwrap_or_default();
            let ours: Vec<Value> = env(after.unwrap())
                .into_iter()
                .filter(|variable| variable["valueFrom"]["fileKeyRef"]["volumeName"] == "esi-env")
                .map(|variable| variable["name"].clone())
                .collect();
            if let Some(env) = container["env"].as_array_mut() {
                env.retain(|variable| !ours.contains(&variable["name"]));
            }
        }
    }
    unmark(rest)
}

fn unmark(mut pod: Value) -> Value {
    for (map, key) in [("annotations", INJECTED_ANNOTATION), ("labels", INJECTED_LABEL)] {
        if let Some(map) = pod
            .pointer_mut(&format!("/metadata/{map}"))
            .and_then(Value::as_object_mut)
        {
            map.remove(key);
        }
    }
    pruned(&pod)
}

fn stripped(patched: &Value, asked: &Asked) -> Value {
    let (world, configuration) = (world(), configuration());
    let shares = share::derive(asked, &world, &configuration).unwrap();
    let document = Json::of(patched);
    let view = Pod::read(document.root()).unwrap();
    let mut rest = patched.clone();
    let removals = Ours::find(&view, &shares).strip().finish().unwrap();
    json_patch::patch(&mut rest, &removals.operations().unwrap()).unwrap();
    unmark(rest)
}

/// The properties below say nothing of pods that are refused, so most must be taken.
#[test]
fn most_generated_pods_are_taken() {
    let mut runner = TestRunner::deterministic();
    let (mut all, mut some) = (0, 0);
    for _ in 0..200 {
        let (pod, asked, _) = case().new_tree(&mut runner).unwrap().current();
        all += 1;
        some += usize::from(taken(&pod, &asked).is_some());
    }
    assert!(some * 2 > all, "{some} of {all}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_patched_pod_is_one_that_kubernetes_takes_and_is_done((pod, asked, _) in case()) {
        prop_assert_eq!(try_mutate(&pod, &asked), try_mutate(&pod, &asked));
        if let Some(patched) = taken(&pod, &asked) {
            prop_assert_eq!(problems(&patched), Vec::<String>::new(), "{:#}", patched);
            prop_assert!(is_left_alone(&patched, &asked));
        }
    }

    #[test]
    fn everything_that_is_not_ours_is_unchanged((pod, asked, _) in case()) {
        if let Some(patched) = taken(&pod, &asked) {
            prop_assert_eq!(show(&stripped(&patched, &asked)), show(&remainder(&pod, &patched)));
        }
    }

    #[test]
    fn the_quality_of_service_class_is_unchanged((pod, asked, _) in case()) {
        if let Some(patched) = taken(&pod, &asked) {
            let (before, after) = (Json::of(&pod), Json::of(&patched));
            let (before, after) = (Pod::read(before.root()).unwrap(), Pod::read(after.root()).unwrap());
            if !before.has_own_resources {
                prop_assert_eq!(Class::of(&before), Class::of(&after));
            }
        }
    }

    #[test]
    fn what_others_do_to_a_patched_pod_changes_nothing((pod, asked, _) in case(), edits in edits()) {
        if let Some(patched) = taken(&pod, &asked) {
            let edited = edits.iter().fold(patched, edit);
            prop_assert!(is_left_alone(&edited, &asked), "{:?} {:#}", edits, edited);
        }
    }

    #[test]
    fn a_copy_that_asks_for_something_else_is_as_if_it_had_asked_first((pod, first, second) in case()) {
        if let Some(copied) = taken(&pod, &first) {
            let original = remainder(&pod, &copied);
            match (taken(&copied, &second), taken(&original, &second)) {
                (Some(copied), Some(fresh)) => {
                    prop_assert_eq!(problems(&copied), Vec::<String>::new(), "{:#}", copied);
                    prop_assert!(is_left_alone(&copied, &second));
                    prop_assert_eq!(show(&pruned(&copied)), show(&pruned(&fresh)));
                }
                (None, None) => {}
                (copied, fresh) => prop_assert!(false, "copied {:?} fresh {:?}", copied, fresh),
            }
        }
    }

    #[test]
    fn no_json_is_too_strange(value in json_value(), asked in asked()) {
        let asked = asked.of(&value);
        if let Some(patched) = taken(&value, &asked) {
            prop_assert!(is_left_alone(&patched, &asked), "{:#}", patched);
        }
    }

    #[test]
    fn no_pod_is_too_strange((pod, asked, _) in case(), marked in any::<bool>(), holes in mangled()) {
        let pod = if marked { taken(&pod, &asked).unwrap_or(pod) } else { pod };
        let mangled = holes.into_iter().fold(pod, mangle);
        if let Some(patched) = taken(&mangled, &asked) {
            prop_assert!(is_left_alone(&patched, &asked), "{:#}", patched);
        }
    }
}
