//! The rules, the built-in list and its false positives, and lists of one's own.

use hardpoint_core::{Problem, Rejection, Secret};
use proptest::prelude::*;

use super::*;

fn check(password: &str) -> Result<(), WeakPassword> {
    let context = ["alice.smith@example.org", "Alice"];
    PasswordPolicy::default().add_word("Hardpoint").check(&Secret::from(password), &context)
}

#[test]
fn good_passwords_pass_without_digits_or_symbols() {
    for good in [
        "correct horse battery staple",
        "der hund frisst gern kuchen",
        "пароль который никто не знает",
        "kX9$alice#mQ2!vT7z",
        "alice likes three cats",
        "847592013847261",
        "パスワードは長いほうがいいのです",
        "organic fertiliser works",
    ] {
        assert_eq!(check(good), Ok(()), "{good:?}");
    }
}

#[test]
fn what_attackers_try_first_is_rejected_by_the_rule_that_it_breaks() {
    use WeakPassword::{Common, Context, Predictable, TooLong, TooShort};
    let table = [
        ("", TooShort(15)),
        ("password", TooShort(15)),
        ("pässwörd pässw", TooShort(15)),
        ("passwordpassword", Common),
        ("password password password", Common),
        ("Password2026!!!!", Common),
        ("P4$$w0rd12345678", Common),
        ("12345678password", Common),
        ("ｐａｓｓｗｏｒｄ１２３４５６７", Common),
        ("monkey1234567890", Common),
        ("11Football111111", Common),
        ("aaaaaaaaaaaaaaaa", Predictable),
        ("abcabcabcabcabcabc", Predictable),
        ("!?!?!?!?!?!?!?!?", Predictable),
        ("abcdefghijklmnop", Predictable),
        ("ponmlkjihgfedcba", Predictable),
        ("qwertzuiopasdfgh", Predictable),
        ("1234567890123456", Predictable),
        ("aaaaabbbbbcccccddddd", Predictable),
        ("alice.smith@example.org", Context),
        ("Alice.Smith.1984", Context),
        ("4l1c3 5m1th 2026", Context),
        ("hardpoint-hardpoint2", Context),
        ("HardpointAlice2026!", Context),
        ("alice1234567890", Context),
        ("example-password", Context),
        ("smith smith smith smith", Predictable),
    ];
    for (password, rule) in table {
        assert_eq!(check(password), Err(rule), "{password:?}");
    }
    let long = "ab c".repeat(257);
    assert_eq!(check(&long), Err(TooLong(1024)));
}

#[test]
fn a_second_factor_allows_eight_code_points_and_nothing_allows_fewer() {
    let check = |policy: PasswordPolicy, password: &str| policy.check(&Secret::from(password), &[]);
    let beside = PasswordPolicy::beside_second_factor();
    assert_eq!(check(beside.clone(), "tr1nk-ö7"), Ok(()), "code points are counted, not bytes");
    assert_eq!(check(beside.clone(), "tr1nk-7"), Err(WeakPassword::TooShort(8)));
    assert_eq!(check(beside, "password"), Err(WeakPassword::Common));
    let least = PasswordPolicy::default().min_chars(0);
    assert_eq!(check(least, "tr1nk-7"), Err(WeakPassword::TooShort(8)));
    let more = PasswordPolicy::default().min_chars(20);
    assert_eq!(check(more, "correct horse bat"), Err(WeakPassword::TooShort(20)));
}

#[test]
fn the_whole_password_counts() {
    let long = format!("{}{}", "correct horse battery staple ".repeat(2), "x".repeat(960));
    assert_eq!(check(&long), Err(WeakPassword::Predictable), "its runs are counted to the end");
    let words = "able baker charlie dog easy fox george how item jig king love mike nan oboe ";
    assert_eq!(check(&words[..64]), Ok(()), "64 characters, as NIST demands");
}

#[test]
fn a_rejection_is_422_with_the_rule_and_without_the_password() {
    let weak = check("Password2026!!!!").unwrap_err();
    let problem: Problem = weak.problem();
    assert_eq!((problem.status().as_u16(), problem.code()), (422, "weak_password"));
    let shown = format!("{weak:?} {weak} {:?} {}", problem.detail_text(), weak.rule());
    assert!(shown.contains("common") && !shown.contains("2026"), "{shown}");
    assert_eq!(weak.rule(), "common");
}

/// What `scripts/lib/common_passwords.py` prints for the list of the Django package.
const DIGEST: &str = "4d1b4201ab1ff60cb00d53b6970cfa2f1c78209a7426ed70ad2c2d3f02adda18";

#[test]
fn the_built_in_list_is_the_one_that_its_script_makes() {
    let list = PasswordList::common();
    let file = list.to_bytes();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file);
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, DIGEST);
    assert_eq!(list.len(), 19_640);
    for listed in ["password", "123456", "qwerty", "iloveyou", "trustno1", "letmein", "dragon"] {
        assert!(list.contains(listed), "{listed}");
    }
    assert_eq!(PasswordList::from_bytes(file).unwrap().len(), 19_640);
}

#[test]
fn the_built_in_list_has_fewer_false_positives_than_one_in_a_million() {
    let list = PasswordList::common();
    let tries = if std::env::var_os("HARDPOINT_SOAK").is_some() { 100_000_000 } else { 1_000_000 };
    let hits = (0..tries).filter(|n| list.contains(&format!("not listed {n}"))).count();
    let rate = list.false_positive_rate();
    println!("{} passwords, rate {rate:.1e}, {hits} of {tries} lookups wrong", list.len());
    assert!(rate <= 1e-6);
    assert!(hits <= 1 + tries / 1_000_000, "{hits}");
}

#[test]
fn a_list_of_ones_own_is_read_folded_and_written() {
    let lines = "Rocket Skates 2000\r\n\nzwölf boxkämpfer jagen\nＷＩＤＥ ＬＥＴＴＥＲＳ ＡＲＥ ＦＯＬＤＥＤ";
    let mut input = lines.as_bytes().to_vec();
    input.extend(b"\n\xff\xfe not UTF-8\n");
    input.extend(vec![b'x'; 5000]);
    let list = PasswordList::from_lines(&*input).unwrap();
    assert_eq!(list.len(), 3);
    let again = PasswordList::from_bytes(list.to_bytes()).unwrap();
    let policy = PasswordPolicy::default().add_list(again);
    for listed in ["rocket skates 2000", "ZWÖLF BOXKÄMPFER JAGEN", "wide letters are folded"] {
        let result = policy.check(&Secret::from(listed), &[]);
        assert_eq!(result, Err(WeakPassword::Common), "{listed}");
    }
    assert_eq!(policy.check(&Secret::from("password12345678"), &[]), Err(WeakPassword::Common));
    assert!(PasswordList::from_lines(&b""[..]).unwrap().is_empty());
}

#[test]
fn bytes_that_are_no_list_are_refused() {
    let good = PasswordList::from_lines(&b"one\ntwo\nthree\n"[..]).unwrap().to_bytes();
    assert!(PasswordList::from_bytes(good.clone()).is_ok());
    let mut unsorted = good.clone();
    unsorted[8..].reverse();
    let mut narrow = good.clone();
    narrow[7] = 1;
    for bad in [&b""[..], b"HPLIST1", b"HPLIST1\x00", &good[..good.len() - 1], &unsorted, &narrow] {
        let refused = PasswordList::from_bytes(bad.to_vec());
        assert!(matches!(refused, Err(PasswordListError::Malformed)), "{bad:?}");
    }
}

proptest! {
    /// No input makes a check panic, and what is too short or too long is rejected as that.
    #[test]
    fn every_text_gets_an_answer(password in ".{0,80}", context in prop::collection::vec(".{0,40}", 0..4)) {
        let values: Vec<&str> = context.iter().map(String::as_str).collect();
        let result = PasswordPolicy::default().check(&Secret::from(&*password), &values);
        let is_short = password.chars().count() < 15;
        prop_assert_eq!(matches!(result, Err(WeakPassword::TooShort(15))), is_short && password.len() <= 1024);
    }

    /// What is appended to a common password does not hide it.
    #[test]
    fn digits_behind_a_common_password_hide_nothing(digits in "[0-9!?#.]{7,40}", upper: bool) {
        let base = if upper { "IloveYou" } else { "iloveyou" };
        let result = PasswordPolicy::default().check(&Secret::from(&*format!("{base}{digits}")), &[]);
        prop_assert_eq!(result, Err(WeakPassword::Common));
    }
}
