#!/bin/sh
# SPDX-License-Identifier: MIT
# sh run.sh LLAMA_CPP EARLYOUT: runs the tests of llama.cpp's server, in a folder with llama.cpp's sources, on the
# command `earlyout`. It needs pytest and requests. Exit status: pytest's; conformance.md says which tests fail and why.
set -eu
tests=$1/tools/server/tests/unit
earlyout=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in basic completion infill tokenize ignore_eos security; do
    cp "$tests/test_$name.py" "$work"
done
cp "$here"/*.py "$work"
python3 "$here/../make_fim_model.py" "$work/model" 150 # slow enough to be seen at work
cd "$work"
# Of test_security what concerns keys: the rest is about pages, images and origins.
EARLYOUT=$earlyout FIM_MODEL=$work/model python3 -m pytest -q --tb=line -p no:cacheprovider \
    -k "not security or public or correct"
