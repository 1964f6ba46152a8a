//! Reads secrets, and what they unlock.

use std::{net::SocketAddr, sync::Arc};

use hardpoint::{
    auth::{
        KeyError, KeySet, SigningKey, VerifyingKey,
        one_time::{LinkBase, smtp::SmtpDelivery},
        password::PepperRing,
        session::RootSecret,
    },
    core::Secret,
    redis::{DigestKey, Redis},
    secrets::{Mode, Secrets, Spec},
};

use super::{Env, Keys, Root, SharedState, reader::Reader};
use crate::mail::MailSettings;

const REDIS_URL: &str = "HARDPOINT_REDIS_URL";
const ADMIN_TOKEN: &str = "HARDPOINT_ADMIN_TOKEN";
const SMTP_URL: &str = "HARDPOINT_SMTP_URL";
const PUBLIC_URL: &str = "HARDPOINT_PUBLIC_URL";
pub(super) const ROOT: &str = "HARDPOINT_ROOT_SECRET";
pub(super) const PREVIOUS_ROOT: &str = "HARDPOINT_ROOT_SECRET_PREVIOUS";
const PEPPERS: &str = "HARDPOINT_PEPPERS";

impl Reader<'_> {
    pub(super) fn secrets(&mut self, env: Env) -> Option<Secrets> {
        let mode = if env == Env::Prod { Mode::Strict } else { Mode::Lenient };
        let make_key = "take the output of `openssl genpkey -algorithm ed25519`";
        let loaded = Secrets::loader(self.environment)
            .mode(mode)
            .empty_is_absent()
            .add_spec(Spec::text(ADMIN_TOKEN).min_bytes(16).optional())
            .add_spec(Spec::pem("JWT_SIGNING_KEY").required_when_strict().hint(make_key))
            .add_spec(Spec::pem("JWT_PREVIOUS_KEYS").optional())
            .add_spec(Spec::base64(ROOT).min_bytes(32).required_when_strict())
            .add_spec(Spec::base64(PREVIOUS_ROOT).min_bytes(32).optional())
            .add_spec(Spec::text(PEPPERS).optional())
            .add_spec(Spec::text(SMTP_URL).optional())
            .load();
        self.report.collect(loaded)
    }

    /// Returns the configured keys, with a generated signing key if none is set, or `None` if one
    /// is invalid.
    pub(super) fn keys(&mut self, secrets: Option<&Secrets>) -> Option<Keys> {
        const SIGNING: &str = "JWT_SIGNING_KEY";
        const PREVIOUS: &str = "JWT_PREVIOUS_KEYS";

        let pem = |name| secrets.and_then(|secrets| secrets.text(name));
        let given = pem(SIGNING).map(|pem| SigningKey::from_pem(pem.expose()));
        let previous = pem(PREVIOUS).map(|pem| VerifyingKey::all_from_pem(pem.expose()));
        let generated = given.is_none();
        let signing = self.key(SIGNING, given.unwrap_or_else(SigningKey::generate));
        let previous = previous.map_or_else(|| Some(Vec::new()), |read| self.key(PREVIOUS, read));
        if let (Some(signing), Some(previous)) = (&signing, &previous) {
            let all = previous.iter().cloned().chain([signing.verifying_key()]);
            if let Err(error) = KeySet::new(all) {
                self.report.add(PREVIOUS, format!("makes no key set: {error}"), "remove that key");
            }
        }
        Some(Keys { signing: Arc::new(signing?), generated, previous: previous? })
    }

    /// Returns the configured root secret, or a generated one if none is set; `None` if the system
    /// provides no randomness.
    pub(super) fn root(&mut self, secrets: Option<&Secrets>) -> Option<Root> {
        let bytes = |name| secrets.and_then(|secrets| secrets.bytes(name));
        let copied = |secret: &Arc<Secret<[u8]>>| Secret::from(secret.expose());
        let given = bytes(ROOT).map(copied);
        let generated = given.is_none();
        let secret = given.or_else(|| {
            let random = Secret::<[u8; 32]>::from_fill(|bytes| getrandom::fill(bytes));
            let failed = |_| self.report.add(ROOT, "cannot be generated", "set it");
            Some(Secret::from(random.map_err(failed).ok()?.expose().as_slice()))
        })?;
        let current = RootSecret::new(secret);
        let all = match bytes(PREVIOUS_ROOT).map(copied) {
            Some(previous) => current.and_then(|current| current.previous(previous)),
            None => current,
        };
        let too_short = |error| self.report.add(ROOT, format!("is refused: {error}"), "replace it");
        Some(Root { secret: all.map_err(too_short).ok()?, generated })
    }

    /// Returns the peppers, or `None` if none are set or they cannot be used.
    pub(super) fn peppers(&mut self, secrets: Option<&Secrets>) -> Option<PepperRing> {
        let secrets = secrets?;
        let read = PepperRing::parse(secrets.text(PEPPERS)?);
        let refused = |error| {
            let remedy =
                "write `id:secret`, the current one first, each as from `openssl rand -base64 32`";
            self.report.add(PEPPERS, format!("is refused: {error}"), remedy);
        };
        let peppers = read.map_err(refused).ok()?;
        for root in [ROOT, PREVIOUS_ROOT] {
            if secrets.bytes(root).is_some_and(|secret| peppers.contains(secret)) {
                let what = format!("has the secret of {root}, which is replaced after a leak");
                self.report.add(PEPPERS, what, "write a secret of its own: a pepper must be kept");
            }
        }
        Some(peppers)
    }

    /// Returns the token of the admin listener, which is required if other hosts can reach it.
    pub(super) fn admin_token(
        &mut self,
        secrets: Option<&Secrets>,
        listen: SocketAddr,
    ) -> Option<Arc<Secret<str>>> {
        // If the secrets cannot be read, the report already contains the reason.
        let token = secrets?.text(ADMIN_TOKEN);
        if token.is_none() && !listen.ip().to_canonical().is_loopback() {
            let what = format!("is required, because HARDPOINT_ADMIN_LISTEN is {listen}");
            let remedy = "set it to a random text, such as the output of `openssl rand -base64 32`";
            self.report.add(ADMIN_TOKEN, what, remedy);
        }
        token.cloned()
    }

    fn key<T>(&mut self, name: &str, read: Result<T, KeyError>) -> Option<T> {
        let found =
            read.map_err(|error| self.report.add(name, format!("is {error}"), "replace it"));
        found.ok()
    }

    /// Returns the server that instances share, or `None` if none is set or it cannot be used.
    pub(super) fn shared(&mut self, env: Env, secrets: Option<&Secrets>) -> Option<SharedState> {
        let url = Secret::<str>::from(self.text(REDIS_URL)?);
        if let Err(error) = Redis::builder(url.expose()).check() {
            self.report.add(REDIS_URL, format!("is refused: {error}"), "correct it");
        }
        let secrets = secrets?;
        // In production they are required anyway.
        let missing = [
            ("JWT_SIGNING_KEY", secrets.text("JWT_SIGNING_KEY").is_none()),
            (ROOT, secrets.bytes(ROOT).is_none()),
        ];
        for (name, _) in missing.iter().filter(|(_, missing)| *missing && env == Env::Dev) {
            let what = format!("is shared, but each instance would generate a {name} of its own");
            self.report.add(REDIS_URL, what, format!("set {name} to the same value for all"));
        }
        let digests = |name| secrets.bytes(name).map(|secret| DigestKey::derive(secret).ok());
        Some(SharedState {
            url,
            digests: digests(ROOT)??,
            previous: digests(PREVIOUS_ROOT).flatten(),
        })
    }

    /// Returns how messages are delivered, or `None` if that is not set or cannot be used. One of the
    /// two settings needs the other.
    pub(super) fn mail(&mut self, secrets: Option<&Secrets>) -> Option<MailSettings> {
        let base = self.text(PUBLIC_URL).map(|url| LinkBase::new(&url));
        // If the secrets cannot be read, the report already contains the reason.
        let url = secrets?.text(SMTP_URL).map(|url| Secret::<str>::from(url.expose()));
        for (is_missing, set, missing) in [
            (base.is_some() && url.is_none(), PUBLIC_URL, SMTP_URL),
            (url.is_some() && base.is_none(), SMTP_URL, PUBLIC_URL),
        ] {
            if is_missing {
                let what = "has no effect by itself";
                self.report.add(set, what, format!("set {missing} too, or unset it"));
            }
        }
        let base = base?.map_err(|error| {
            let remedy = "write https://host of the site that users visit";
            self.report.add(PUBLIC_URL, format!("is refused: {error}"), remedy);
        });
        let mail = MailSettings { url: url?, base: base.ok()? };
        let usable = SmtpDelivery::new(&mail.url, &mail.sender());
        let refused =
            |error| self.report.add(SMTP_URL, format!("is refused: {error}"), "correct it");
        usable.map_err(refused).ok().map(|_| mail)
    }
}
