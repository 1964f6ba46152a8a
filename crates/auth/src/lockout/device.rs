//! Device cookies, which let the owner of an account in while strangers are locked out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hardpoint_core::Secret;
use http::HeaderValue;
use std::time::Duration;
use subtle::ConstantTimeEq;

use crate::session::root::{DerivedKey, DerivedKeys};

/// The label of the derived keys.
pub(super) const LABEL: &str = "device cookie v1";
/// The prefix of the names of device cookies. `__Host-` keeps other hosts, and plain http, from
/// setting one.
pub(super) const PREFIX: &str = "__Host-device-";

const VERSION: u8 = 1;
const BODY: usize = 1 + 4 + 8 + 16;
const TAG: usize = 32;

/// A device that is known after a log-in. Its cookie names no user and grants no access. It only
/// gives the device its own count of failures.
///
/// The cookie is bound to its account, and authenticated by a key that is derived from the root
/// secret. `Debug` hides it.
pub struct DeviceCookie {
    pub(super) name: String,
    pub(super) value: Secret<str>,
    pub(super) lifetime: Duration,
}

debug_only!(DeviceCookie { lifetime });

impl DeviceCookie {
    /// The cookie of a new device of this account; `None` if the system returned no random bytes.
    pub(super) fn issue(
        keys: &DerivedKeys,
        account: &str,
        now: Duration,
        lifetime: Duration,
    ) -> Option<Self> {
        let key = keys.current();
        let (id, issued) = (key.id().to_be_bytes(), now.as_secs().to_be_bytes());
        let mut device = [0; 16];
        getrandom::fill(&mut device).ok()?;
        let body = [&[VERSION][..], &id, &issued, &device].concat();
        let tag = key.tag::<TAG>(&[b"cookie", &body, account.as_bytes()]);
        let value = Secret::from(URL_SAFE_NO_PAD.encode([&body[..], &tag].concat()));
        Some(Self { name: name(key, account), value, lifetime })
    }

    /// The value of the `Set-Cookie` header: for this host only, over https only, not readable by
    /// scripts, and not sent along with requests from other sites that change something.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let Self { name, value, lifetime } = self;
        let text = format!(
            "{name}={}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Lax",
            value.expose(),
            lifetime.as_secs()
        );
        // The name, base64url and digits are visible ASCII.
        let header = HeaderValue::try_from(text);
        let mut header = header.unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }

    /// The device of a cookie, if the cookie is authentic, not too old, and bound to this account.
    pub(super) fn open(
        keys: &DerivedKeys,
        account: &str,
        value: &str,
        now: Duration,
        lifetime: Duration,
    ) -> Option<[u8; 16]> {
        let mut bytes = [0; BODY + TAG];
        if URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()? != bytes.len() {
            return None;
        }
        let (body, tag) = bytes.split_at(BODY);
        let (version, rest) = body.split_first_chunk::<1>()?;
        let (id, rest) = rest.split_first_chunk::<4>()?;
        let (issued, device) = rest.split_first_chunk::<8>()?;
        let key = keys.find(u32::from_be_bytes(*id))?;
        let expected = key.tag::<TAG>(&[b"cookie", body, account.as_bytes()]);
        let is_authentic = bool::from(expected.ct_eq(tag)) && *version == [VERSION];
        let expiry = u64::from_be_bytes(*issued).saturating_add(lifetime.as_secs());
        (is_authentic && now.as_secs() < expiry).then(|| device.try_into().ok())?
    }
}

/// The name of an account's cookie, so that the accounts of one browser have one each. It reveals the
/// account only to a reader with the key.
pub(super) fn name(key: &DerivedKey, account: &str) -> String {
    let tag = key.tag::<6>(&[b"name", account.as_bytes()]);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(tag))
}
