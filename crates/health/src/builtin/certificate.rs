//! A check of a certificate's validity.

use std::{fs, path::Path, path::PathBuf, sync::Arc, time::Duration};

use hardpoint_core::Time;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{RunFuture, at_once, der};
use crate::Down;

/// Fails if one of the certificates in the PEM file at `path` expires within `least`.
///
/// It reads the file on each run, so it also notices that a renewed certificate was not written. An
/// hour is a good period, and a third of the certificate's lifetime a good `least`: renewal is then
/// overdue, and some days are left to repair it. It does not verify the certificates.
pub fn certificate_expiry(
    path: impl Into<PathBuf>,
    least: Duration,
) -> impl FnMut() -> RunFuture + Send + 'static {
    let path: Arc<Path> = path.into().into();
    move || at_once(check(&path, least, Time::system().unix()))
}

fn check(path: &Path, least: Duration, now: Duration) -> Result<(), Down> {
    let unreadable = || Down::new("unreadable");
    let pem = fs::read(path).map_err(|error| unreadable().caused_by(error))?;
    let mut first = None;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unreadable().caused_by(error))?;
        let not_after = der::not_after(&certificate)
            .ok_or_else(|| unreadable().caused_by("not an X.509 certificate"))?;
        first = first.min(Some(not_after)).or(Some(not_after));
    }
    let first = first.ok_or_else(|| unreadable().caused_by("the file has no certificate"))?;
    let left = first.saturating_sub(now);
    if left.is_zero() {
        Err(Down::new("expired"))
    } else if left < least {
        let hours = left.as_secs() / 3_600;
        Err(Down::new("expiring").caused_by(format!("a certificate expires in {hours} hours")))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    /// 2027-01-15.
    const END: Duration = Duration::from_secs(1_799_971_200);

    fn pem(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 15);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn the_first_end_in_a_chain_counts() {
        let path = std::env::temp_dir().join(format!("hardpoint-chain-{}", std::process::id()));
        let code = |text: &str, now| {
            fs::write(&path, text).unwrap();
            check(&path, 14 * DAY, now).map_err(|down| down.code())
        };
        for chain in [pem(2027), pem(2027) + &pem(2030), pem(2030) + &pem(2027)] {
            assert_eq!(code(&chain, END - 15 * DAY), Ok(()));
            assert_eq!(code(&chain, END - 14 * DAY), Ok(()));
            assert_eq!(code(&chain, END - 13 * DAY), Err("expiring"));
            assert_eq!(code(&chain, END), Err("expired"));
        }
        let key = KeyPair::generate().unwrap().serialize_pem();
        let cut = pem(2027).replace("-----END", "");
        for bad in ["", "no PEM", &key, &cut] {
            assert_eq!(code(bad, END - 15 * DAY), Err("unreadable"), "{bad}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(check(&path, DAY, END).map_err(|down| down.code()), Err("unreadable"));
    }
}
