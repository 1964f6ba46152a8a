//! Collectors over TLS.

use std::{env, fs, path::PathBuf, process, sync::Arc, time::Duration};

use hardpoint_observability::{
    Metrics,
    otlp::{DropReason, Otlp, Signal},
};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

use super::{
    PATIENCE, builder,
    collector::{Collector, Protocol},
};

/// Files that are removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("hardpoint-otlp-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Best effort: the system cleans its temporary folder anyway.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn server(authority: &CertifiedIssuer<'static, KeyPair>, asks: bool) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = if asks {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        config.with_client_cert_verifier(verifier)
    } else {
        config.with_no_client_auth()
    };
    let mut config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Exports one metric.
async fn export(otlp: &Otlp) -> bool {
    let mut metrics = Metrics::builder();
    let unit = hardpoint_observability::metrics::Unit::NONE;
    metrics.counter("orders_total", unit, "Orders.").increment();
    otlp.metrics(&metrics.build().unwrap());
    otlp.flush(PATIENCE).await
}

#[tokio::test]
async fn a_collector_with_a_private_authority_is_trusted_by_its_file_only() {
    let files = Files::new("authority");
    let (own, other) = (authority(), authority());
    let trusted = files.write("own.pem", &own.pem());
    let stranger = files.write("other.pem", &other.pem());
    for protocol in Protocol::BOTH {
        let collector = Collector::tls(protocol, server(&own, false));
        let variables = [("OTEL_EXPORTER_OTLP_CERTIFICATE", trusted.as_str())];
        let otlp = builder(&collector, &variables).start().unwrap();
        assert!(export(&otlp).await);
        assert_eq!(otlp.totals(Signal::Metrics).dropped(), 0, "{protocol:?}");

        let variables = [("OTEL_EXPORTER_OTLP_CERTIFICATE", stranger.as_str())];
        let otlp = builder(&collector, &variables).retry_for(Duration::ZERO).start().unwrap();
        assert!(export(&otlp).await);
        let totals = otlp.totals(Signal::Metrics);
        assert_eq!(totals.dropped_for(DropReason::Expired), totals.recorded, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_collector_that_asks_for_a_certificate_gets_it() {
    let files = Files::new("client");
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let client = CertificateParams::new(vec!["client".to_owned()]).unwrap();
    let client = client.signed_by(&key, &authority).unwrap();
    let trusted = files.write("authority.pem", &authority.pem());
    let chain = files.write("client.pem", &client.pem());
    let key = files.write("client.key", &key.serialize_pem());
    let collector = Collector::tls(Protocol::Grpc, server(&authority, true));
    let variables = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", trusted.as_str()),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", chain.as_str()),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str()),
    ];
    let otlp = builder(&collector, &variables).start().unwrap();
    assert!(export(&otlp).await);
    assert_eq!(otlp.totals(Signal::Metrics).dropped(), 0);
    let without = builder(&collector, &variables[..1]).retry_for(Duration::ZERO).start().unwrap();
    assert!(export(&without).await);
    assert_eq!(without.totals(Signal::Metrics).sent, 0);
}
