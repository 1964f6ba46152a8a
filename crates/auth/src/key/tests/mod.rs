//! Keys as they come from files.

mod containers;
mod files;
mod jwk;
mod lint;
mod ring;
mod wycheproof;

use ::pem::Pem;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    },
};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};

use super::{error::*, *};

fn pem_of(der: &[u8]) -> String {
    ::pem::encode(&Pem::new("PRIVATE KEY", der))
}

fn ed25519() -> String {
    pem_of(Ed25519KeyPair::generate().unwrap().to_pkcs8().unwrap().as_ref())
}

fn p256() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    pem_of(pair.to_pkcs8v1().unwrap().as_ref())
}

fn p384() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    pem_of(pair.to_pkcs8v1().unwrap().as_ref())
}

fn rsa() -> String {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    pem_of(der.as_ref())
}

#[test]
fn the_algorithm_follows_from_the_key() {
    for (pem, algorithm) in [
        (ed25519(), Algorithm::EdDsa),
        (p256(), Algorithm::Es256),
        (p384(), Algorithm::Es384),
        (rsa(), Algorithm::Rs256),
    ] {
        let key = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let signature = key.sign(b"message").unwrap();
        let public = VerifyingKey::from_pem(&pem).unwrap();
        assert_eq!(public.key_id(), key.key_id());
        assert!(public.accepts(b"message", &signature));
        assert!(!public.accepts(b"massage", &signature));
        assert!(!public.accepts(b"message", &[]));
    }
}

#[test]
fn a_key_made_by_openssl_without_its_public_half_is_read() {
    let version1 = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    let key = SigningKey::from_pem(&pem_of(version1.as_ref())).unwrap();
    assert_eq!(key.algorithm(), Algorithm::EdDsa);
}

#[test]
fn thumbprints_and_jwks_are_those_of_jsonwebtoken() {
    use jsonwebtoken::{Algorithm as Theirs, EncodingKey};

    for (pem, algorithm) in
        [(ed25519(), Theirs::EdDSA), (p256(), Theirs::ES256), (rsa(), Theirs::RS256)]
    {
        let key = match algorithm {
            Theirs::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
            Theirs::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let ours = VerifyingKey::from_pem(&pem).unwrap();
        // jsonwebtoken reads Ed25519 keys of version 1 only.
        if let Ok(theirs) = Jwk::from_encoding_key(&key.unwrap(), algorithm) {
            assert_eq!(ours.key_id(), theirs.thumbprint(ThumbprintHash::SHA256).unwrap());
        }
        let jwk: Jwk = serde_json::from_value(ours.to_jwk()).unwrap();
        assert_eq!(jwk.common.key_id.as_deref(), Some(ours.key_id()));
        assert_eq!(jwk.thumbprint(ThumbprintHash::SHA256).unwrap(), ours.key_id());
    }
}

#[test]
fn public_keys_are_read_from_subject_public_key_info() {
    use aws_lc_rs::{encoding::PublicKeyX509Der, signature::KeyPair};

    let ed = Ed25519KeyPair::generate().unwrap();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let infos: [PublicKeyX509Der<'_>; 3] = [
        ed.public_key().as_der().unwrap(),
        ec.public_key().as_der().unwrap(),
        rsa.public_key().as_der().unwrap(),
    ];
    let expected = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256];
    for (info, algorithm) in infos.into_iter().zip(expected) {
        let text = ::pem::encode(&Pem::new("PUBLIC KEY", info.as_ref()));
        assert_eq!(VerifyingKey::from_pem(&text).unwrap().algorithm(), algorithm);
        assert!(SigningKey::from_pem(&text).is_err(), "a public key cannot sign");
    }
}

#[test]
fn what_is_no_usable_key_is_refused_without_being_shown() {
    let p521 = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
    let cut = ed25519().replace("-----END PRIVATE KEY-----", "");
    for (text, expected) in [
        (String::from("hunter2"), NOT_PEM),
        (String::new(), NOT_PEM),
        (cut, NOT_PEM),
        (pem_of(b"hunter2"), NOT_PRIVATE),
        (pem_of(p521.to_pkcs8v1().unwrap().as_ref()), KEY_KIND.on("the curve P-521")),
        (ed25519().replace("PRIVATE KEY", "RSA PRIVATE KEY"), NOT_PRIVATE),
        (ed25519().replace("PRIVATE KEY", "CERTIFICATE"), PEM_NO_PRIVATE),
    ] {
        let error = SigningKey::from_pem(&text).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("hunter2"));
        assert!(VerifyingKey::from_pem(&text).is_err());
    }
}

#[test]
fn several_keys_are_read_from_one_text() {
    let text = format!("{}\n# the one before\n{}", p256(), ed25519());
    let keys = VerifyingKey::all_from_pem(&text).unwrap();
    assert_eq!(
        keys.iter().map(VerifyingKey::algorithm).collect::<Vec<_>>(),
        [Algorithm::Es256, Algorithm::EdDsa]
    );
    assert_eq!(VerifyingKey::all_from_pem("").unwrap_err(), NOT_PEM);
    assert!(VerifyingKey::all_from_pem(&format!("{}{}", ed25519(), pem_of(b"x"))).is_err());
}

#[test]
fn a_generated_pem_is_a_key() {
    let pem = SigningKey::generate_pem().unwrap();
    assert_eq!(SigningKey::from_pem(pem.expose()).unwrap().algorithm(), Algorithm::EdDsa);
}

#[test]
fn a_key_is_generated_for_every_algorithm() {
    for name in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256",
        "HS384", "HS512",
    ] {
        let algorithm = Algorithm::from_name(name).unwrap();
        let key = SigningKey::generate_for(algorithm).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let signature = key.sign(b"message").unwrap();
        assert!(key.verifying_key().accepts(b"message", &signature), "{name}");
        let other = SigningKey::generate_for(algorithm).unwrap();
        assert!(!other.verifying_key().accepts(b"message", &signature), "{name} is no new key");
        if algorithm.is_symmetric() {
            assert_eq!(key.to_pem().unwrap_err(), HAS_NO_DOCUMENT);
        } else {
            let kept = SigningKey::from_pem(key.to_pem().unwrap().expose()).unwrap();
            let kept = kept.for_algorithm(algorithm).unwrap();
            assert!(kept.verifying_key().accepts(b"message", &signature), "{name} was kept");
        }
    }
}

#[test]
fn every_key_pair_is_written_as_it_was_read() {
    for pem in [ed25519(), p256(), p384(), rsa()] {
        let key = SigningKey::from_pem(&pem).unwrap();
        let written = key.to_pem().unwrap();
        assert_eq!(SigningKey::from_pem(written.expose()).unwrap().key_id(), key.key_id());
        // A reader that is not ours agrees about the form.
        assert_eq!(::pem::parse(written.expose()).unwrap().tag(), "PRIVATE KEY");
        let public = key.verifying_key();
        let again = VerifyingKey::from_pem(&public.to_pem().unwrap()).unwrap();
        assert_eq!(again.key_id(), key.key_id());
        assert_eq!(
            VerifyingKey::from_der(&public.to_der().unwrap()).unwrap().key_id(),
            key.key_id()
        );
    }
}

#[test]
fn one_key_has_one_algorithm_of_its_family() {
    let rsa = SigningKey::from_pem(&rsa()).unwrap();
    for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        let algorithm = Algorithm::from_name(name).unwrap();
        let public = rsa.verifying_key().for_algorithm(algorithm).unwrap();
        let other = public.for_algorithm(Algorithm::Rs256).unwrap();
        let signer = SigningKey::from_pem(rsa.to_pem().unwrap().expose()).unwrap();
        let signature = signer.for_algorithm(algorithm).unwrap().sign(b"message").unwrap();
        assert!(public.accepts(b"message", &signature), "{name}");
        assert_eq!(other.accepts(b"message", &signature), name == "RS256", "{name}");
    }
    for name in ["ES256", "ES384", "EdDSA", "HS256"] {
        let algorithm = Algorithm::from_name(name).unwrap();
        assert_eq!(rsa.verifying_key().for_algorithm(algorithm).unwrap_err(), OTHER_FAMILY);
    }
}

#[test]
fn a_secret_keeps_the_algorithm_whose_length_it_has() {
    let secret = || test_keys::secret(32).into();
    let key = VerifyingKey::symmetric(Algorithm::Hs256, &secret()).unwrap();
    assert!(key.for_algorithm(Algorithm::Hs256).is_ok());
    for longer in [Algorithm::Hs384, Algorithm::Hs512] {
        assert_eq!(VerifyingKey::symmetric(longer, &secret()).unwrap_err(), SECRET_TOO_SHORT);
        assert_eq!(key.for_algorithm(longer).unwrap_err(), OTHER_FAMILY);
        let key = SigningKey::symmetric(Algorithm::Hs256, &secret()).unwrap();
        assert_eq!(key.for_algorithm(longer).unwrap_err(), OTHER_FAMILY);
    }
}

#[test]
fn a_secret_signs_and_is_never_published() {
    for (algorithm, length) in
        [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)]
    {
        let secret = test_keys::secret(length);
        let key = SigningKey::symmetric(algorithm, &secret.into()).unwrap();
        let signature = key.sign(b"message").unwrap();
        assert!(key.verifying_key().accepts(b"message", &signature));
        assert!(!key.verifying_key().accepts(b"massage", &signature));
        let set = KeySet::new([key.verifying_key()]).unwrap();
        assert_eq!(set.to_jwks()["keys"].as_array().unwrap().len(), 0);
        assert!(key.verifying_key().to_jwk().get("k").is_none());
        assert!(key.to_pem().is_err() && key.verifying_key().to_pem().is_err());
        let public = SigningKey::generate().unwrap().verifying_key();
        assert_eq!(KeySet::new([key.verifying_key(), public]).unwrap_err(), KeySetError::Mixed);
    }
}

#[test]
fn a_set_has_each_key_once_and_at_least_one() {
    let key = SigningKey::generate().unwrap().verifying_key();
    assert_eq!(KeySet::new([]).unwrap_err(), KeySetError::Empty);
    let twice = KeySet::new([key.clone(), key.clone()]).unwrap_err();
    assert!(twice.to_string().contains(key.key_id()));
    let many = (0..101).map(|_| SigningKey::generate().unwrap().verifying_key());
    assert_eq!(KeySet::new(many).unwrap_err(), KeySetError::TooMany(101));
}

#[test]
fn a_published_set_has_no_private_member() {
    let keys = [ed25519(), p256(), rsa()].map(|pem| VerifyingKey::from_pem(&pem).unwrap());
    let jwks = KeySet::new(keys).unwrap().to_jwks();
    for key in jwks["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
        assert_eq!(key["use"], "sig");
    }
}
