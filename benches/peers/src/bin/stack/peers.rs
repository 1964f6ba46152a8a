//! The servers of this program: only axum, and axum with the layers that are popular for each task.

use std::{env, fs, net::SocketAddr, path::Path, sync::Arc};

use axum::{Router, response::Response, routing::get, serve::ListenerExt};
use hardpoint_bench_peers::popular::{self, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::DecodingKey;
use tokio::net::TcpListener;

use crate::{
    BoxError,
    tokens::{AUDIENCE, ISSUER},
};

/// `stack serve KIND KEY`, with the address in `LISTEN`.
pub(crate) fn serve(kind: &str, key: &Path) -> Result<(), BoxError> {
    let address: SocketAddr = env::var("LISTEN")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // axum-prometheus starts a task.
    let _entered = runtime.enter();
    let ping = Router::new().route("/api/v1/ping", get(async || "pong"));
    tracing::dispatcher::set_global_default(popular::log())?;
    let router = match kind {
        "bare" => ping,
        "same bytes" => same_bytes(ping, &fs::read_to_string(env::var("HEADERS")?)?)?,
        "peers" => popular::around(ping, verifier(key)?),
        "peers + cache" => popular::around(ping, verifier(key)?.cached()),
        _ => return Err("no such server".into()),
    };
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener: TcpListener = socket.listen(4096)?;
        let listener = listener.tap_io(|stream| {
            let _set = stream.set_nodelay(true);
        });
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await?;
        Ok(())
    })
}

/// As many bytes as ours sends, added by one layer that does nothing else.
fn same_bytes(router: Router, headers: &str) -> Result<Router, BoxError> {
    let mut added = HeaderMap::new();
    for line in headers.lines() {
        let (name, value) = line.split_once(':').ok_or("a header has a colon")?;
        added.append(HeaderName::try_from(name)?, HeaderValue::try_from(value.trim())?);
    }
    let added = Arc::new(added);
    Ok(router.layer(tower::util::MapResponseLayer::new(move |mut response: Response| {
        let headers = response.headers_mut();
        headers.reserve(added.len());
        for (name, value) in added.iter() {
            headers.append(name.clone(), value.clone());
        }
        response
    })))
}

fn verifier(key: &Path) -> Result<Verifier, BoxError> {
    Ok(Verifier::new(DecodingKey::from_rsa_pem(&fs::read(key)?)?, ISSUER, AUDIENCE))
}
