#!/bin/sh
# Installs what the tests talk to: mosquitto, socat, busybox, libmodbus and nbdkit (a disk that can fail) from the
# distribution (Debian, Ubuntu), and the Python peers of test-requirements.txt in a virtual environment of their own;
# unpacks chrony; compiles the libmodbus programs. Safe to run again; quick when all is there.
#
#   SM_EDGE_TEST_CHRONY folder that chrony is unpacked in (default: ~/.cache/sm-edge/chrony)
#   SM_EDGE_TEST_VENV   folder of the virtual environment (default: ~/.cache/sm-edge/venv)
#   SM_EDGE_PYTHON      Python 3.11 or newer to make it with (default: python3)
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
requirements="$here/test-requirements.txt"
venv="${SM_EDGE_TEST_VENV:-$HOME/.cache/sm-edge/venv}"
chrony="${SM_EDGE_TEST_CHRONY:-$HOME/.cache/sm-edge/chrony}"
python="${SM_EDGE_PYTHON:-python3}"

say() { printf 'test-servers: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else
    say "cannot run as root and there is no sudo: $*"
    exit 1
  fi
}

# Debian keeps servers in /usr/sbin, which the PATH of a plain user lacks.
PATH="$PATH:/usr/sbin:/sbin"

missing=''
command -v mosquitto >/dev/null 2>&1 || missing="$missing mosquitto"
command -v socat >/dev/null 2>&1 || missing="$missing socat"
command -v busybox >/dev/null 2>&1 || missing="$missing busybox"
command -v nbdkit >/dev/null 2>&1 || missing="$missing nbdkit"
command -v nbdfuse >/dev/null 2>&1 || missing="$missing nbdfuse"
[ -e /usr/include/modbus/modbus.h ] || missing="$missing libmodbus-dev"
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
if [ ! -x "$venv/bin/python" ]; then
  command -v "$python" >/dev/null 2>&1 || missing="$missing python3"
  "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3-venv"
fi

if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null 2>&1; then
    say "no apt-get here; install by hand:$missing"
    exit 1
  fi
  say "installing$missing"
  as_root apt-get update -q >&2
  # On a machine with systemd the package starts a broker of its own (loopback, port 1883): the tests leave it
  # alone and start theirs on a free port.
  # shellcheck disable=SC2086 # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
else
  say 'mosquitto, socat, busybox, libmodbus, nbdkit and Python are there'
fi

# Unpacked and not installed: the package would start a daemon that sets this machine's clock.
if [ ! -x "$chrony/usr/sbin/chronyd" ]; then
  say "unpacking chrony into $chrony"
  [ -n "$missing" ] || as_root apt-get update -q >&2
  as_root apt-get install -y -q --no-install-recommends --no-upgrade libedit2 libgnutls30 libseccomp2 >&2
  mkdir -p "$chrony"
  (cd "$chrony" && apt-get download -q chrony >&2 && dpkg -x chrony_*.deb . && rm chrony_*.deb)
fi

"$here/libmodbus-peers.sh" >/dev/null

stamp="$venv/.sm-edge-requirements"
if [ -f "$stamp" ] && cmp -s "$requirements" "$stamp"; then
  say "$venv is up to date"
  exit 0
fi
if [ ! -x "$venv/bin/python" ]; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "$("$python" --version) is too old; set SM_EDGE_PYTHON to a Python 3.11 or newer"
    exit 1
  }
  say "making $venv"
  mkdir -p "$(dirname -- "$venv")"
  "$python" -m venv "$venv"
fi
say "installing $requirements into $venv (some minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" >&2
# Written last: an installation that was cut off is taken up again.
cp "$requirements" "$stamp"
say 'done'
