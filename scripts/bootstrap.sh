# shellcheck shell=bash
# Sourced by the scripts beside it: finds or installs uv, then brings .venv up to the lock file.
# Everything lands in .tools and .venv of the project; package indexes come from the usual UV_* and PIP_* settings.
#
#   prepare [option of uv sync...]   sets $uv and $bin, the folder with the environment's programs

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
series=0.13 # of uv: that of the build backend in pyproject.toml, so that building the project needs no download

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# shellcheck disable=SC2120
prepare() {
    cd "$root"
    unset VIRTUAL_ENV # another project's environment must not be meant
    # The machine's own authorities count, as they do for pip; uv alone would know those of the public web only.
    [[ ! -s /etc/ssl/certs/ca-certificates.crt ]] || export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
    find_uv || install_uv
    local environment=${UV_PROJECT_ENVIRONMENT:-.venv}
    [[ $environment == /* ]] || environment=$root/$environment
    # shellcheck disable=SC2034 # the script that sources this uses it
    bin=$environment/bin
    if ! "$uv" sync --quiet --check --locked "$@" 2>/dev/null; then
        say "installing the packages of uv.lock into $environment"
        # Where PYTHONDONTWRITEBYTECODE is set, as in many containers, each start would compile 600 modules anew.
        "$uv" sync --locked "$@" --compile-bytecode || die "the packages could not be installed; uv says why above"
        "$bin/python" -m compileall -q service
    fi
}

find_uv() {
    for uv in "$root/.tools/bin/uv" uv; do
        if [[ $("$uv" --version 2>/dev/null) =~ ^uv\ ([0-9]+)\.([0-9]+) ]] &&
            ((BASH_REMATCH[1] > 0 || BASH_REMATCH[2] >= ${series#0.})); then
            return 0
        fi
    done
    return 1
}

install_uv() {
    local python
    python=$(find_python) || die "needs Python 3.11 or newer and found none: install it" \
        "(Debian and Ubuntu: apt-get install python3 python3-venv; macOS: brew install python) and run this again"
    say "installing uv into .tools with $("$python" --version)"
    rm -rf "$root/.tools"
    if has_modules "$python" venv ensurepip; then
        "$python" -m venv "$root/.tools"
        PIP_USER=0 "$root/.tools/bin/python" -m pip install --quiet "uv==$series.*" || pip_failed
    elif has_modules "$python" pip; then # Debian without python3-venv
        PIP_USER=0 "$python" -m pip install --quiet --target "$root/.tools" "uv==$series.*" || pip_failed
    else
        die "$python has neither ensurepip nor pip: install one (Debian and Ubuntu: apt-get install python3-venv)"
    fi
    find_uv || die "uv was installed into .tools and does not run: $("$root/.tools/bin/uv" --version 2>&1)"
}

pip_failed() { die "pip could not install uv; it says why above (an index of your own: PIP_INDEX_URL, UV_INDEX_URL)"; }

# A name that exists may still not run: version managers leave such shims.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$name"
            return 0
        fi
    done
    return 1
}

has_modules() {
    local python=$1
    shift
    "$python" -c 'import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]' "$@" 2>/dev/null
}
