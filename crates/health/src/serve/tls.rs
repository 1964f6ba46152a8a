//! TLS by rustls, with a certificate that is loaded again when its files change.
//!
//! TLS 1.2 and 1.3, with rustls' choice of ciphers; ALPN offers HTTP/2 and HTTP/1.1. The handshake is
//! part of [`Server::handshake_timeout`](super::Server::handshake_timeout).
//!
//! ```no_run
//! use hardpoint_health::serve::{
//!     Server,
//!     tls::{PemFiles, Tls},
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let files = PemFiles { chain: "/tls/tls.crt".into(), key: "/tls/tls.key".into() };
//! let server = Server::bind("0.0.0.0:443").await?.tls(Tls::load(files)?);
//! # let _ = server;
//! # Ok(())
//! # }
//! ```

use std::{
    error::Error,
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use hardpoint_core::Secret;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{info, warn};

/// Renewals happen days before a certificate ends.
const RELOAD_EVERY: Duration = Duration::from_secs(30);

/// The files of a certificate, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFiles {
    /// The certificate, followed by the intermediate certificates.
    pub chain: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// A certificate and the settings of TLS.
#[derive(Debug)]
#[must_use = "TLS has no effect until a server has it"]
pub struct Tls {
    files: PemFiles,
    provider: Arc<CryptoProvider>,
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    seen: Contents,
    reload_every: Duration,
}

impl Tls {
    /// Loads the certificate and its key.
    ///
    /// # Errors
    /// A file cannot be read, holds no certificate or key, or the two do not belong together.
    pub fn load(files: PemFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let seen = Contents::read(&files)?;
        let key = seen.parse(&files, &provider)?;
        let current = Arc::new(Current { key: RwLock::new(Arc::new(key)) });
        let resolver = Arc::clone(&current);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError { path: files.chain.clone(), kind: Kind::Key(error) })?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        Ok(Self { files, provider, config, current, seen, reload_every: RELOAD_EVERY })
    }

    /// Sets how often the server looks whether the files have changed. Default: 30 seconds, for
    /// renewals that happen days before a certificate ends.
    ///
    /// A look reads both files. If they are invalid, the server keeps the old certificate and logs a
    /// warning. 0 looks once a second.
    pub fn reload_every(mut self, every: Duration) -> Self {
        self.reload_every = if every.is_zero() { Duration::from_secs(1) } else { every };
        self
    }

    /// Starts to look for changes, until the acceptor is dropped.
    pub(super) fn start(self) -> Acceptor {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let mut tasks = JoinSet::new();
        tasks.spawn(self.reload());
        Acceptor { acceptor, _tasks: tasks }
    }

    async fn reload(mut self) {
        loop {
            tokio::time::sleep(self.reload_every).await;
            let files = self.files.clone();
            let read = tokio::task::spawn_blocking(move || Contents::read(&files)).await;
            let contents = match read {
                Ok(Ok(contents)) => contents,
                Ok(Err(error)) => {
                    keep_old(&error);
                    continue;
                }
                // The runtime ends.
                Err(_) => return,
            };
            if contents.equals(&self.seen) {
                continue;
            }
            match contents.parse(&self.files, &self.provider) {
                Ok(key) => {
                    self.current.set(key);
                    info!(target: "hardpoint::health::serve", "certificate loaded again");
                }
                Err(error) => keep_old(&error),
            }
            self.seen = contents;
        }
    }
}

fn keep_old(error: &TlsError) {
    let error: &(dyn Error + 'static) = error;
    warn!(
        target: "hardpoint::health::serve",
        error,
        "cannot load the certificate again, keeping the old one"
    );
}

/// The contents of the files, to notice a change.
struct Contents {
    chain: Vec<u8>,
    key: Secret<[u8]>,
}

impl Contents {
    fn read(files: &PemFiles) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|error| TlsError { path: path.clone(), kind: Kind::Read(error) })
        };
        Ok(Self { chain: read(&files.chain)?, key: Secret::from(read(&files.key)?) })
    }

    fn equals(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.ct_eq(other.key.expose())
    }

    fn parse(&self, files: &PemFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let pem = |path: &PathBuf| {
            let path = path.clone();
            move |error: pem::Error| TlsError { path, kind: Kind::Pem(error) }
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.chain).collect();
        let chain = chain.map_err(pem(&files.chain))?;
        if chain.is_empty() {
            let (path, kind) = (files.chain.clone(), Kind::Pem(pem::Error::NoItemsFound));
            return Err(TlsError { path, kind });
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.expose()).map_err(pem(&files.key))?;
        CertifiedKey::from_der(chain, key, provider)
            .map_err(|error| TlsError { path: files.key.clone(), kind: Kind::Key(error) })
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contents")
    }
}

/// The certificate of the next handshake.
#[derive(Debug)]
struct Current {
    key: RwLock<Arc<CertifiedKey>>,
}

impl Current {
    fn set(&self, key: CertifiedKey) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Accepts TLS connections.
pub(super) struct Acceptor {
    acceptor: TlsAcceptor,
    /// Dropping the set ends the task that looks for changes.
    _tasks: JoinSet<()>,
}

impl Acceptor {
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

/// A certificate cannot be loaded.
#[derive(Debug)]
pub struct TlsError {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Key(rustls::Error),
    Pem(pem::Error),
    Read(io::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            Kind::Key(_) => {
                write!(
                    f,
                    "the key in {path} does not belong to the certificate or is not supported"
                )
            }
            Kind::Pem(_) => write!(f, "{path} does not contain the expected PEM"),
            Kind::Read(_) => write!(f, "cannot read {path}"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match &self.kind {
            Kind::Key(error) => error,
            Kind::Pem(error) => error,
            Kind::Read(error) => error,
        })
    }
}
