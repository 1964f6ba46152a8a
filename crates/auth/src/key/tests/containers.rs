//! The algorithm identifier of a container decides what its key is for (CVE-2022-23539).

use super::*;

/// Made with `openssl genpkey -algorithm RSA-PSS`, with and without parameters.
const PSS_PUBLIC: [&str; 2] = [
    include_str!("../../../tests/pss/public.pem"),
    include_str!("../../../tests/pss/public-parameters.pem"),
];
const PSS_PRIVATE: [&str; 2] = [
    include_str!("../../../tests/pss/private.pem"),
    include_str!("../../../tests/pss/private-parameters.pem"),
];

fn replaced(der: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let place = der.windows(old.len()).position(|part| part == old).unwrap();
    [&der[..place], new, &der[place + old.len()..]].concat()
}

#[test]
fn a_key_that_is_restricted_to_pss_never_becomes_one_of_rs256() {
    for pem in PSS_PUBLIC.into_iter().chain(PSS_PRIVATE) {
        assert_eq!(VerifyingKey::from_pem(pem).unwrap_err(), RSA_PSS);
    }
    for pem in PSS_PRIVATE {
        assert_eq!(SigningKey::from_pem(pem).unwrap_err(), RSA_PSS);
    }
    assert!(RSA_PSS.to_string().contains("for_algorithm()"));
}

#[test]
fn the_same_numbers_under_the_other_identifier_are_refused_too() {
    const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    const PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";

    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let key = SigningKey::from_pkcs8(private.as_ref()).unwrap();
    let public = key.verifying_key().to_der().unwrap();
    assert_eq!(VerifyingKey::from_der(&public).unwrap().algorithm(), Algorithm::Rs256);
    let restricted = replaced(&public, RSA, PSS);
    assert_eq!(VerifyingKey::from_der(&restricted).unwrap_err(), RSA_PSS);
    let restricted = replaced(private.as_ref(), RSA, PSS);
    assert_eq!(SigningKey::from_pkcs8(&restricted).unwrap_err(), RSA_PSS);
}

#[test]
fn no_reader_tries_another_kind_than_the_identifier_names() {
    const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
    const X25519: &[u8] = b"\x06\x03\x2b\x65\x6e";
    const P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    const OTHER: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x01";

    for (pem, own, other) in [(ed25519(), ED25519, X25519), (p256(), P256, OTHER)] {
        let key = SigningKey::from_pem(&pem).unwrap();
        let public = key.verifying_key().to_der().unwrap();
        let error = VerifyingKey::from_der(&replaced(&public, own, other)).unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Unsupported);
        let private = ::pem::parse(&pem).unwrap().into_contents();
        let renamed = replaced(&private, own, other);
        let error = SigningKey::from_pkcs8(&renamed).unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Unsupported);
    }
}

#[test]
fn lengths_of_containers_are_written_in_the_one_way_of_der() {
    let key = SigningKey::generate().unwrap().verifying_key().to_der().unwrap();
    assert!(VerifyingKey::from_der(&key).is_ok());
    let long = [&[0x30, 0x81, key[1]], &key[2..]].concat();
    let longer = [&[0x30, 0x82, 0, key[1]], &key[2..]].concat();
    let behind = [&key[..], &[0]].concat();
    let short = &key[..key.len() - 1];
    for bad in [&long[..], &longer, &behind, short, &[], &[0x30], &[0x30, 0x80]] {
        assert_eq!(VerifyingKey::from_der(bad).unwrap_err(), NOT_PUBLIC, "{bad:02x?}");
    }
}
