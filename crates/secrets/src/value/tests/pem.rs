//! PEM texts, and what was written in place of one.

use super::*;

#[test]
fn pem_blocks_are_whole() {
    let block = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\nBQYDK2Vw==\n-----END PRIVATE KEY-----";
    assert_eq!(pem(block), Ok(None));
    assert_eq!(pem(&format!("\n{block}\r\n")), Ok(None));
    assert_eq!(pem(&format!("# old key\n{block}\n{block}\n")), Ok(None), "a bundle with a comment");
    assert_eq!(pem(&block.replace('\n', "\r\n")), Ok(None));
    assert_eq!(
        pem(&block.replace("MC4", "Proc-Type: 4,ENCRYPTED\n\nMC4")),
        Ok(None),
        "a header of the older form"
    );
    for (broken, flaw) in [
        ("MC4CAQAwBQYDK2Vw".to_owned(), Flaw::PemMissing),
        (format!("\"{block}\""), Flaw::Quoted),
        (block.replace("MC4", "M\u{200b}4"), Flaw::Invisible),
        (block.replace('\n', "\\n"), Flaw::PemEscaped),
        (block.replace('\n', " "), Flaw::PemBroken),
        (block.replace("-----END PRIVATE KEY-----", ""), Flaw::PemBroken),
        (block.replace("END PRIVATE", "END PUBLIC"), Flaw::PemBroken),
        (block.replace("MC4", "M?4"), Flaw::PemBroken),
        (block.replace("MC4CAQAw\nBQYDK2Vw==\n", ""), Flaw::PemBroken),
        (format!("{block}\n-----END PRIVATE KEY-----"), Flaw::PemBroken),
        (format!("-----BEGIN PRIVATE KEY-----\n{block}"), Flaw::PemBroken),
    ] {
        assert_eq!(pem(&broken), Err(flaw), "{broken}");
    }
}

#[test]
fn only_the_blocks_of_a_pem_text_are_judged() {
    let block = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\nBQYDK2Vw==\n-----END PRIVATE KEY-----";
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----";
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVk=\n-----END CERTIFICATE-----";
    for around in [
        format!("# written with printf '...\\n...'\n{block}"),
        format!("Key Attributes: <No Attributes>\n\u{200b}\n{block}\n\\n"),
        format!("\"quoted\" note\n{block}"),
        format!("a \0 comment\n{block}"),
        format!("see -----BEGIN below\n{block}"),
        format!("{parameters}\n{block}"),
        format!("{certificate}\n{block}"),
        format!("Bag Attributes\n    friendlyName: x\n{certificate}\n{block}\n{certificate}"),
    ] {
        assert_eq!(pem(&around), Ok(None), "{around}");
    }
    let escaped = block.replace('\n', "\\n");
    assert_eq!(pem(&format!("# comment\n{escaped}")), Err(Flaw::PemEscaped));
    assert_eq!(pem(&block.replace("AQAw\nBQYD", "AQAw\\nBQYD")), Err(Flaw::PemEscaped));
}

#[test]
fn what_was_written_in_place_of_a_pem_text_is_named() {
    let der =
        [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(), &KEY]
            .concat();
    let bare = STANDARD.encode(&der);
    let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    let block = format!("-----BEGIN PRIVATE KEY-----\n{bare}\n-----END PRIVATE KEY-----\n");
    for (given, flaw) in [
        (der.clone(), Flaw::PemDer),
        (der[..der.len() - 1].to_vec(), Flaw::PemDer),
        (bare.clone().into(), Flaw::PemBare),
        (format!("{}\n{}", &bare[..40], &bare[40..]).into(), Flaw::PemBare),
        (hex.into(), Flaw::PemHex),
        (STANDARD.encode(&block).into(), Flaw::PemEncoded),
        (br#"{"kty":"OKP","crv":"Ed25519"}"#.to_vec(), Flaw::PemJson),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me".to_vec(), Flaw::PemSsh),
        (b"---- BEGIN SSH2 PUBLIC KEY ----".to_vec(), Flaw::PemSsh),
        (b"/run/keys/signing.pem".to_vec(), Flaw::PemPath),
        (b"./signing.pem".to_vec(), Flaw::PemPath),
        (b"signing".to_vec(), Flaw::PemMissing),
    ] {
        assert_eq!(judge(&Spec::pem("NAME"), &given).err(), Some(flaw), "{given:?}");
        let remedy = flaw.remedy(&Spec::pem("NAME"));
        assert!(flaw == Flaw::PemMissing || remedy.contains(['`', 'J', 'P']), "{remedy}");
    }
}
