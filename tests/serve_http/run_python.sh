#!/bin/sh
# SPDX-License-Identifier: MIT
# sh run_python.sh SCRIPT ARGUMENTS...: runs a test that needs python3, 3.8 or later. Exit status 77: there is none.
set -eu
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
    echo "skipped: python3 is not installed, or older than 3.8"
    exit 77
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 "$@"
