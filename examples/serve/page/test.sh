#!/bin/sh
# SPDX-License-Identifier: MIT
# sh test.sh EARLYOUT [FOLDER]: starts `EARLYOUT serve` with the bundled model on a free port and uses its page in a
# browser (test.mjs), which leaves screenshots in FOLDER. Exit status 77: Node.js, playwright-core or Chromium is not
# installed.
set -eu
earlyout=$1
page=$(cd "$(dirname "$0")" && pwd)
if ! command -v node >/dev/null; then
    echo "skipped: node is not installed"
    exit 77
fi
if [ -d "$page/node_modules/esbuild" ]; then
    node "$page/build.mjs" --check
fi

work=$(mktemp -d)
server=""
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

: >"$work/log"  # there before the server is
"$earlyout" serve --port 0 --model "$page/../../model" >"$work/log" 2>&1 &
server=$!
url=""
for _ in $(seq 200); do
    url=$(sed -n 's|.*earlyout serves \(http://[^;]*\);.*|\1|p' "$work/log")
    [ -z "$url" ] || break
    sleep 0.1
done
if [ -z "$url" ]; then
    echo "failed: the server did not start" >&2
    cat "$work/log" >&2
    exit 1
fi
status=0
node "$page/test.mjs" "$url/" ${2:+"$2"} || status=$?
exit "$status"
