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

# need_cargo COMMAND CRATE VERSION: installs a tool that cargo builds.
need_cargo() {
    if command -v "$1" >/dev/null 2>&1 && "$1" --version 2>/dev/null | grep -qF "$3"; then
        return 0
    fi
    echo "installing $2 $3"
    cargo install --quiet --locked "$2" --version "=$3"
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
