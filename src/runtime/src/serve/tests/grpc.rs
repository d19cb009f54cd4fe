//! gRPC and REST behind one router, with a client of the real protocol.

use esi_api::v1::federation_client::FederationClient;
use esi_api::v1::federation_server::{Federation, FederationServer};
use esi_api::v1::{
    AcknowledgeRequest, AcknowledgeResponse, IssueRequest, IssueResponse, ReportRequest, ReportResponse,
    RevokeRequest, RevokeResponse,
};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use super::*;

/// Answers whether it was told who asks, and refuses the rest.
struct Service;

#[tonic::async_trait]
impl Federation for Service {
    async fn issue(&self, _: Request<IssueRequest>) -> Result<Response<IssueResponse>, Status> {
        Err(Status::permission_denied("not yours"))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .ok_or_else(|| Status::internal("no peer"))?;
        assert!(peer.address.ip().is_loopback());
        Ok(Response::new(AcknowledgeResponse {}))
    }

    async fn revoke(&self, _: Request<RevokeRequest>) -> Result<Response<RevokeResponse>, Status> {
        std::future::pending().await
    }

    async fn report(&self, _: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }
}

fn both() -> Router {
    let grpc = tonic::service::Routes::new(FederationServer::new(Service))
        .prepare()
        .into_axum_router();
    who().merge(grpc)
}

async fn client(server: &crate::testing::Running) -> FederationClient<Channel> {
    let (address, ca) = (server.address, server.ca_pem.clone());
    let connector = tower::service_fn(move |_| {
        let ca = ca.clone();
        async move { connect(address, &ca, &["h2"]).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    FederationClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

#[tokio::test]
async fn grpc_and_rest_share_the_port() {
    let server = start(both(), ServeLimits::default());
    let mut grpc = client(&server).await;
    soon(grpc.acknowledge(AcknowledgeRequest::default()))
        .await
        .unwrap();
    let refused = soon(grpc.issue(IssueRequest::default())).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::PermissionDenied, "not yours")
    );
    let rest = soon(server.http1().await.send_request(get("/who")))
        .await
        .unwrap();
    assert_eq!(rest.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_grpc_call_that_exceeds_its_deadline_may_be_retried() {
    let server = start(
        both(),
        ServeLimits {
            request_timeout: SHORT,
            ..ServeLimits::default()
        },
    );
    let late = soon(client(&server).await.revoke(RevokeRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_idle_grpc_channel_is_closed_politely() {
    let server = start(
        both(),
        ServeLimits {
            drain: SHORT,
            ..ServeLimits::default()
        },
    );
    let mut grpc = client(&server).await;
    soon(grpc.acknowledge(AcknowledgeRequest::default()))
        .await
        .unwrap();
    server.shutdown.trigger();
    soon(server.served).await.unwrap();
    assert_eq!(server.metrics.cut("drain").get(), 0);
}
