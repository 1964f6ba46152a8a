"""What the scripts ask about the workspace.

usage: workspace.py features   each feature of each package alone, a line each: PACKAGE FEATURE
       workspace.py published  names of the packages that are published
       workspace.py changed    names of the packages whose files changed since the upstream branch
       workspace.py rules      checks the rules of dependencies, and prints what breaks them
"""

import json
import pathlib
import re
import subprocess
import sys

# What the core must never depend on, however far down.
FORBIDDEN_IN_CORE = {"tokio", "hyper", "axum", "redis", "opentelemetry"}
# Crates that other crates of ours may depend on; all others are siblings.
SHARED = {"hardpoint-core", "hardpoint-redis"}
# The public types that may have type parameters: services, futures, bodies, and a secret's content.
# Nobody has to name a clock, an observer or a store.
GENERIC = {
    # BoxFuture is the answer of a store of sessions: only an implementation of a store names it.
    "auth": {"Auth<S>", "BoxFuture<T>", "Require<S>", "ResponseFuture<S, B>"},
    "core": {"ResponseBody<B>", "ResponseFuture<F, B>", "Secret<T>"},
    "edge": {
        "BodyLimit<S>", "CatchPanic<S>", "Cors<S>", "IntoAxumBody<S>", "LimitedBody<B>",
        "MapProblems<S>", "RequireHttps<S>", "ResolveClient<S>", "ResponseBody<R>", "ResponseFuture<F>",
        "ResponseFuture<F, R>", "SetSecurityHeaders<S>",
    },
    "health": {
        "Drain<S>", "HyperService<S>", "Probe<S>", "ResponseBody<B>", "ResponseFuture<F>", "Serving<S>",
    },
    # A family is named by the application, with labels of its own.
    "observability": {
        "Family<L, M>", "Outgoing<S>", "Record<S>", "RecordBody<B>", "ResponseFuture<F>", "Timed<F>",
    },
    # Decided and BoxFuture are a store's answer: only an implementation of a store names them.
    "ratelimit": {
        "BoxFuture<T>", "Decided<T>", "RateLimit<S>", "ResponseBody<B>", "ResponseFuture<S, Req>",
    },
    "resilience": {
        "Bulkhead<S>", "CircuitBreaker<S>", "EnforceDeadline<S>", "GuardedClient<S>", "Hedge<S>",
        "RefreshOn401<S>", "ReplayBody<B>", "ResponseBody<B>", "ResponseBody<R>", "ResponseFuture<F>",
        "ResponseFuture<F, R>", "ResponseFuture<S, B, R>", "ResponseFuture<S, Req>", "Retry<S>",
        "Chaos<S>", "Fallback<S>", "RefreshOn401<S>", "Stale<S>", "Timeout<S>",
    },
    "secrets": set(),
    # The facade's stack of layers, and what it is made of.
    "src": {"After<Outer>", "Placed<P, L>", "Stack<Top, Rest>"},
}
# A public type and its parameters; trait parameters count as well.
PUBLIC_TYPE = re.compile(r"^ *pub (?:struct|enum|trait|type) (\w+)(?:<([^{;]*?)>)?[ {;(:]", re.MULTILINE)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def packages():
    metadata = json.loads(output("cargo", "metadata", "--format-version", "1", "--no-deps"))
    return metadata["packages"], metadata["workspace_root"]


def is_published(package):
    return package["publish"] is None


def features():
    for package in packages()[0]:
        names = [name for name in package["features"] if name != "default"]
        if is_published(package):
            for name in ["", *names]:
                print(package["name"], name)


def published():
    for package in packages()[0]:
        if is_published(package):
            print(package["name"])


def changed():
    upstream = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "@{upstream}"], capture_output=True, text=True
    )
    base = upstream.stdout.strip() or "HEAD"
    files = output("git", "diff", "--name-only", base).split("\n")
    files += output("git", "ls-files", "--others", "--exclude-standard").split("\n")
    found, root = packages()
    names = set()
    for file in filter(None, files):
        owners = [
            (len(folder), package["name"])
            for package in found
            if f"{root}/{file}".startswith(folder := package["manifest_path"].removesuffix("Cargo.toml"))
        ]
        if owners:
            names.add(max(owners)[1])
    print("\n".join(sorted(names)))


def rules():
    broken = []
    tree = output("cargo", "tree", "-p", "hardpoint-core", "-e", "normal", "--prefix", "none")
    for line in tree.splitlines():
        if line and line.split()[0] in FORBIDDEN_IN_CORE:
            broken.append(f"hardpoint-core depends on {line}")
    for package in packages()[0]:
        if package["name"] == "hardpoint" or not is_published(package):
            continue
        for dependency in package["dependencies"]:
            name = dependency["name"]
            sibling = name.startswith("hardpoint-") and name not in SHARED
            if sibling and dependency["kind"] != "dev":
                broken.append(f"{package['name']} depends on its sibling {name}")
            if dependency["req"] == "*" and name != "hardpoint-testkit":
                broken.append(f"{package['name']} depends on any version of {name}")
    broken += generic_types()
    for line in broken:
        print(line, file=sys.stderr)
    sys.exit(1 if broken else 0)


def public_types(crate):
    """Each public type of a crate, as `Name<A, B>`: without lifetimes, bounds and defaults."""
    root = pathlib.Path("src" if crate == "src" else f"crates/{crate}/src")
    for file in sorted(root.rglob("*.rs")):
        if file.stem == "tests" or "tests" in file.parts:
            continue
        for name, parameters in PUBLIC_TYPE.findall(file.read_text()):
            names = [part.split(":")[0].split("=")[0].strip() for part in parameters.split(",")]
            names = [part for part in names if part and part[0] != "'" and not part.startswith("const ")]
            yield f"{name}<{', '.join(names)}>" if names else name, file


def generic_types():
    crates = [folder.name for folder in pathlib.Path("crates").iterdir() if folder.name != "testkit"]
    for crate in sorted([*crates, "src"]):
        allowed = GENERIC.get(crate, set())
        for name, file in public_types(crate):
            if "<" in name and name not in allowed:
                yield f"{file}: public type {name} has a type parameter that users would have to name"


COMMANDS = {"features": features, "published": published, "changed": changed, "rules": rules}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]]()
