#!/bin/sh
# Compiles the libmodbus server and client of test/support/libmodbus (Debian, Ubuntu: gcc, libc6-dev, libmodbus-dev).
# Prints the folder with the programs. Safe to run again: compiles only what is older than its source.
#
#   SM_EDGE_TEST_PEERS   folder of the programs (default: ~/.cache/sm-edge/peers)
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
sources="$here/../test/support/libmodbus"
folder="${SM_EDGE_TEST_PEERS:-$HOME/.cache/sm-edge/peers}"
mkdir -p "$folder"

for name in server client; do
  program="$folder/libmodbus-$name"
  if [ ! -x "$program" ] || [ "$sources/$name.c" -nt "$program" ]; then
    # libmodbus's own macros overflow on purpose.
    # Into place by a rename: two test runs may compile at the same time.
    "${CC:-cc}" -O2 -Wall -Wextra -Wno-overflow -I/usr/include/modbus "$sources/$name.c" -lmodbus -o "$program.$$"
    mv "$program.$$" "$program"
  fi
done
printf '%s\n' "$folder"
