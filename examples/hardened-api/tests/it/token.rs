//! The command line for tokens: keys, key sets, tokens, and what is refused.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{self, Stdio},
};

use serde_json::{Value, json};

use super::program;

const PAIRS: [&str; 9] =
    ["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const SECRETS: [&str; 3] = ["HS256", "HS384", "HS512"];
const ABOUT: &[&str] = &["--issuer", "https://id.example", "--audience", "api"];

/// A folder for keys, gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = path.join(format!("token-{test}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn key(&self, algorithm: &str) -> String {
        self.file(&format!("{algorithm}.key"), &token(&["make-key", algorithm]).good())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// How a command ended.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Outcome {
    #[track_caller]
    fn good(self) -> String {
        assert_eq!((self.code, self.errors.as_str()), (Some(0), ""));
        self.out
    }

    /// What was said about it. Nothing is printed where somebody may take it for an answer.
    #[track_caller]
    fn bad(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.errors);
        self.errors
    }
}

fn token(words: &[&str]) -> Outcome {
    token_with(words, "")
}

fn token_with(words: &[&str], input: &str) -> Outcome {
    let mut command = program(&[]);
    command.arg("token").args(words).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Most commands end without reading.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

fn issue(key: &str, further: &[&str]) -> String {
    token(&[&["issue", "--key", key, "--subject", "alice"], ABOUT, further].concat()).good()
}

fn verify(keys: &str, further: &[&str], input: &str) -> Outcome {
    token_with(&[&["verify", "--keys", keys], ABOUT, further].concat(), input)
}

#[test]
fn a_token_of_every_algorithm_is_made_and_verified() {
    let folder = Folder::new("every");
    for algorithm in PAIRS.into_iter().chain(SECRETS) {
        let key = folder.key(algorithm);
        let own = ["--algorithm", algorithm];
        // A secret is the same on both sides, and says its algorithm.
        let (keys, own) = if SECRETS.contains(&algorithm) {
            (key.clone(), [].as_slice())
        } else {
            let set = token(&[&["jwks"], own.as_slice(), &[&key]].concat()).good();
            let jwk: Value = serde_json::from_str(&set).unwrap();
            assert_eq!(jwk["keys"][0]["alg"], algorithm);
            assert!(jwk["keys"][0].get("d").is_none(), "{algorithm}");
            (folder.file("keys.json", &set), own.as_slice())
        };
        for profile in ["rfc9068", "plain"] {
            let profile = ["--profile", profile];
            let further = ["--scope", "notes:read notes:write", "--claim", r#"roles=["admin"]"#];
            let made = issue(&key, &[own, &profile, &further, &["--ttl=1h"]].concat());
            let claims = verify(&keys, &profile, &made).good();
            let claims: Value = serde_json::from_str(&claims).unwrap();
            assert_eq!(claims["sub"], "alice", "{algorithm}");
            assert_eq!(claims["scope"], "notes:read notes:write");
            assert_eq!(claims["roles"], json!(["admin"]));
            let lives = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
            assert_eq!(lives, 3600);
            // The key's own file verifies too, and the token may be an argument.
            verify(&key, &[own, &profile, &[made.trim_end()]].concat(), "").good();
            verify(&key, &[own, &profile, &["-"]].concat(), &made).good();
        }
    }
}

#[test]
fn public_keys_in_every_form_make_one_set() {
    // RFC 8037, appendix A.1 and A.2.
    let private = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let folder = Folder::new("forms");
    let private = folder.file("private.json", private);
    let pair = folder.key("ES256");
    let pem = folder.file("public.pem", &token(&["jwks", "--format", "pem", &pair]).good());
    assert!(fs::read_to_string(&pem).unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
    let set = folder.file("set.json", &token(&["jwks", &folder.key("ES384")]).good());
    let all: Value = serde_json::from_str(&token(&["jwks", &private, &pem, &set]).good()).unwrap();
    let of =
        |name: &str| all["keys"].as_array().unwrap().iter().map(|key| key[name].clone()).collect();
    let (algorithms, ids): (Vec<_>, Vec<_>) = (of("alg"), of("kid"));
    assert_eq!(algorithms, ["EdDSA", "ES256", "ES384"]);
    // RFC 8037, appendix A.3.
    assert_eq!(ids[0], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    verify(&pem, &[], &issue(&pair, &[])).good();
    let twice = token(&["jwks", &pair, &pem]).bad(65);
    assert!(twice.contains("two keys"), "{twice}");
}

#[test]
fn a_token_that_is_not_as_expected_is_refused_and_the_reason_named() {
    let folder = Folder::new("refused");
    let (key, other) = (folder.key("EdDSA"), folder.key("ES256"));
    let made = issue(&key, &[]);
    verify(&key, &[], &made).good();
    let (signed, signature) = made.trim_end().rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{first}{}", &signature[1..]);
    let elsewhere = ["--keys", &key, "--issuer", "https://id.example", "--audience", "elsewhere"];
    for (outcome, reason) in [
        (verify(&key, &[], &forged), "signature"),
        (verify(&other, &[], &made), "key_id"),
        (verify(&key, &["--profile", "plain"], &made), "type"),
        (verify(&key, &[], "a token"), "malformed"),
        (token_with(&[["verify"].as_slice(), &elsewhere].concat(), &made), "audience, claim `aud`"),
    ] {
        assert_eq!(outcome.bad(1), format!("token refused: {reason}\n"));
    }
}

#[test]
fn what_makes_no_sense_gets_the_usage() {
    let folder = Folder::new("usage");
    let key = folder.key("EdDSA");
    let issue = [&["issue", "--key", &key, "--subject", "alice"], ABOUT].concat();
    let with = |further: &[&'static str]| [issue.as_slice(), further].concat();
    let set = folder.file("set.json", &token(&["jwks", &key]).good());
    let verify = [&["verify", "--keys", &set], ABOUT].concat();
    let wrong = [
        vec![],
        vec!["mint"],
        vec!["make-key"],
        vec!["make-key", "none"],
        vec!["make-key", "EdDSA", "ES256"],
        vec!["jwks"],
        vec!["jwks", "--format", "der", &key],
        vec!["issue", "--key", &key, "--subject", "alice", "--issuer", "https://id.example"],
        with(&["hunter2"]),
        with(&["--secret=hunter2"]),
        with(&["--subject", "bob"]),
        with(&["--ttl", "soon"]),
        with(&["--ttl"]),
        with(&["--scope", "a\"b"]),
        with(&["--profile", "id"]),
        with(&["--claim", "name=hunter2"]),
        with(&["--claim", "sub=\"bob\""]),
        vec!["verify", "--keys", &key, "--audience", "api"],
        [verify.as_slice(), &["one", "two"]].concat(),
        [verify.as_slice(), &["--algorithm", "EdDSA"]].concat(),
    ];
    for words in wrong {
        let errors = token(&words).bad(64);
        assert!(errors.contains("usage: hardened-api token make-key"), "{words:?}: {errors}");
        assert!(!errors.contains("hunter2"), "{words:?}: {errors}");
    }
}

#[test]
fn a_secret_is_never_published() {
    let folder = Folder::new("secret");
    let pair = folder.key("EdDSA");
    for algorithm in SECRETS {
        let secret = folder.key(algorithm);
        let jwk: Value = serde_json::from_str(&fs::read_to_string(&secret).unwrap()).unwrap();
        for files in [vec![&secret], vec![&pair, &secret]] {
            let words: Vec<&str> =
                ["jwks"].into_iter().chain(files.iter().map(|s| s.as_str())).collect();
            let errors = token(&words).bad(65);
            assert!(errors.contains("anyone who can verify with it can"), "{errors}");
            assert!(!errors.contains(jwk["k"].as_str().unwrap()), "{errors}");
        }
    }
}

#[test]
fn a_file_that_is_no_key_is_named_without_being_shown() {
    let folder = Folder::new("files");
    let missing = folder.0.join("missing");
    let missing = missing.to_str().unwrap();
    let ed25519 = folder.key("EdDSA");
    let public = folder.file("public.pem", &token(&["jwks", "--format=pem", &ed25519]).good());
    let text = folder.file("text", "hunter2");
    let json = folder.file("json", r#"{"kty":"oct","k":"hunter2"}"#);
    let set = folder.file("set", r#"{"keys":[{"kty":"oct","k":"hunter2"}]}"#);
    let signing = |path, further: &[&'static str]| {
        token(&[&["issue", "--key", path, "--subject", "alice"], ABOUT, further].concat())
    };
    for (outcome, code, path) in [
        (signing(missing, &[]), 66, missing),
        (verify(missing, &[], ""), 66, missing),
        (token(&["jwks", missing]), 66, missing),
        (signing(&text, &[]), 65, &text),
        (signing(&json, &[]), 65, &json),
        (signing(&public, &[]), 65, &public),
        (signing(&ed25519, &["--algorithm", "ES256"]), 65, &ed25519),
        (verify(&text, &[], ""), 65, &text),
        (verify(&json, &[], ""), 65, &json),
        (verify(&set, &[], ""), 65, &set),
        (token(&["jwks", &json]), 65, &json),
    ] {
        let errors = outcome.bad(code);
        assert!(errors.contains(path) && !errors.contains("hunter2"), "{errors}");
    }
}

#[test]
fn keys_of_a_set_that_are_not_used_are_named() {
    let folder = Folder::new("skipped");
    let key = folder.key("EdDSA");
    let mut set: Value = serde_json::from_str(&token(&["jwks", &key]).good()).unwrap();
    set["keys"].as_array_mut().unwrap().push(json!({ "kty": "RSA", "use": "enc", "kid": "enc" }));
    let set = folder.file("set.json", &set.to_string());
    let verified = verify(&set, &[], &issue(&key, &[]));
    assert_eq!(verified.code, Some(0));
    assert!(verified.errors.contains("key enc is not used"), "{}", verified.errors);
    assert!(token(&["jwks", &set]).bad(65).contains("key enc is not used"));
}
