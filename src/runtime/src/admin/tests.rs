use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::testing::soon;

struct Answer {
    status: StatusCode,
    content_type: String,
    body: String,
}

struct Admin {
    state: AdminState,
    address: std::net::SocketAddr,
}

fn admin() -> Admin {
    let mut registry = Registry::with_prefix("esi");
    Metrics::register(&mut registry).accepted.inc();
    let state = AdminState {
        readiness: Readiness::new(),
        shutdown: Shutdown::new(),
        registry: Arc::new(registry),
    };
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr();
    tokio::spawn(serve(listener, state.clone()));
    Admin { state, address }
}

#[tokio::test]
async fn a_check_of_the_programs_own_decides_its_health() {
    let Admin { state, .. } = admin();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr();
    let (healthy, asked) = tokio::sync::watch::channel(true);
    let check = move || {
        let healthy = *asked.borrow();
        async move {
            healthy
                .then_some(())
                .ok_or_else(|| "the socket does not answer".to_owned())
        }
    };
    let admin = Admin {
        state: state.clone(),
        address,
    };
    tokio::spawn(serve_checked(listener, state, check));
    assert_eq!(admin.get("/healthz").await.status, StatusCode::OK);
    healthy.send_replace(false);
    let answer = admin.get("/healthz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "the socket does not answer\n");
}

impl Admin {
    async fn get(&self, path: &str) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::get(path)
            .header(header::HOST, "admin")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let answer = soon(client.send_request(request)).await.unwrap();
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            content_type,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

#[tokio::test]
async fn a_live_process_is_healthy_even_when_it_is_not_ready() {
    let admin = admin();
    let _catalog = admin.state.readiness.block("catalog");
    assert_eq!(admin.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn readiness_names_what_is_awaited_until_nothing_is() {
    let admin = admin();
    let catalog = admin.state.readiness.block("catalog");
    let ledger = admin.state.readiness.block("ledger");
    let answer = admin.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "awaiting catalog\nawaiting ledger\n");
    drop((catalog, ledger));
    assert_eq!(admin.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_draining_process_is_not_ready_and_still_says_so() {
    let admin = admin();
    admin.state.shutdown.trigger();
    let answer = admin.get("/readyz").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    );
    assert_eq!(admin.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_open_metrics_text() {
    let answer = admin().get("/metrics").await;
    assert_eq!(answer.content_type, OPEN_METRICS);
    assert!(
        answer.body.contains("esi_connections_accepted_total 1\n"),
        "{}",
        answer.body
    );
    assert!(answer.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn any_other_path_is_not_found() {
    let admin = admin();
    for path in ["/", "/metrics/", "/debug/pprof", "/../etc/passwd"] {
        assert_eq!(admin.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn headers_beyond_the_bound_are_refused() {
    let mut stream = TcpStream::connect(admin().address).await.unwrap();
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: admin\r\nx: {}\r\n\r\n",
        "a".repeat(9000)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}
