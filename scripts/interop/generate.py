"""Writes what PyJWT and joserfc export and sign, for the tests of crates/auth to read.

usage: generate.py FOLDER   (by `scripts/interop/run generate`)

Keys are new in every run. Of the private ones nothing is written.
"""

import json
import secrets
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt as joserfc_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
CURVES = {"ES256": "P-256", "ES384": "P-384"}
SECRETS = {"HS256": 32, "HS384": 48, "HS512": 64}

ISSUER, AUDIENCE, SUBJECT = "https://issuer.example", "api", "alice"
ISSUED, EXPIRES = 1767225600, 4102444800


def claims(profile, kid):
    common = {"iss": ISSUER, "sub": SUBJECT, "exp": EXPIRES, "iat": ISSUED}
    if profile == "rfc9068":
        own = {"aud": AUDIENCE, "jti": f"{kid}-1", "client_id": "app", "scope": "notes:read"}
    else:
        own = {
            "aud": ["other", AUDIENCE],
            "name": "Ålice \U0001f980",
            "roles": ["admin"],
            "address": {"city": "Zürich", "lines": [1, None, True]},
        }
    return common | own


class PyJwt:
    name = "PyJWT"
    # It does not know the name "Ed25519" (RFC 9864).
    algorithms = [*RSA, *CURVES, "EdDSA", *SECRETS]

    def __init__(self, alg, kid):
        self.alg, self.kid = alg, kid
        if alg in SECRETS:
            self.key = secrets.token_bytes(SECRETS[alg])
        elif alg in RSA:
            self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif alg in CURVES:
            curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}[alg]
            self.key = ec.generate_private_key(curve())
        else:
            self.key = ed25519.Ed25519PrivateKey.generate()

    def jwk(self):
        algorithm = jwt.get_algorithm_by_name(self.alg)
        key = self.key if self.alg in SECRETS else self.key.public_key()
        return algorithm.to_jwk(key, as_dict=True)

    def pem(self):
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def sign(self, payload, typ):
        headers = {"kid": self.kid} | ({"typ": typ} if typ else {})
        return jwt.encode(payload, self.key, self.alg, headers)


class Joserfc:
    name = "joserfc"
    algorithms = [*RSA, *CURVES, "EdDSA", "Ed25519", *SECRETS]

    def __init__(self, alg, kid):
        self.alg, self.kid = alg, kid
        about = {"kid": kid, "alg": alg, "use": "sig"}
        if alg in SECRETS:
            self.key = OctKey.generate_key(SECRETS[alg] * 8, about)
        elif alg in RSA:
            self.key = RSAKey.generate_key(2048, about)
        elif alg in CURVES:
            self.key = ECKey.generate_key(CURVES[alg], about)
        else:
            self.key = OKPKey.generate_key("Ed25519", about)

    def jwk(self):
        return self.key.as_dict(private=self.alg in SECRETS)

    def pem(self):
        return self.key.as_pem(private=False).decode()

    def sign(self, payload, typ):
        header = {"alg": self.alg, "kid": self.kid} | ({"typ": typ} if typ else {})
        return joserfc_jwt.encode(header, payload, self.key, algorithms=[self.alg])


def corpus(library):
    file = {
        "library": library.name,
        "version": version(library.name),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "subject": SUBJECT,
        "jwks": {"keys": []},
        "secrets": [],
        "tokens": [],
        "pems": [],
    }
    for alg in library.algorithms:
        names = {"kid": f"{library.name}-{alg}".lower(), "alg": alg}
        key = library(alg, names["kid"])
        if alg in SECRETS:
            file["secrets"].append(names | {"k": key.jwk()["k"]})
        else:
            file["jwks"]["keys"].append(key.jwk() | names | {"use": "sig"})
            file["pems"].append(names | {"public": key.pem()})
        # Where no type is asked for, the library writes what it writes by itself.
        for profile, typ in [("rfc9068", "at+jwt"), ("plain", None)]:
            token = key.sign(claims(profile, names["kid"]), typ)
            file["tokens"].append(names | {"profile": profile, "token": token})
    return file


def main():
    # RFC 9864 deprecates the name "EdDSA", which is in use all the same. Other warnings are errors.
    warnings.simplefilter("error", SecurityWarning)
    warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)
    for library in [PyJwt, Joserfc]:
        file = corpus(library)
        path = Path(sys.argv[1]) / f"{library.name.lower()}.json"
        path.write_text(json.dumps(file, indent=2) + "\n")
        print(f"{path}: {len(file['tokens'])} tokens of {library.name} {file['version']}")


if __name__ == "__main__":
    main()
