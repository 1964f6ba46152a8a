"""Writes hashes of other systems' libraries, for the tests of crates/auth to verify.

usage: passwords.py FILE   (by `scripts/interop/run generate`)

Each is made by the library itself, with its default parameters where they are known. Systems in other
languages store what argon2-cffi, bcrypt and hashlib make with their parameters, in their form.
"""

import base64
import hashlib
import json
import secrets
import sys
from importlib.metadata import version
from pathlib import Path

import argon2.low_level
import bcrypt
import django
from argon2 import PasswordHasher
from django.conf import settings

PASSWORD = "correct horse battery staple"
HASHERS = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt"]
settings.configure(
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS]
)
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from passlib import hash as passlib  # noqa: E402

rows = []


def add(system, text, password=PASSWORD):
    rows.append({"system": system, "password": password, "hash": text})


def phc(memory, passes, lanes, kind=argon2.low_level.Type.ID, password=PASSWORD, version=19):
    return argon2.low_level.hash_secret(
        password.encode(), secrets.token_bytes(16), passes, memory, lanes, 32, kind, version
    ).decode()


def keycloak(algorithm, iterations, salt, value, parameters):
    data = {
        "hashIterations": iterations,
        "algorithm": algorithm,
        "additionalParameters": {name: [text] for name, text in parameters.items()},
    }
    secret = {"value": b64(value), "salt": b64(salt), "additionalParameters": {}}
    return json.dumps(
        {"type": "password", "secretData": json.dumps(secret), "credentialData": json.dumps(data)}
    )


def b64(data):
    return base64.b64encode(data).decode()


def main():
    Type = argon2.low_level.Type
    for name in ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"]:
        add(f"Django {django.__version__}, {name}", make_password(PASSWORD, hasher=name))
    add(f"argon2-cffi {version('argon2-cffi')}", PasswordHasher().hash(PASSWORD))
    add("argon2-cffi, argon2i", phc(512, 2, 2, Type.I))
    add("argon2-cffi, argon2d", phc(512, 2, 2, Type.D))
    add("argon2-cffi, version 16", phc(512, 2, 2, Type.I, version=16))
    add("Vaultwarden, bitwarden preset", phc(65540, 3, 4) + "\n")
    add("Vaultwarden, owasp preset", phc(19456, 2, 1))
    add("Ory Kratos", phc(131072, 1, 8) + "\r\n")
    add("Go, alexedwards/argon2id", phc(65536, 1, 16))
    add("a password of Unicode", phc(7168, 5, 1, password="pässwörd 密码"), "pässwörd 密码")

    salt = secrets.token_bytes(16)
    for kind, name in [(Type.ID, "id"), (Type.I, "i")]:
        raw = argon2.low_level.hash_secret_raw(PASSWORD.encode(), salt, 5, 7168, 1, 32, kind, 19)
        parameters = {"hashLength": "32", "memory": "7168", "type": name, "version": "1.3", "parallelism": "1"}
        add(f"Keycloak, argon2{name}", keycloak("argon2", 5, salt, raw, parameters))
    for algorithm, function, iterations, length in [
        ("pbkdf2-sha512", "sha512", 210000, 64),
        ("pbkdf2-sha256", "sha256", 27500, 64),
        ("pbkdf2", "sha1", 20000, 64),
    ]:
        raw = hashlib.pbkdf2_hmac(function, PASSWORD.encode(), salt, iterations, length)
        add(f"Keycloak, {algorithm}", keycloak(algorithm, iterations, salt, raw, {}))

    for name in ["pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512", "bcrypt_sha256", "scrypt"]:
        add(f"passlib {version('passlib')}, {name}", getattr(passlib, name).hash(PASSWORD))
    for kind in [b"2a", b"2b"]:
        salt = bcrypt.gensalt(10, kind)
        add(f"bcrypt {version('bcrypt')}, {kind.decode()}", bcrypt.hashpw(PASSWORD.encode(), salt).decode())
    php = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode().replace("$2b$", "$2y$")
    add("PHP password_hash", php)
    long = "long password " * 6
    add("bcrypt, 84 bytes of which 72 count", bcrypt.hashpw(long.encode(), bcrypt.gensalt(4)).decode(), long)
    add("bcrypt, empty", bcrypt.hashpw(b"", bcrypt.gensalt(4)).decode(), "")
    salt = secrets.token_bytes(16)
    raw = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, 600000)
    plain = [b64(part).rstrip("=") for part in (salt, raw)]
    add("PHC string, pbkdf2-sha256", "$pbkdf2-sha256$i=600000,l=32$" + "$".join(plain))
    Path(sys.argv[1]).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


main()
