//! A new certificate costs no admission.

use esi_tests::kubernetes::Cluster;

use super::load::admissions_during;
use super::pods::{inline, pod};
use super::server::{Certificates, Webhook};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_admission_fails_while_a_certificate_file_is_replaced() {
    let cluster = &Cluster::start().await.unwrap();
    let webhook = Webhook::start(cluster, Certificates::Files).await.unwrap();
    let namespace = cluster.namespace(&[]).await.unwrap();
    let three_times = async {
        for _ in 0..3 {
            webhook.replace_certificate(cluster).await.unwrap();
        }
    };
    let ((), outcome) = admissions_during(&namespace, &pod("app", &inline()), three_times).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    assert!(outcome.admitted > 0);
}
