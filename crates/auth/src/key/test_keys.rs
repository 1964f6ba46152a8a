//! Keys for tests of other modules.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair},
};

use super::{Algorithm, SigningKey, container};

pub(crate) fn rsa_pem() -> String {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    container::to_pem("PRIVATE KEY", der.as_ref()).to_string()
}

pub(crate) fn pem_for(algorithm: Algorithm) -> String {
    let curve = match algorithm {
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        _ => return SigningKey::generate_pem().unwrap().expose().to_owned(),
    };
    let pair = EcdsaKeyPair::generate(curve).unwrap();
    container::to_pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()).to_string()
}

/// A secret of this length without a pattern, the same each time.
pub(crate) fn secret(length: usize) -> Vec<u8> {
    let byte = |index: usize| u8::try_from((index * index * 7 + index * 31 + 5) % 251);
    (0..length).filter_map(|index| byte(index).ok()).collect()
}
