#!/usr/bin/env python3
"""Writes the table of standards in docs/auth.md from the names of the tests that hold them.

usage: scripts/lib/auth_table.py           writes the table
       scripts/lib/auth_table.py --check   exits with 1 if it is not up to date
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CRATE = ROOT / "crates/auth"
TESTS = [CRATE / "src/token/tests" / name for name in ("standards.rs", "cves.rs")]
PAGE = ROOT / "docs/auth.md"
BEGIN, END = "<!-- auth_table begin -->", "<!-- auth_table end -->"

# Each test is a doc comment, the attribute, and a name that begins with what it holds.
TEST = re.compile(r"((?:^/// .*\n)+)#\[test\]\nfn ((rfc8725|rfc8725bis|asvs|cve)_(\w+?))\(\)", re.M)

# What a test holds that is not named after it: what holds, the file and the test.
ELSEWHERE = {
    "CVE-2022-23539": (
        "CVE-2022-23539: jsonwebtoken of npm used a key for an algorithm that it is not for; a key "
        "restricted to RSASSA-PSS signed with PKCS#1.",
        "src/key/tests/containers.rs",
        "a_key_that_is_restricted_to_pss_never_becomes_one_of_rs256",
    ),
    "ASVS 10.3.1": (
        "An access token is accepted by the service that its `aud` names, and by no other.",
        "src/token/tests/standards.rs",
        "asvs_9_2_3_tokens_are_for_this_audience",
    ),
    "ASVS 10.3.2": (
        "Scopes decide, and none implies another; `authorization_details` are the application's.",
        "tests/it/bearer.rs",
        "scopes_are_required_of_a_token_and_none_implies_another",
    ),
    "ASVS 10.3.3": (
        "The keys of one issuer never verify the tokens of another; a user is `iss` and `sub` together, "
        "which the application must store.",
        "tests/remote/layer.rs",
        "a_key_of_one_issuer_does_not_vouch_for_another",
    ),
    "ASVS 10.3.4": (
        "How long ago the log-in may be (`auth_time`) is required of a token; `acr` and `amr` are "
        "the application's.",
        "tests/it/bearer.rs",
        "roles_and_fresh_log_ins_are_required_of_claims",
    ),
}

# What has no test, and why.
WITHOUT = {
    "RFC 8725bis §3.13": "No key is derived from a password: nothing is decrypted.",
    "RFC 8725bis §3.15": "Nothing is decompressed.",
    "ASVS 10.3.5": "Not held: tokens that are bound to their sender (DPoP, mTLS) are not supported.",
}


def label(kind: str, rest: str) -> str:
    parts = rest.split("_")
    if kind == "asvs":
        return "ASVS " + ".".join(parts[:3])
    if kind == "cve":
        return f"CVE-{parts[0]}-{parts[1]}"
    name = "RFC 8725bis" if kind == "rfc8725bis" else "RFC 8725"
    return f"{name} §{parts[0]}.{int(parts[1])}"


def order(row: tuple[str, str, str]) -> tuple[int, list[int], str]:
    kind = ["RFC", "ASV", "CVE"].index(row[0][:3])
    numbers = row[0].split("§")[-1] if kind == 0 else row[0]
    return kind, [int(number) for number in re.findall(r"\d+", numbers)], row[2]


def named(path: Path) -> list[tuple[str, str, str]]:
    source = path.read_text()
    rows = [
        (label(kind, rest), " ".join(doc.replace("///", "").split()), f"`{name}`")
        for doc, name, kind, rest in TEST.findall(source)
    ]
    if not rows:
        sys.exit(f"auth_table: no test in {path} is named after a rule")
    if len(rows) != source.count("#[test]"):
        sys.exit(f"auth_table: a test in {path} has no comment, or is named after no rule")
    return rows


def elsewhere(rule: str) -> tuple[str, str, str]:
    what, file, name = ELSEWHERE[rule]
    if f"fn {name}()" not in (CRATE / file).read_text():
        sys.exit(f"auth_table: {rule} is held by {name}, which is not in {file}")
    return rule, what, f"`{name}`"


def table() -> str:
    rows = [row for path in TESTS for row in named(path)]
    rows += [elsewhere(rule) for rule in ELSEWHERE]
    rows += [(name, why, "") for name, why in WITHOUT.items()]
    lines = ["| rule | what holds | test |", "|---|---|---|"]
    lines += [f"| {rule} | {what} | {test} |" for rule, what, test in sorted(rows, key=order)]
    return "\n".join(lines)


def main() -> None:
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if wanted == page:
        return
    if "--check" in sys.argv[1:]:
        sys.exit("docs/auth.md: its table is not up to date; run scripts/lib/auth_table.py")
    PAGE.write_text(wanted)


if __name__ == "__main__":
    main()
