//! TLS on real sockets, and a certificate that changes.

use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use hardpoint_health::{
    Lifecycle,
    serve::{
        Cause, Server,
        tls::{PemFiles, Tls},
    },
};
use rcgen::{CertifiedKey, KeyPair};
use rustls::{
    ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::PATIENCE;

/// A directory that is removed with the test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "hardpoint-tls-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> PemFiles {
        PemFiles { chain: self.0.join("tls.crt"), key: self.0.join("tls.key") }
    }

    fn write(&self, certificate: &CertifiedKey<KeyPair>) {
        let files = self.files();
        fs::write(files.chain, certificate.cert.pem()).unwrap();
        fs::write(files.key, certificate.signing_key.serialize_pem()).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing depends on it.
        drop(fs::remove_dir_all(&self.0));
    }
}

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// A client that trusts `root` only.
async fn connect(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    protocols: &[&[u8]],
    versions: &[&'static SupportedProtocolVersion],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The response to a request by a client that trusts `root` only, and the protocol.
async fn get_with(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> io::Result<(String, Option<Vec<u8>>)> {
    let mut stream = connect(address, root, protocols, ALL_VERSIONS).await?;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok((String::from_utf8_lossy(&answer).into_owned(), protocol)),
    }
}

#[tokio::test]
async fn a_certificate_is_served_and_loaded_again_when_its_files_change() {
    let directory = Directory::new();
    let (first, second) = (certificate(), certificate());
    directory.write(&first);
    let tls = Tls::load(directory.files()).unwrap().reload_every(Duration::from_millis(20));
    let lifecycle = Lifecycle::builder().drain_delay(Duration::ZERO).build().unwrap();
    let server = Server::bind("127.0.0.1:0")
        .await
        .unwrap()
        .tls(tls)
        .handshake_timeout(Duration::from_millis(500));
    let (address, refused) = (server.local_addr().unwrap(), server.refused());
    let run = {
        let lifecycle = lifecycle.clone();
        let app = Router::new().route("/", get(async || "hello"));
        tokio::spawn(async move { lifecycle.run(server.service(app).serve(&lifecycle)).await })
    };

    let (answer, protocol) = get_with(address, first.cert.der(), &[b"http/1.1"]).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("hello"), "{answer}");
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    let offers: [&[u8]; 2] = [b"http/1.1", b"h2"];
    // A request of HTTP/1 after ALPN chose HTTP/2: only the choice matters here.
    let chosen = get_with(address, first.cert.der(), &offers).await;
    assert_eq!(chosen.unwrap().1.as_deref(), Some(&b"h2"[..]));
    assert!(get_with(address, second.cert.der(), &[]).await.is_err(), "not trusted");

    for version in [&TLS12, &TLS13] {
        let stream = connect(address, first.cert.der(), &[], &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
    }

    // Clients that do not start the handshake, or do not finish it.
    for (count, start) in [(1, &b""[..]), (2, b"\x16\x03\x01\x02\0\x01")] {
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(start).await.unwrap();
        let closed = timeout(PATIENCE, slow.read(&mut [0; 8])).await.unwrap();
        assert_eq!(closed.unwrap_or(0), 0);
        assert_eq!(refused.count(Cause::Handshake), count);
    }

    // A broken file keeps the old certificate, and a new one replaces it.
    fs::write(directory.files().key, "broken").unwrap();
    sleep(Duration::from_millis(200)).await;
    assert!(get_with(address, first.cert.der(), &[]).await.is_ok());
    directory.write(&second);
    let renewed = async {
        while get_with(address, second.cert.der(), &[]).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, renewed).await.unwrap();
    assert!(get_with(address, first.cert.der(), &[]).await.is_err(), "the old one is gone");

    lifecycle.begin_drain();
    assert_eq!(timeout(PATIENCE, run).await.unwrap().unwrap(), ExitCode::SUCCESS);
}

#[test]
fn an_error_names_the_file() {
    let directory = Directory::new();
    let error = Tls::load(directory.files()).unwrap_err().to_string();
    assert!(error.contains("tls.crt") && error.starts_with("cannot read"), "{error}");
    directory.write(&certificate());
    fs::write(directory.files().chain, "no PEM").unwrap();
    let error = Tls::load(directory.files()).unwrap_err().to_string();
    assert!(error.contains("tls.crt") && error.contains("PEM"), "{error}");
    // The key of another certificate.
    directory.write(&certificate());
    let other = certificate().signing_key.serialize_pem();
    fs::write(directory.files().key, other).unwrap();
    let error = Tls::load(directory.files()).unwrap_err().to_string();
    assert!(error.contains("tls.key") && error.contains("does not belong"), "{error}");
}
