//! Fetching over https.

use std::sync::Arc;

use hardpoint_auth::remote::{HttpFetch, RefreshErrorKind, RemoteKeys};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::key;

/// A certificate authority of its own, and its certificate as PEM.
pub(crate) fn authority() -> (CertifiedIssuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let pem = issuer.pem();
    (issuer, pem)
}

/// A server at `https://localhost:<port>` that answers every connection with `jwks`.
async fn server(authority: &CertifiedIssuer<'static, KeyPair>, jwks: String) -> u16 {
    let keys = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&keys, authority).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(keys.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever does not trust the certificate goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            let _read = stream.read(&mut request).await;
            let length = jwks.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{jwks}");
            let _sent = stream.write_all(head.as_bytes()).await;
            let _closed = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn keys_come_from_whom_the_certificate_names_alone() {
    let (issuer, trusted) = authority();
    let port = server(&issuer, key().1).await;
    let keys = |host: &str, trusted: &str| {
        let fetch = HttpFetch::trusting_pem(trusted).unwrap();
        RemoteKeys::jwks(format!("https://{host}:{port}/keys"), fetch).start().unwrap()
    };
    keys("localhost", &trusted).warm().await.unwrap();
    for (host, trusted) in [("localhost", &authority().1), ("127.0.0.1", &trusted)] {
        let error = keys(host, trusted).warm().await.unwrap_err();
        assert_eq!(error.kind(), RefreshErrorKind::Unreachable, "{host}");
    }
}

#[test]
fn authorities_that_are_none_are_named() {
    for text in
        ["", "hunter2", "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----"]
    {
        let error = HttpFetch::trusting_pem(text).unwrap_err();
        assert!(error.to_string().contains("PEM") && !error.to_string().contains("hunter2"));
    }
}
