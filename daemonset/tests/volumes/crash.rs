//! The daemon killed at every step: what comes after finds one mount, the right content, and nothing lost.

use std::process::Command;
use std::sync::Arc;

use esi_node::request::Delivery;
use esi_node::state::Phase;
use esi_node::volume::{Driver as _, Volumes};

use super::fake::KillAt;
use super::namespace::alone;
use super::world::{World, phase, publish, stop, unpublish};

const WORLD: &str = "ESI_TEST_WORLD";
const STEP: &str = "ESI_TEST_STEP";
const CALL: &str = "ESI_TEST_CALL";

const PUBLISH: [&str; 6] = [
    "publish/recorded",
    "publish/placed",
    "publish/made",
    "publish/filled",
    "publish/mounted",
    "publish/ready",
];
const UNPUBLISH: [&str; 4] = [
    "unpublish/recorded",
    "unpublish/unmounted",
    "unpublish/removed",
    "unpublish/done",
];

/// Another daemon begins the call, and is killed at the step.
fn killed_at(step: &str, call: &str, world: &World) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::victim", "--ignored", "--nocapture"])
        .env(WORLD, world.path())
        .env(STEP, step)
        .env(CALL, format!("{call} {}", world.staged))
        .status()
        .unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(9), "{call} never reached {step}");
}

#[tokio::test]
#[ignore = "is killed: started by the tests below"]
async fn victim() {
    let value = |name| std::env::var_os(name).unwrap().into_string().unwrap();
    let mut world = World::at(std::path::Path::new(&value(WORLD)));
    let call = value(CALL);
    world.staged = call.ends_with("true");
    let volumes = world.start_with(Arc::new(KillAt(value(STEP))));
    match call.split(' ').next().unwrap() {
        "init" => volumes.publish(publish(1, Delivery::Init)).await.unwrap(),
        "node" => volumes.publish(publish(1, Delivery::Node)).await.unwrap(),
        _ => volumes.unpublish(unpublish(1)).await.unwrap(),
    }
}

fn is_published(world: &World, volumes: &Volumes, delivery: Delivery) {
    assert_eq!((world.mounts(1), World::all_mounts()), (1, 1));
    let (phase, generation) = phase(volumes, 1).unwrap();
    assert_eq!(phase, Phase::Ready);
    if delivery == Delivery::Node {
        assert_eq!(world.password(1), format!("generation {}", generation.unwrap()));
    }
}

async fn is_unpublished(world: &World, volumes: &Volumes) {
    volumes.unpublish(unpublish(1)).await.unwrap();
    assert_eq!(World::all_mounts(), 0);
    assert!(!world.volume(1).exists());
    assert_eq!(
        phase(volumes, 1).unwrap().0,
        Phase::Releasing,
        "what may have been issued is released"
    );
}

#[test]
fn a_publish_that_was_killed_is_brought_to_its_end_by_the_next() {
    alone(async {
        for staged in [false, true] {
            for (call, delivery) in [("init", Delivery::Init), ("node", Delivery::Node)] {
                for step in PUBLISH {
                    let mut world = World::new();
                    world.staged = staged;
                    world.add_pod(1);
                    killed_at(step, call, &world);
                    let volumes = world.start();
                    volumes.publish(publish(1, delivery)).await.unwrap();
                    is_published(&world, &volumes, delivery);
                    let seen = matches!(step, "publish/mounted" | "publish/ready");
                    let issued = world.journal.count("issue");
                    let unseen = usize::from(!seen && step == "publish/filled");
                    let expected = if delivery == Delivery::Node { 1 + unseen } else { 0 };
                    assert_eq!(issued, expected, "{step}: what is seen is not issued again");
                    is_unpublished(&world, &volumes).await;
                }
            }
        }
    });
}

#[test]
fn a_publish_that_was_killed_and_is_not_wanted_any_more_leaves_nothing_but_its_release() {
    alone(async {
        for call in ["init", "node"] {
            for step in PUBLISH {
                // kubelet unpublishes it,
                let world = World::new();
                world.add_pod(1);
                killed_at(step, call, &world);
                is_unpublished(&world, &world.start()).await;

                // or has forgotten it, and its directory is gone.
                let world = World::new();
                world.add_pod(1);
                killed_at(step, call, &world);
                let volumes = world.start();
                volumes.unpublish(unpublish(1)).await.unwrap();
                stop(volumes).await;
                world.remove_pod(1);
                assert_eq!(phase(&world.start(), 1).unwrap().0, Phase::Releasing);
            }
        }
    });
}

#[test]
fn an_unpublish_that_was_killed_is_brought_to_its_end_by_the_next() {
    alone(async {
        for staged in [false, true] {
            for step in UNPUBLISH {
                let mut world = World::new();
                world.staged = staged;
                world.add_pod(1);
                world.published(1, Delivery::Node).await;
                killed_at(step, "unpublish", &world);
                let volumes = world.start();
                assert_eq!(phase(&volumes, 1).unwrap().0, Phase::Releasing, "{step}");
                is_unpublished(&world, &volumes).await;
            }
        }
    });
}

#[test]
fn a_volume_that_is_wanted_again_after_a_killed_unpublish_has_a_new_credential() {
    alone(async {
        for step in UNPUBLISH {
            let world = World::new();
            world.add_pod(1);
            world.published(1, Delivery::Node).await;
            killed_at(step, "unpublish", &world);
            let volumes = world.start();
            volumes.publish(publish(1, Delivery::Node)).await.unwrap();
            is_published(&world, &volumes, Delivery::Node);
            assert_eq!(
                world.password(1),
                "generation 2",
                "{step}: the first is being released"
            );
        }
    });
}

#[test]
fn a_publish_over_a_killed_unpublish_may_be_killed_as_well() {
    alone(async {
        for step in [
            "publish/cleared",
            "publish/recorded",
            "publish/made",
            "publish/mounted",
        ] {
            let world = World::new();
            world.add_pod(1);
            world.published(1, Delivery::Node).await;
            killed_at("unpublish/recorded", "unpublish", &world);
            killed_at(step, "node", &world);
            let volumes = world.start();
            volumes.publish(publish(1, Delivery::Node)).await.unwrap();
            is_published(&world, &volumes, Delivery::Node);
            assert_ne!(world.password(1), "generation 1");
        }
    });
}
