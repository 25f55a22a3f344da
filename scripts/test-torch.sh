#!/bin/sh
# Installs PyTorch for test/scoring/pytorch.test.ts, in a virtual environment of its own (torch-requirements.txt).
# The wheels for Linux on x86-64 bring CUDA along: about 2.5 GB to fetch, 6 GB on the disk. Safe to run again.
#
#   SM_EDGE_TORCH_VENV   folder of the virtual environment (default: ~/.cache/sm-edge/venv-torch)
#   SM_EDGE_PYTHON       Python 3.11 or newer to make it with (default: python3)
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv="${SM_EDGE_TORCH_VENV:-$HOME/.cache/sm-edge/venv-torch}"
python="${SM_EDGE_PYTHON:-python3}"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  printf 'test-torch: %s is too old; set SM_EDGE_PYTHON to a Python 3.11 or newer\n' "$("$python" --version)" >&2
  exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --disable-pip-version-check --requirement "$here/torch-requirements.txt"
"$venv/bin/python" -c 'import torch; print("test-torch: torch", torch.__version__, "runs")'
