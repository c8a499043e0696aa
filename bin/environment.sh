# Install the libraries of uv.lock into .venv, and set $root and $python.
# The commands in this folder source this file. It installs on first use, and again when uv.lock has changed.

root=$(CDPATH="" cd -- "$(dirname -- "$0")/.." && pwd -P)
python="$root/.venv/bin/python"
stamp="$root/.venv/.installed-lock"

# Let Python cache compiled modules, because otherwise each of our many processes compiles everything again.
unset PYTHONDONTWRITEBYTECODE

fail() {
    printf 'simwatch: %s\n' "$*" >&2
    exit 1
}

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return
        fi
    done
}

install_with_uv() {
    uv venv --quiet --allow-existing --python "$1" "$root/.venv" &&
        (cd "$root" && uv sync --quiet --frozen --no-install-project --compile-bytecode)
}

install_with_pip() {
    "$1" -m venv "$root/.venv" ||
        fail "$1 cannot make a virtual environment; install its venv module (Debian: apt-get install python3-venv)"
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$root/requirements.txt"
}

# Set placeholder settings for commands that need no servers or start their own.
without_servers() {
    unset SIMWATCH_ENV_FILE CELERY_BROKER_URL DJANGO_SETTINGS_MODULE
    export SIMWATCH_MODE=local SECRET_KEY=local-check
    export ENCRYPTION_KEYS=check:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
    export DATABASE_URL=postgresql://nobody@127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1/0
}

is_installed() {
    [ -x "$python" ] && cmp -s "$root/uv.lock" "$stamp"
}

install() {
    is_installed && return
    base=$(find_python)
    [ -n "$base" ] || fail "Python 3.11 or newer is required, but none was found on the PATH"
    echo "Installing the libraries into .venv, because uv.lock has changed or this is the first run ..." >&2
    if command -v uv >/dev/null 2>&1; then
        install_with_uv "$base"
    else
        install_with_pip "$base"
    fi || fail "the libraries could not be installed. Fix the error shown above and run the command again"
    cp "$root/uv.lock" "$stamp"
}

# Install under a lock, because two commands may start at the same time.
if ! is_installed; then
    if command -v flock >/dev/null 2>&1; then
        mkdir -p "$root/.run" && exec 9>"$root/.run/install.lock" && flock 9
        install
        exec 9>&-
    else
        install
    fi
fi
