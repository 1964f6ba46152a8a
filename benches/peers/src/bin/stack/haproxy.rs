//! HAProxy in front of `bare`.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path, process::Child};

use crate::{
    BoxError,
    process::pinned,
    tokens::{AUDIENCE, ISSUER, Tokens},
};

/// Starts it: a token verified with `jwt_verify`, its issuer and its audience, a limit by a stick
/// table that nothing reaches, and the headers that hardpoint adds.
pub(crate) fn start(
    address: SocketAddr,
    behind: SocketAddr,
    headers: &str,
    tokens: &Tokens,
    work: &Path,
) -> Result<Child, BoxError> {
    let key = tokens.public().canonicalize()?;
    let key = key.display();
    let mut text = format!(
        "global
    nbthread 1
    maxconn 6000
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    http-reuse always
frontend public
    bind {address} backlog 4096
    stick-table type ip size 1m expire 10m store http_req_rate(1s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000 }}
    http-request set-var(txn.bearer) http_auth_bearer
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str {ISSUER} }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.aud') -m str {AUDIENCE} }}
    http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,\"{key}\") -m int 1 }}
"
    );
    for line in headers.lines() {
        let (name, value) = line.split_once(':').ok_or("a header has a colon")?;
        // Spaces, quotes and percent signs mean something to it.
        let value = value.trim().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
        let _written = writeln!(text, "    http-response set-header {name} \"{value}\"");
    }
    let _written =
        writeln!(text, "    default_backend bare\nbackend bare\n    server one {behind}");
    let file = work.join("haproxy.cfg");
    fs::write(&file, text)?;
    Ok(pinned(Path::new("haproxy")).arg("-db").arg("-f").arg(file).spawn()?)
}
