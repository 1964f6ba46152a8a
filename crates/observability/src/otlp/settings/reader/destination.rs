//! Reads the destination of a signal.

use std::fs;

use http::{HeaderMap, Uri};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{
    super::target::{self, Identity, Protocol, Target},
    Reader,
};
use crate::otlp::counts::Signal;

impl Reader {
    /// Returns the destination of a signal, `None` if it is not exported or a variable is wrong.
    pub(super) fn target(&mut self, signal: Signal) -> Option<Target> {
        let exporter = format!("OTEL_{}_EXPORTER", signal.as_str().to_uppercase());
        let asked = match self.get(&exporter) {
            None => false,
            Some("otlp") => true,
            Some("none") => return None,
            Some(_) => {
                self.refuse(&exporter, "write `otlp` or `none`");
                return None;
            }
        };
        let endpoint = self.of_signal(signal, "ENDPOINT");
        if endpoint.is_none() && !asked {
            return None;
        }
        let protocol = self.protocol(signal)?;
        let uri = self.uri(signal, endpoint, protocol);
        let headers = self.headers(signal);
        let timeout = match self.of_signal(signal, "TIMEOUT") {
            Some((name, _)) => self.millis(&name, 10_000),
            None => self.millis("OTEL_METRIC_EXPORT_TIMEOUT", 10_000),
        };
        let gzip = self.gzip(signal);
        let authorities = match self.of_signal(signal, "CERTIFICATE") {
            Some((name, _)) => Some(self.certificates(&name)?),
            None => None,
        };
        let identity = self.identity(signal)?;
        let (uri, headers) = (uri?, headers?);
        Some(Target { protocol: protocol.0, uri, headers, timeout, gzip, authorities, identity })
    }

    /// The variable that applies to a signal: its own, or else the one for all signals.
    fn of_signal(&self, signal: Signal, suffix: &str) -> Option<(String, bool)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{suffix}", signal.as_str().to_uppercase());
        let all = format!("OTEL_EXPORTER_OTLP_{suffix}");
        if self.values.contains_key(&own) {
            Some((own, true))
        } else {
            self.values.contains_key(&all).then_some((all, false))
        }
    }

    /// Returns the protocol, and whether a variable names it.
    fn protocol(&mut self, signal: Signal) -> Option<(Protocol, bool)> {
        let Some((name, _)) = self.of_signal(signal, "PROTOCOL") else {
            return Some((Protocol::HttpProtobuf, false));
        };
        match self.get(&name) {
            Some("grpc") => Some((Protocol::Grpc, true)),
            Some("http/protobuf") => Some((Protocol::HttpProtobuf, true)),
            _ => {
                self.refuse(&name, "write `http/protobuf` or `grpc`");
                None
            }
        }
    }

    fn uri(
        &mut self,
        signal: Signal,
        endpoint: Option<(String, bool)>,
        (protocol, chosen): (Protocol, bool),
    ) -> Option<Uri> {
        let Some((name, own)) = endpoint else {
            let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
            return target::uri(&format!("http://localhost:{port}"), false, protocol, signal).ok();
        };
        let text = self.get(&name).unwrap_or_default().to_owned();
        match target::uri(&text, own, protocol, signal) {
            // Collectors speak gRPC on this port, and would close every connection.
            Ok(uri) if uri.port_u16() == Some(4317) && !chosen => {
                let what = "has gRPC's port, but the protocol is http/protobuf by default";
                let remedy = "set OTEL_EXPORTER_OTLP_PROTOCOL to `grpc`, or write port 4318";
                self.add(&name, what, remedy);
                None
            }
            Ok(uri) => Some(uri),
            Err((what, remedy)) => {
                // Not shown: a user name or a query may hold a secret.
                self.add(&name, what, remedy);
                None
            }
        }
    }

    fn headers(&mut self, signal: Signal) -> Option<HeaderMap> {
        let Some((name, _)) = self.of_signal(signal, "HEADERS") else {
            return Some(HeaderMap::new());
        };
        match target::headers(self.get(&name).unwrap_or_default()) {
            Ok(headers) => Some(headers),
            Err(what) => {
                let remedy = "write name=value pairs, separated by commas, with percent-encoded \
                              values, such as authorization=Bearer%20TOKEN";
                self.add(&name, format!("is not a list of headers: {what}"), remedy);
                None
            }
        }
    }

    fn gzip(&mut self, signal: Signal) -> bool {
        let Some((name, _)) = self.of_signal(signal, "COMPRESSION") else { return false };
        match self.get(&name) {
            Some("gzip") => true,
            Some("none") => false,
            _ => {
                self.refuse(&name, "write `gzip` or `none`");
                false
            }
        }
    }

    fn certificates(&mut self, name: &str) -> Option<Vec<CertificateDer<'static>>> {
        let remedy = "write the path of a PEM file with certificates";
        let file = self.file(name, remedy)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file).collect();
        let found = read.ok().filter(|certificates| !certificates.is_empty());
        if found.is_none() {
            self.add(name, "names a file without a certificate", remedy);
        }
        found
    }

    /// Returns the client's certificate, `Some(None)` without one.
    fn identity(&mut self, signal: Signal) -> Option<Option<Identity>> {
        let chain = self.of_signal(signal, "CLIENT_CERTIFICATE");
        let key = self.of_signal(signal, "CLIENT_KEY");
        match (chain, key) {
            (None, None) => Some(None),
            (Some((chain, _)), Some((key, _))) => {
                let chain = self.certificates(&chain)?;
                let remedy = "write the path of a PEM file with the private key";
                let file = self.file(&key, remedy)?;
                let read = PrivateKeyDer::from_pem_slice(&file);
                if read.is_err() {
                    self.add(&key, "names a file without a private key", remedy);
                }
                Some(Some(Identity { chain, key: read.ok()? }))
            }
            (Some((name, _)), None) | (None, Some((name, _))) => {
                let remedy = "set both CLIENT_CERTIFICATE and CLIENT_KEY, or neither";
                self.add(&name, "is set without its counterpart", remedy);
                None
            }
        }
    }

    fn file(&mut self, name: &str, remedy: &str) -> Option<Vec<u8>> {
        let read = fs::read(self.get(name).unwrap_or_default());
        match read {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.add(name, format!("names a file that cannot be read ({error})"), remedy);
                None
            }
        }
    }
}
