#!/usr/bin/env python3
"""What hardpoint adds to a build, beside the peers it replaces: crates in the tree and processor time.

usage: compile_cost.py            crates in the tree, as a table
       compile_cost.py --time     also the processor seconds of a clean build of each row; 30 minutes on 2 cores
       compile_cost.py --check    fails if the facade has more crates than its budget

A row is a package of its own, outside of the repository, with the dependencies of that row and the
workspace's `Cargo.lock`. Crates are those of normal and build dependencies on Linux, a crate in two
versions twice; the package itself is not one of them. A build is `cargo build` in the `dev` profile
of a package that says nothing about profiles, into an empty folder. Its seconds are the user's and the
system's of cargo and all of its children, so other load on the machine changes them little.
"""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The tree depends on the system: the budget is that of the one that services run on.
TARGET = "x86_64-unknown-linux-gnu"
# What a service adds that uses every module with axum.
FACADE = ("hardpoint", "full", "axum")
# Set on 2026-11-28, when there were 117.
BUDGET = 120
# What hardpoint replaces: packages that benches/peers/Cargo.toml pins, with the features it names.
PEERS = {
    "hardpoint-ratelimit": [["tower_governor"]],
    "hardpoint-auth": [["jsonwebtoken"]],
    "hardpoint-observability": [["tower-http", "tracing-subscriber"], ["axum-prometheus"]],
    "hardpoint-observability, otlp": [["opentelemetry-otlp", "tracing-opentelemetry"]],
    "hardpoint-resilience": [["tower-resilience-bulkhead", "tower-resilience-circuitbreaker"], ["failsafe"]],
}
# A peer that no benchmark needs, of the family that is pinned there, with its default features.
UNPINNED = {"opentelemetry-otlp": "=0.33.1"}


class Row:
    """A set of dependencies that a service could add."""

    def __init__(self, name, dependencies, is_sum=False):
        self.name, self.dependencies = name, dependencies
        # Of what other rows have: its time is not measured again.
        self.is_sum = is_sum

    def manifest(self):
        lines = ["[package]", 'name = "cost"', 'edition = "2024"', "[workspace]", "[dependencies]"]
        return "\n".join(lines + [f"{name} = {inline(spec)}" for name, spec in self.dependencies.items()])

    def package(self, folder):
        """Writes the package of this row."""
        (folder / "src").mkdir(parents=True, exist_ok=True)
        (folder / "src/lib.rs").touch()
        (folder / "Cargo.toml").write_text(self.manifest() + "\n")
        shutil.copy(ROOT / "Cargo.lock", folder)

    def crates(self, folder):
        """How many crates are below the package."""
        self.package(folder)
        command = ["cargo", "tree", "--quiet", "-e", "normal,build", "--target", TARGET]
        command += ["--prefix", "none", "--no-dedupe", "--format", "{p}"]
        lines = run(command, folder).stdout.splitlines()
        # A package is followed by its folder, and a macro by a note.
        return len({tuple(line.split()[:2]) for line in lines if line}) - 1

    def seconds(self, folder):
        """The processor time of a clean build."""
        self.package(folder)
        run(["cargo", "fetch", "--quiet"], folder)
        target = folder / "target"
        before = spent()
        environment = {"CARGO_TARGET_DIR": str(target), "CARGO_INCREMENTAL": "0", "RUSTFLAGS": ""}
        run(["cargo", "build", "--quiet"], folder, environment)
        seconds = spent() - before
        shutil.rmtree(target)
        return seconds


def run(command, folder, environment=None):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done


def spent():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def inline(spec):
    """A dependency in TOML: of the values that JSON writes the same way."""
    if not isinstance(spec, dict):
        return json.dumps(spec)
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in spec.items()) + " }"


def own(package, features):
    """A package of the workspace with these features."""
    folder = pathlib.Path(package["manifest_path"]).parent
    return {package["name"]: {"path": str(folder), "features": features}}


def facade(package):
    _, *features = FACADE
    return Row(f"**hardpoint, {' and '.join(f'`{name}`' for name in features)}**", own(package, features))


def peer(names, pinned):
    """Pinned packages in one row, with the features that the benchmarks build."""
    dependencies = {name: pinned[name] if name in pinned else UNPINNED[name] for name in names}
    shown = [f"{name} {version(spec)}" for name, spec in dependencies.items()]
    return Row(f"– {' and '.join(shown)}", dependencies)


def version(spec):
    return (spec["version"] if isinstance(spec, dict) else spec).lstrip("=")


def published():
    command = ["cargo", "metadata", "--quiet", "--format-version", "1", "--no-deps"]
    packages = json.loads(run(command, ROOT).stdout)["packages"]
    return {package["name"]: package for package in packages if package["publish"] is None}


def rows():
    packages = published()
    pinned = tomllib.loads((ROOT / "benches/peers/Cargo.toml").read_text())["dependencies"]

    def peers(name):
        return [peer(names, pinned) for names in PEERS.get(name, [])]

    yield facade(packages["hardpoint"])
    everything = sorted({name for sets in PEERS.values() for names in sets for name in names})
    yield Row("– all peers of this table together", peer(everything, pinned).dependencies, is_sum=True)
    yield Row("hardpoint, all features", own(packages["hardpoint"], features(packages["hardpoint"])), is_sum=True)
    del packages["hardpoint"]
    for name, package in sorted(packages.items()):
        yield Row(name, own(package, []))
        yield from peers(name)
        if "otlp" in package["features"]:
            yield Row(f"{name}, `otlp`", own(package, ["otlp"]))
            yield from peers(f"{name}, otlp")
    for name, package in sorted(packages.items()):
        if features(package):
            yield Row(f"{name}, all features", own(package, features(package)))


def features(package):
    return sorted(set(package["features"]) - {"default"})


def table(with_time):
    print("| package | crates |" + (" CPU seconds |" if with_time else ""))
    print("|---|---:|" + ("---:|" if with_time else ""))
    for row in rows():
        with tempfile.TemporaryDirectory(prefix="compile-cost-") as folder:
            folder = pathlib.Path(folder)
            crates = row.crates(folder)
            seconds = f" {'–' if row.is_sum else f'{row.seconds(folder):.0f}'} |" if with_time else ""
        print(f"| {row.name} | {crates} |{seconds}", flush=True)


def check():
    """Returns how many crates the facade has, and whether that is within the budget."""
    with tempfile.TemporaryDirectory(prefix="compile-cost-") as folder:
        crates = facade(published()["hardpoint"]).crates(pathlib.Path(folder))
    return crates, crates <= BUDGET


def main():
    match sys.argv[1:]:
        case []:
            table(with_time=False)
        case ["--time"]:
            table(with_time=True)
        case ["--check"]:
            crates, within = check()
            print(f"hardpoint with {' and '.join(FACADE[1:])}: {crates} crates, budget {BUDGET}")
            sys.exit(0 if within else 1)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
