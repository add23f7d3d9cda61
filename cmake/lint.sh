#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs clang-tidy-16 (.clang-tidy) over sources of this repository.
#
#     cmake/lint.sh [-p BUILD] [-t SECONDS] [--all | --changed [COMMIT] | FILE...]
#
# BUILD holds compile_commands.json, by default build/lint, which is configured when it is not there. --changed, the
# default, takes what differs from COMMIT: left out, the commit at which the branch left main, on main the one before.
# A history too short for that is no error. After SECONDS no further file is begun, and the rest is named.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/lint
limit=0
while getopts p:t:-: option; do
    case $option in
        p) build=$OPTARG ;;
        t) limit=$OPTARG ;;
        -) OPTIND=$((OPTIND - 1)) && break ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

# The commit to compare with, or nothing.
base_of_branch() {
    local head at
    head=$(git rev-parse HEAD)
    for branch in origin/main main; do
        at=$(git merge-base HEAD "$branch" 2>/dev/null) || continue
        [ "$at" = "$head" ] || { echo "$at" && return; }
    done
    git rev-parse --verify --quiet HEAD~1 || true
}

only_these=  # of --changed: not what else they include
files=()
case ${1:---changed} in
    --all) mapfile -t files < <(git ls-files 'examples/*.cpp' 'benchmarks/*.cpp' 'tests/*.cpp') ;;
    --changed)
        only_these=--header-filter='^$'
        base=${2:-$(base_of_branch)}
        if ! git rev-parse --verify --quiet "$base^{commit}" >/dev/null; then
            echo "lint: the history does not go back far enough to say what changed"
            exit 0
        fi
        mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- '*.hpp' '*.cpp')
        ;;
    *) files=("$@") ;;
esac
# These must not compile, or are compiled with flags of their own; cmake/compiled/ is the headers once more.
mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -Ev '^$|^cmake/compiled/|^tests/(compile_fail|consumer|includes)/|^examples/model/recipe/' || true)
if [ ${#files[@]} -eq 0 ]; then
    echo "lint: no source changed"
    exit 0
fi

if [ ! -e "$build/compile_commands.json" ]; then
    cmake --preset clang -B "$build" --log-level=WARNING >/dev/null
fi

lint_one() {
    if [ "$limit" -ne 0 ] && [ $(($(date +%s) - start)) -ge "$limit" ]; then
        echo "lint: no time left for $1"
        return
    fi
    clang-tidy-16 --quiet ${only_these:+"$only_these"} -p "$build" "$1" 2> >(grep -Ev '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -h' >&2 || true)
}
export -f lint_one
export build limit only_these
start=$(date +%s)
export start
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'lint_one "$1"' lint
echo "lint: ${#files[@]} files"
