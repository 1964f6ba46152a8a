//! The dependency that fails on demand.

use hardpoint_testkit::http::{Client, Reply};
use http::Request;

use crate::Service;

async fn switch(client: &Client, service: &Service, mode: &str) -> Reply {
    let body = format!("{{\"mode\":\"{mode}\"}}");
    let request = Request::put(format!("{}/upstream", service.admin));
    client.request(request.header("content-type", "application/json"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dependency_that_is_down_is_cut_off() {
    let service = Service::start(&[]).await;
    let client = Client::new();
    let quote = format!("{}/api/v1/quote", service.public);
    let reply = client.get(&quote).await;
    assert_eq!(reply.status.as_u16(), 200);
    assert!(reply.json()["quote"].is_string());

    assert_eq!(switch(&client, &service, "down").await.status.as_u16(), 204);
    let mut statuses = Vec::new();
    let refused = loop {
        let reply = client.get(&quote).await;
        if reply.status.as_u16() == 503 {
            break reply;
        }
        statuses.push(reply.status.as_u16());
        assert!(statuses.len() < 20, "{statuses:?}");
    };
    assert!(statuses.iter().all(|status| *status == 502), "{statuses:?}");
    assert_eq!(refused.json()["code"], "upstream_unavailable");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_mode_is_refused() {
    let service = Service::start(&[]).await;
    let reply = switch(&Client::new(), &service, "broken").await;
    assert_eq!(reply.status.as_u16(), 422);
}
