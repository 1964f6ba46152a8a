"""Verifies with PyJWT and joserfc what our command line wrote, and sees them refuse forgeries.

usage: verify.py [FILE]   (by `scripts/interop/run verify`)
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jwt as joserfc_jwt
from joserfc.errors import BadSignatureError, InvalidClaimError, SecurityWarning
from joserfc.jwk import KeySet, import_key

FILE = "crates/auth/tests/interop/hardpoint.json"

# What must be there, besides being right where it is. The second is RFC 9068 §2.2.
REQUIRED = {"plain": ["iss", "sub", "aud", "exp"]}
REQUIRED["rfc9068"] = [*REQUIRED["plain"], "iat", "jti", "client_id"]


class PyJwt:
    name = "PyJWT"
    bad_signature, bad_audience = jwt.InvalidSignatureError, jwt.InvalidAudienceError

    def __init__(self, file, jwks):
        self.file, self.keys = file, jwt.PyJWKSet.from_dict(jwks)

    def is_of(self, kid, pem):
        return self.keys[kid].key == load_pem_public_key(pem)

    def verify(self, entry, token, audience):
        key = self.keys[entry["kid"]]
        decoded = jwt.decode_complete(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=self.file["issuer"],
            audience=audience,
            subject=self.file["subject"],
            options={"require": REQUIRED[entry["profile"]], "enforce_minimum_key_length": True},
        )
        return decoded["header"]


class Joserfc:
    name = "joserfc"
    bad_signature, bad_audience = BadSignatureError, InvalidClaimError

    def __init__(self, file, jwks):
        self.file, self.keys = file, KeySet.import_key_set(jwks)

    def is_of(self, kid, pem):
        key = self.keys.get_by_kid(kid)
        return key.thumbprint() == import_key(pem, key.key_type).thumbprint()

    def verify(self, entry, token, audience):
        # The set finds the key by the token's kid, which is compared with the entry's afterwards.
        key = self.keys.get_by_kid(entry["kid"])
        decoded = joserfc_jwt.decode(token, self.keys, algorithms=[key.alg])
        options = {name: {"essential": True} for name in REQUIRED[entry["profile"]]}
        options["iss"]["value"] = self.file["issuer"]
        options["sub"]["value"] = self.file["subject"]
        options["aud"]["value"] = audience
        joserfc_jwt.JWTClaimsRegistry(**options).validate(decoded.claims)
        return decoded.header


def flipped(token):
    """With another character in the middle of its signature."""
    place = (token.rindex(".") + len(token)) // 2
    return token[:place] + ("B" if token[place] == "A" else "A") + token[place + 1 :]


class Failure(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Failure(what)


def refusal(verify, *arguments):
    try:
        verify(*arguments)
    except Exception as error:
        return error
    return None


def judge(library, file):
    """The line of a library, or the first thing that is not as it should be as a failure."""
    secrets = [secret | {"kty": "oct"} for secret in file["secrets"]]
    it = library(file, {"keys": file["jwks"]["keys"] + secrets})
    total = refused = 0
    for entry in file["tokens"]:
        token, audience = entry["token"], file["audience"]
        what = f"{it.name}: {entry['kid']}, {entry['profile']}"
        try:
            header = it.verify(entry, token, audience)
        except Exception as error:
            raise Failure(f"{what}: refused: {error!r}") from error
        wanted = {name: entry[name] for name in ["alg", "kid"]}
        wanted |= {"typ": "at+jwt"} if entry["profile"] == "rfc9068" else {}
        check(header | wanted == header, f"{what}: {header}")
        total += 1
        # Each forgery must be refused for what is wrong with it, and not for anything else.
        error = refusal(it.verify, entry, flipped(token), audience)
        check(isinstance(error, it.bad_signature), f"{what}: bad signature: {error!r}")
        error = refusal(it.verify, entry, token, "somebody-else")
        known = isinstance(error, it.bad_audience) and "aud" in str(error).lower()
        check(known, f"{what}: wrong audience: {error!r}")
        refused += 2
    for pem in file["pems"]:
        same = it.is_of(pem["kid"], pem["public"].encode())
        check(same, f"{it.name}: the PEM and the JWK of {pem['kid']} differ")
    check(total > 0, f"{it.name}: no tokens")
    about = f"{it.name} {version(it.name)}"
    return f"{about}: {total} of {total} tokens verified, {refused} forgeries refused"


def main():
    # RFC 9864 deprecates the name "EdDSA", which is in use all the same. Other warnings are errors.
    warnings.simplefilter("error", SecurityWarning)
    warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)
    file = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else FILE).read_text())
    status = 0
    for library in [PyJwt, Joserfc]:
        try:
            print(judge(library, file))
        except Failure as failure:
            print(failure, file=sys.stderr)
            status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
