//! What an operator sees of the ledger, and a rotation that one asks for.

use esi_api::v1::rotate_leases_request::Leases;
use esi_api::v1::{Action, PodLeases};
use esi_tests::federation::{CLUSTER, Client, value};
use esi_tests::issuer::{Issuer, Pod};
use tonic::Code;

use super::world::{SHOP, World};

async fn world() -> World {
    let mut world = World::prepare().await;
    world
        .federation
        .flags(&["--operator", &format!("{CLUSTER}/esi-system/admin")]);
    world.federation.start().unwrap();
    world
}

/// A caller of this service account, without a pod, as `kubectl create token` makes one.
async fn person(world: &World, namespace: &str, service_account: &str) -> Client {
    let mut claims = Issuer::claims(&Pod {
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        ..Pod::new()
    });
    let bound = claims["kubernetes.io"].as_object_mut().unwrap();
    bound.remove("pod");
    bound.remove("node");
    let token = world.federation.issuer.sign(&claims);
    world.federation.client_with(&token).await.unwrap()
}

fn of_pod(pod: &Pod, binding: &str) -> Leases {
    Leases::Pod(PodLeases {
        federation: CLUSTER.to_owned(),
        pod_uid: pod.uid.clone(),
        binding: binding.to_owned(),
    })
}

#[tokio::test]
async fn a_rotation_that_an_operator_asks_for_is_told_until_the_next_generation_is_shown() {
    let world = world().await;
    let (pod, other) = (Pod::new(), Pod::new());
    let mut app = world.federation.client(&pod).await.unwrap();
    let issued = app.issue(SHOP).await.unwrap();
    let mut untouched = world.federation.client(&other).await.unwrap();
    untouched.issue(SHOP).await.unwrap();
    assert_eq!(app.report(1).await.unwrap().action(), Action::Keep);

    let mut admin = person(&world, "esi-system", "admin").await;
    assert_eq!(admin.rotate(of_pod(&pod, "")).await.unwrap(), 1);
    assert_eq!(
        admin.rotate(of_pod(&pod, "db")).await.unwrap(),
        1,
        "it is idempotent"
    );
    assert_eq!(admin.rotate(of_pod(&pod, "cache")).await.unwrap(), 0);
    let told = app.report(1).await.unwrap();
    assert_eq!((told.action(), told.asked), (Action::Rotate, true));
    assert!(told.expires_in.is_some(), "it is still live");
    assert!(world.can_log_in(&issued).await);
    assert_eq!(untouched.report(1).await.unwrap().action(), Action::Keep);

    app.issue(SHOP).await.unwrap();
    app.acknowledge(2).await.unwrap();
    let told = app.report(2).await.unwrap();
    assert_eq!((told.action(), told.asked), (Action::Keep, false));
    let log = world.federation.log();
    assert!(log.contains("rotation_asked") && log.contains("cluster/esi-system/admin"));
}

#[tokio::test]
async fn an_operator_sees_who_has_what_and_no_credential() {
    let world = world().await;
    let pod = Pod::new();
    let mut app = world.federation.client(&pod).await.unwrap();
    let issued = app.issue(SHOP).await.unwrap();
    let mut admin = person(&world, "esi-system", "admin").await;
    let leases = admin.leases().await.unwrap();
    let [lease] = leases.as_slice() else {
        panic!("{leases:?}")
    };
    assert_eq!(lease.id, issued.lease.as_ref().unwrap().id);
    assert_eq!(lease.instance, format!("pod:{}", pod.uid));
    assert_eq!((&*lease.name, &*lease.node), (&*pod.name, "node-a"));
    assert_eq!((&*lease.state, lease.acknowledged), ("active", false));
    assert!(!format!("{lease:?}").contains(&value(&issued, "password")));
    assert_eq!(admin.rotate(Leases::Lease(lease.id.clone())).await.unwrap(), 1);
    assert!(admin.leases().await.unwrap()[0].rotation_asked);
}

#[tokio::test]
async fn who_is_no_operator_sees_and_does_nothing() {
    let world = world().await;
    let pod = Pod::new();
    let mut app = world.federation.client(&pod).await.unwrap();
    app.issue(SHOP).await.unwrap();
    for mut caller in [
        app.clone(),
        person(&world, "esi-system", "other").await,
        person(&world, "demo", "admin").await,
    ] {
        let listed = caller.leases().await.unwrap_err();
        let rotated = caller.rotate(of_pod(&pod, "")).await.unwrap_err();
        for status in [listed, rotated] {
            assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        }
    }
    assert_eq!(app.report(1).await.unwrap().action(), Action::Keep);
}
