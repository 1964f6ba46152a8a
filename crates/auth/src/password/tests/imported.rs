//! Hashes that the libraries of other systems made, and texts that are none.

use std::collections::HashSet;

use serde_json::Value;

use super::*;
use crate::password::work::Work;

/// What `scripts/interop/run generate` wrote.
fn rows() -> Vec<(String, String, String)> {
    let file = include_str!("../../../tests/interop/passwords.json");
    let rows: Vec<Value> = serde_json::from_str(file).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "system"), text(row, "hash"), text(row, "password"))).collect()
}

#[tokio::test]
async fn hashes_of_other_systems_verify_and_are_replaced() {
    let rows = rows();
    assert_eq!(rows.len(), 31);
    let (mut checked, mut functions) = (0, HashSet::new());
    for (system, stored, password) in rows {
        // The feature reads all of them, and without it those of Argon2 are read.
        #[cfg(feature = "imported-hashes")]
        let read = PasswordHash::parse_imported(&stored);
        #[cfg(not(feature = "imported-hashes"))]
        let read = PasswordHash::parse(&stored);
        let stored = match read {
            Ok(stored) => stored,
            Err(ParseHashError::Algorithm | ParseHashError::Malformed)
                if !stored.contains("argon2") && cfg!(not(feature = "imported-hashes")) =>
            {
                continue;
            }
            Err(error) => panic!("{system}: {error}"),
        };
        // A hasher that knows no other kind: all of them at once would take their sum.
        let passwords = fast().build();
        assert_eq!(passwords.check(&stored), Ok(()), "{system}");
        let right = passwords.verify(client("a"), Some(&stored), secret(&password)).await;
        let replacement = right.unwrap_or_else(|error| panic!("{system}: {error}"));
        let replacement = replacement.replacement().unwrap_or_else(|| panic!("{system}"));
        assert!(matches(&passwords, Some(replacement), &password).await, "{system}");
        // Once for each function: the systems differ only in the format of their hashes.
        let function = stored.work().map(|work| match work {
            Work::Argon2(_) => "Argon2".to_owned(),
            Work::Imported(work) => format!("{work:?}").split(' ').next().unwrap().to_owned(),
        });
        if functions.insert(function) {
            let wrong = format!("x{password}");
            assert!(!matches(&passwords, Some(&stored), &wrong).await, "{system}");
        }
        assert!(!format!("{stored:?}").contains('$'), "{system}");
        checked += 1;
    }
    let all = if cfg!(feature = "imported-hashes") { 31 } else { 12 };
    assert_eq!(checked, all);
}

#[cfg(feature = "imported-hashes")]
mod with_the_feature {
    use super::*;
    use crate::password::ParseHashError::{Algorithm, Malformed};

    fn parse(text: &str) -> PasswordHash {
        PasswordHash::parse_imported(text).unwrap()
    }

    const BCRYPT: &str = "$2b$12$L7KdIUrPyvuuAOJchpdmzeun35o2eoOwaTr28ebhlP5p3qEvZJmqa";

    #[test]
    fn imported_hashes_do_the_work_of_their_parameters() {
        let work = |hash: &PasswordHash| match hash.work() {
            Some(Work::Imported(work)) => format!("{work:?}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(work(&parse(BCRYPT)), "Bcrypt { expansions: 4096 }");
        let pbkdf2 =
            parse("pbkdf2_sha256$600000$c2FsdA$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW+2NRypQ=");
        assert_eq!(work(&pbkdf2), "Pbkdf2 { prf: Sha256, rounds: 600000 }");
        let scrypt = parse(
            "$scrypt$ln=16,r=8,p=1$9l4rJcT4v1fqnZNSCiGEcA$6BUJ/uGSUyL0rCYIWx7PHu7cElb3FjWlmepY5iW5PyU",
        );
        assert_eq!(work(&scrypt), "Scrypt { log_n: 16, r: 8, p: 1 }");
        assert!([pbkdf2, scrypt].iter().all(|hash| hash.pepper().is_none()));
    }

    #[test]
    fn the_ceiling_bounds_every_function() {
        let output = "BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW+2NRypQ=";
        let passwords = fast().build();
        let check = |text: &str| passwords.check(&parse(text));
        let above = Err(PasswordError::AboveCeiling);
        assert_eq!(check(&BCRYPT.replace("$12$", "$14$")), Ok(()));
        assert_eq!(check(&BCRYPT.replace("$12$", "$15$")), above);
        assert_eq!(check(&format!("pbkdf2_sha256$4000000$salt${output}")), Ok(()));
        assert_eq!(check(&format!("pbkdf2_sha256$4000001$salt${output}")), above);
        assert_eq!(check(&format!("pbkdf2_sha1$2000001$salt${output}")), above, "two blocks");
        assert_eq!(check(&format!("scrypt$131072$salt$8$10${output}")), Ok(()), "128 MiB");
        assert_eq!(check(&format!("scrypt$262144$salt$8$1${output}")), above);
        assert_eq!(check(&format!("scrypt$1024$salt$8$11${output}")), above);
        let raised =
            StoredCeiling::default().bcrypt_cost(15).pbkdf2_rounds(1 << 33).memory_mib(256);
        let raised = fast().ceiling(raised).build();
        for text in [
            BCRYPT.replace("$12$", "$15$"),
            format!("pbkdf2_sha1$2000001$salt${output}"),
            format!("scrypt$262144$salt$8$1${output}"),
        ] {
            assert_eq!(raised.check(&parse(&text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_hash_are_refused() {
        let table = [
            ("", Malformed),
            ("hunter2", Malformed),
            ("{}", Malformed),
            ("$1$saltsalt$AAAAAAAAAAAAAAAAAAAAAA", Algorithm),
            ("$6$rounds=5000$salt$AAAAAAAAAAAAAAAAAAAAAA", Algorithm),
            ("md5$salt$AAAAAAAAAAAAAAAAAAAAAA", Algorithm),
            ("$2x$12$L7KdIUrPyvuuAOJchpdmzeun35o2eoOwaTr28ebhlP5p3qEvZJmqa", Algorithm),
            ("$2b$03$L7KdIUrPyvuuAOJchpdmzeun35o2eoOwaTr28ebhlP5p3qEvZJmqa", Malformed),
            ("$2b$32$L7KdIUrPyvuuAOJchpdmzeun35o2eoOwaTr28ebhlP5p3qEvZJmqa", Malformed),
            ("$2b$12$L7KdIUrPyvuuAOJchpdmzeun35o2eoOwaTr28ebhlP5p3qEvZJmq", Malformed),
            ("$2b$12$éééééééééééééééééééééééééééééé", Malformed),
            ("$2b$+12$L7KdIUrPyvuuAOJchpdmzeun35o2eoOwaTr28ebhlP5p3qEvZJmqa", Malformed),
            ("pbkdf2_sha256$0$salt$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW+2NRypQ=", Malformed),
            ("pbkdf2_sha256$1$salt$AAAA", Malformed),
            ("pbkdf2_sha256$99999999999$salt$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5", Malformed),
            ("scrypt$16385$salt$8$1$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5", Malformed),
            ("scrypt$16384$salt$4294967295$4294967295$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5", Malformed),
            ("$scrypt$ln=64,r=8,p=1$c2FsdA$BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5", Malformed),
            (r#"{"secretData":"{}","credentialData":"{}"}"#, Malformed),
            (
                r#"{"secretData":{"value":"BchdlRLGUfQOFfFFUt2G","salt":"c2FsdA=="},
                   "credentialData":{"hashIterations":1,"algorithm":"md5"}}"#,
                Algorithm,
            ),
        ];
        for (text, error) in table {
            assert_eq!(PasswordHash::parse_imported(text), Err(error), "{text:?}");
            assert!(PasswordHash::parse(text).is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn every_verification_does_the_dearest_work_of_every_kind() {
        use crate::password::{
            imported::{ImportedWork, ImportedWork::Pbkdf2},
            work::Work,
        };
        let passwords = fast().build();
        let rounds = |rounds: u32| {
            let output = "BchdlRLGUfQOFfFFUt2GmTIq7BumnPa5YYNW+2NRypQ=";
            parse(&format!("pbkdf2_sha256${rounds}$salt${output}"))
        };
        let known = || passwords.engine().known.with(None);
        assert_eq!(known().len(), 1, "new hashes");
        for iterations in [1000, 3000, 2000] {
            assert!(!matches(&passwords, Some(&rounds(iterations)), "x").await);
        }
        let cheap = BCRYPT.replace("$12$", "$04$");
        assert!(!matches(&passwords, Some(&parse(&cheap)), "x").await);
        assert!(!matches(&passwords, Some(&parse(&BCRYPT.replace("$12$", "$06$"))), "x").await);
        assert!(!matches(&passwords, Some(&parse(&cheap)), "x").await);
        let Work::Imported(Pbkdf2 { rounds, .. }) = known()[1] else { panic!("{:?}", known()) };
        assert_eq!(rounds, 3000);
        assert_eq!(known()[2], Work::Imported(ImportedWork::Bcrypt { expansions: 1 << 6 }));
        assert_eq!(known().len(), 3);
        // What a builder names is known from the start.
        let told = fast().add_stored(&parse(BCRYPT)).build();
        assert_eq!(told.engine().known.with(None).len(), 2);
    }
}
