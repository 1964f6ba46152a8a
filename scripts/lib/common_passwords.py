#!/usr/bin/env python3
"""Makes crates/auth/src/password/policy/common.bin, the list of common passwords, from Django's.

usage: scripts/lib/common_passwords.py           writes the file
       scripts/lib/common_passwords.py --check   exits with 1 if it differs from what it would write

The source is django/contrib/auth/common-passwords.txt.gz in the Django package (BSD-3-Clause, its
licence is beside the file): about 20,000 passwords from public leaks, in lower case. Only its digests
are kept. docs/accounts.md describes the format; PasswordList::from_lines makes the same from any list.
"""

import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from pathlib import Path

DJANGO = "5.2.19"
SOURCE = "django/contrib/auth/common-passwords.txt.gz"
SOURCE_SHA256 = "29ca0fa5303165f012f3e9775e3e95a3071cdd59f219973ec1cbb308d0214a6f"
LICENCE = f"django-{DJANGO}.dist-info/licenses/LICENSE"
FOLDER = Path(__file__).resolve().parents[2] / "crates/auth/src/password/policy"
TARGET, LICENCE_TARGET = FOLDER / "common.bin", FOLDER / "LICENSE-django"
# Bytes of each digest. 20,000 of 2^40 are a false-positive rate of 2e-8.
WIDTH = 5


def package():
    """The Django wheel, from the package index that pip is set up for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--dest", folder, f"django=={DJANGO}"]
        if subprocess.run(command).returncode:
            sys.exit(f"error: the Python package django {DJANGO} cannot be downloaded")
        wheel = next(Path(folder).glob("*.whl"))
        return zipfile.ZipFile(io.BytesIO(wheel.read_bytes()))


def digests(text):
    lines = {unicodedata.normalize("NFKC", line).lower() for line in text.splitlines()} - {""}
    return b"HPLIST1" + bytes([WIDTH]) + b"".join(
        sorted(hashlib.sha256(line.encode()).digest()[:WIDTH] for line in lines)
    )


def main():
    wheel = package()
    text = gzip.decompress(wheel.read(SOURCE))
    if hashlib.sha256(text).hexdigest() != SOURCE_SHA256:
        sys.exit(f"error: {SOURCE} of django {DJANGO} is not the list that this script was written for")
    made = {TARGET: digests(text.decode()), LICENCE_TARGET: wheel.read(LICENCE)}
    for path, content in made.items():
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_bytes() != content:
                sys.exit(f"error: {path.name} is not what {Path(__file__).name} makes of django {DJANGO}")
        else:
            path.write_bytes(content)
    count = (len(made[TARGET]) - 8) // WIDTH
    print(f"{count} common passwords, SHA-256 {hashlib.sha256(made[TARGET]).hexdigest()}")


main()
