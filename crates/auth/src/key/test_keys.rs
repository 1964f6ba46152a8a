//! Keys for tests of other modules.

use super::{Algorithm, SigningKey};

pub(crate) fn rsa_pem() -> String {
    pem_for(Algorithm::Rs256)
}

pub(crate) fn pem_for(algorithm: Algorithm) -> String {
    SigningKey::generate_for(algorithm).unwrap().to_pem().unwrap().expose().to_owned()
}

/// A secret of this length without a pattern, the same each time.
pub(crate) fn secret(length: usize) -> Vec<u8> {
    let byte = |index: usize| u8::try_from((index * index * 7 + index * 31 + 5) % 251);
    (0..length).filter_map(|index| byte(index).ok()).collect()
}
