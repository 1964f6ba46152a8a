"""Writes what our command line exports and signs, in the shape of the other corpora.

usage: ours.py PROGRAM VERSION FILE   (by `scripts/interop/run verify`)

Keys are new in every run. The private ones are in a temporary folder that is removed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

PAIRS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
SECRETS = ["HS256", "HS384", "HS512"]

ISSUER, AUDIENCE, SUBJECT = "https://issuer.example", "api", "alice"
CLAIMS = {
    "rfc9068": {"client_id": "app"},
    "plain": {
        "name": "Ålice \U0001f980",
        "roles": ["admin"],
        "address": {"city": "Zürich", "lines": [1, None, True]},
    },
}
SCOPE = {"rfc9068": ["--scope", "notes:read"], "plain": []}


def corpus(token, version, folder):
    file = {"library": "hardpoint", "version": version}
    file |= {"issuer": ISSUER, "audience": AUDIENCE, "subject": SUBJECT}
    file |= {"jwks": {"keys": []}, "secrets": [], "tokens": [], "pems": []}
    for alg in PAIRS + SECRETS:
        path = folder / alg
        path.write_text(token("make-key", alg))
        if alg in SECRETS:
            own = []
            secret = json.loads(path.read_text())
            names = {"kid": secret["kid"], "alg": alg}
            file["secrets"].append(names | {"k": secret["k"]})
        else:
            own = ["--algorithm", alg]
            [jwk] = json.loads(token("jwks", *own, path))["keys"]
            pem = token("jwks", *own, "--format", "pem", path)
            private = load_pem_private_key(path.read_bytes(), None)
            assert private.public_key() == load_pem_public_key(pem.encode()), alg
            names = {"kid": jwk["kid"], "alg": alg}
            file["jwks"]["keys"].append(jwk)
            file["pems"].append(names | {"public": pem})
        for profile, claims in CLAIMS.items():
            words = ["issue", "--key", path, *own, "--profile", profile, *SCOPE[profile]]
            words += ["--issuer", ISSUER, "--audience", AUDIENCE, "--subject", SUBJECT]
            # As those of the others do, they outlive the tests that read them.
            words += ["--ttl", "100years"]
            for name, value in claims.items():
                words += ["--claim", f"{name}={json.dumps(value, ensure_ascii=False)}"]
            text = token(*words).strip()
            file["tokens"].append(names | {"profile": profile, "token": text})
    return file


def main():
    program, version, path = sys.argv[1:]

    def token(*words):
        command = [program, "token", *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout

    with tempfile.TemporaryDirectory() as folder:
        file = corpus(token, version, Path(folder))
    Path(path).write_text(json.dumps(file, indent=2) + "\n")
    print(f"{path}: {len(file['tokens'])} tokens of hardpoint {version}")


if __name__ == "__main__":
    main()
