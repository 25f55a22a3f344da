#!/bin/sh
# Compiles the .as files here (AssemblyScript) to src/features/kernels-wasm.ts. Needed only when one of them changes; a
# test says so. The compiler is fetched by npx for this one run: it is no dependency.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# The suffix .as keeps the source from TypeScript's own compiler, which does not know its types.
for part in kernels fft reductions; do cp "$here/$part.as" "$out/$part.ts"; done
cd "$out"
npx --yes --package assemblyscript@0.28.20 asc kernels.ts -O3 --noAssert --runtime stub --importMemory \
  --initialMemory 0 --enable simd --outFile kernels.wasm
node "$here/write.js" "$out/kernels.wasm"
