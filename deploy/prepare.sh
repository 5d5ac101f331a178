# Sourced by `up`, `check`, `prove` and `bench`: the packages and the virtual environment they need.

fail() { printf '%s\n' "$@" >&2; exit 1; }

usable() { "$@" >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3; do
    if usable "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or newer is needed: apt-get install python3.11"
}

missing_packages() {
  usable java -version || echo openjdk-17-jre-headless
  usable mvn -version || echo maven
  /sbin/ldconfig -p | grep -q 'libdmtx\.so\.0' || echo libdmtx0b
  usable uv --version || usable "$1" -c 'import ensurepip' || echo python3-venv
}

install_packages() {
  local missing
  missing=$(missing_packages "$1" | xargs)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ] || ! usable command -v apt-get; then
    fail "These Debian packages are missing, or their like: apt-get install $missing"
  fi
  echo "installing $missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of names
  apt-get -qq update && apt-get -qq -y install --no-install-recommends $missing >/dev/null ||
    fail "apt-get could not install $missing"
}

install_requirements() {
  local python=$1 wanted
  wanted=$(sha256sum <requirements.lock)
  [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ] || return 0
  echo "installing the pinned Python packages into .venv"
  if usable uv --version; then
    export UV_PYTHON_DOWNLOADS=never
    [ -x .venv/bin/python ] || uv -q venv --python "$python" .venv
    uv -q pip install --python .venv/bin/python --require-hashes -r requirements.lock
  else
    [ -x .venv/bin/pip ] || "$python" -m venv .venv
    .venv/bin/pip -q --disable-pip-version-check install --require-hashes -r requirements.lock
  fi || fail "the Python packages could not be installed"
  echo "$wanted" >.venv/installed
}

prepare() {
  local python
  python=$(find_python) || exit 1
  mkdir -p .data
  exec 9>.data/prepare.lock
  flock 9
  install_packages "$python"
  install_requirements "$python"
  exec 9>&-
}
