//! Keys in the files that openssl and others write.

use super::*;

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../tests/keys/", $name, ".pem"))
    };
}

#[test]
fn private_keys_are_read_in_the_forms_of_openssl() {
    for (text, algorithm) in [
        (file!("rsa"), Algorithm::Rs256),
        (file!("rsa-pkcs1"), Algorithm::Rs256),
        (file!("p256-sec1"), Algorithm::Es256),
        (file!("p256-sec1-parameters"), Algorithm::Es256),
        (file!("p384-sec1"), Algorithm::Es384),
    ] {
        let key = SigningKey::from_pem(text).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let public = VerifyingKey::from_pem(text).unwrap();
        assert!(public.accepts(b"message", &key.sign(b"message").unwrap()));
    }
    let forms = [file!("rsa"), file!("rsa-pkcs1"), file!("rsa-pkcs1-public")];
    let ids = forms.map(|text| VerifyingKey::from_pem(text).unwrap().key_id().to_owned());
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn a_short_private_key_is_said_to_be_short() {
    for text in [file!("rsa-1024"), file!("rsa-1024-pkcs1")] {
        assert_eq!(SigningKey::from_pem(text).unwrap_err(), RSA_TOO_SMALL);
        assert_eq!(VerifyingKey::from_pem(text).unwrap_err(), RSA_TOO_SMALL);
    }
}

#[test]
fn a_certificate_is_read_for_its_key() {
    for (certificate, key) in
        [(file!("p256-certificate"), file!("p256-sec1")), (file!("rsa-certificate"), file!("rsa"))]
    {
        let id = SigningKey::from_pem(key).unwrap().key_id().to_owned();
        assert_eq!(VerifyingKey::from_pem(certificate).unwrap().key_id(), id);
        // A key and the certificate that it was exported with.
        for both in [format!("{key}{certificate}"), format!("{certificate}\n{key}")] {
            assert_eq!(SigningKey::from_pem(&both).unwrap().key_id(), id);
            assert_eq!(VerifyingKey::from_pem(&both).unwrap().key_id(), id);
        }
        assert_eq!(SigningKey::from_pem(certificate).unwrap_err(), PEM_NO_PRIVATE);
        let der = ::pem::parse(certificate).unwrap().into_contents();
        for length in 0..der.len() {
            assert!(container::certified(&der[..length]).is_err(), "{length}");
        }
    }
    let chain = concat!(file!("p256-certificate"), file!("rsa-certificate"));
    assert_eq!(VerifyingKey::from_pem(chain).unwrap_err(), PEM_CHAIN);
    assert_eq!(VerifyingKey::all_from_pem(chain).unwrap().len(), 2);
}

#[test]
fn what_cannot_be_read_is_named_with_its_remedy() {
    let escaped = file!("rsa").replace('\n', "\\n");
    let jwk = VerifyingKey::from_pem(file!("rsa")).unwrap().to_jwk().to_string();
    let two = concat!(file!("rsa"), file!("p256-sec1"));
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----";
    for (text, kind, remedy) in [
        (file!("rsa-pkcs1-encrypted"), KeyErrorKind::Encrypted, "openssl pkcs8 -topk8 -nocrypt"),
        (file!("pkcs8-encrypted"), KeyErrorKind::Encrypted, "openssl pkcs8 -topk8 -nocrypt"),
        (file!("secp256k1-sec1"), KeyErrorKind::Unsupported, "secp256k1"),
        (file!("p256-explicit-sec1"), KeyErrorKind::Unsupported, "not named"),
        (&escaped, KeyErrorKind::Malformed, "real line breaks"),
        (&jwk, KeyErrorKind::Malformed, "from_jwk()"),
        (two, KeyErrorKind::Malformed, "all_from_pem()"),
        (openssh, KeyErrorKind::Malformed, "ssh-keygen"),
        ("ssh-rsa AAAAB3NzaC1yc2E= me@host", KeyErrorKind::Malformed, "ssh-keygen"),
    ] {
        let private = SigningKey::from_pem(text).unwrap_err();
        let public = VerifyingKey::from_pem(text).unwrap_err();
        assert_eq!((private.kind(), public.kind()), (kind, kind), "{text}");
        assert!(private.to_string().contains(remedy), "{private}");
        assert!(public.to_string().contains(remedy), "{public}");
    }
}

#[test]
fn a_block_of_one_form_under_the_markers_of_another_is_refused() {
    let forms = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    for (text, own) in
        [(file!("rsa"), forms[0]), (file!("rsa-pkcs1"), forms[1]), (file!("p256-sec1"), forms[2])]
    {
        for other in forms.into_iter().filter(|form| *form != own) {
            let marked = text
                .replace(&format!("BEGIN {own}-"), &format!("BEGIN {other}-"))
                .replace(&format!("END {own}-"), &format!("END {other}-"));
            assert!(SigningKey::from_pem(&marked).is_err(), "{own} as {other}");
        }
    }
}
