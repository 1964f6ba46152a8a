//! The tokens that all servers get, signed with RS256.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hardpoint::auth::{Algorithm, SigningKey, TokenIssuer};

use crate::BoxError;

/// Who issues them: what `hardened-api` expects.
pub(crate) const ISSUER: &str = "https://hardened-api.example";
/// Whom they are for.
pub(crate) const AUDIENCE: &str = "hardened-api";

/// Tokens of so many clients, so many that are never sent twice, and so many forged ones.
const CLIENTS: usize = 5_000;
const FRESH: usize = 80_000;
const FORGED: usize = 1_000;

/// Which tokens requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// 1 % of all are forged, the others are the client's.
    Forged,
    /// Each token is sent once.
    Fresh,
    /// Each connection has a token.
    OnePerClient,
}

impl Mix {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Fresh => "fresh",
            Self::OnePerClient => "own",
        }
    }
}

/// Where they are: a file for each kind, a token a line.
pub(crate) struct Tokens {
    folder: PathBuf,
    /// The private key in PEM.
    pub(crate) private: String,
    /// The root secret of the service, in base64.
    pub(crate) root: String,
}

impl Tokens {
    /// Makes them, unless an earlier run did.
    pub(crate) fn make(folder: &Path) -> Result<Self, BoxError> {
        let key_file = folder.join("private.pem");
        // Signing takes a minute, so a later run within a day takes them over.
        let made = fs::metadata(folder.join("forged.txt")).and_then(|found| found.modified());
        let is_recent =
            made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < Duration::from_hours(20)));
        if !is_recent {
            let pem = SigningKey::generate_for(Algorithm::Rs256)?.to_pem()?;
            fs::write(&key_file, pem.expose())?;
            let key = SigningKey::from_pem(pem.expose())?;
            fs::write(folder.join("public.pem"), key.verifying_key().to_pem()?)?;
            mint(key, CLIENTS, "client", &folder.join("own.txt"))?;
            let key = SigningKey::from_pem(pem.expose())?;
            mint(key, FRESH, "visitor", &folder.join("fresh.txt"))?;
            fs::write(folder.join("forged.txt"), forged(&folder.join("own.txt"))?)?;
        }
        let mut root = [0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut root)?;
        let (private, root) = (fs::read_to_string(key_file)?, STANDARD.encode(root));
        Ok(Self { folder: folder.to_owned(), private, root })
    }

    /// The file of these.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.txt"))
    }

    /// The public key, in PEM.
    pub(crate) fn public(&self) -> PathBuf {
        self.folder.join("public.pem")
    }
}

fn mint(key: SigningKey, count: usize, name: &str, file: &Path) -> Result<(), BoxError> {
    let issuer = TokenIssuer::builder(key)
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .lifetime(Duration::from_hours(24))
        .build()?;
    let mut text = String::new();
    for index in 0..count {
        let subject = format!("{name}-0190b5a2-7c3e-7d44-9d1b-{index:012x}");
        let token = issuer.token(&subject).scopes(["notes:read", "notes:write"]).sign()?;
        text.push_str(token.expose());
        text.push('\n');
    }
    fs::write(file, text)?;
    Ok(())
}

/// Each token with the signature of the next.
fn forged(own: &Path) -> Result<String, BoxError> {
    let own = fs::read_to_string(own)?;
    let parts = |token: &str| token.rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned()));
    let tokens: Option<Vec<_>> = own.lines().map(parts).collect();
    let tokens = tokens.ok_or("a token has three parts")?;
    let pairs = tokens.iter().zip(tokens.iter().skip(1)).take(FORGED);
    Ok(pairs.map(|((signed, _), (_, signature))| format!("{signed}.{signature}\n")).collect())
}
