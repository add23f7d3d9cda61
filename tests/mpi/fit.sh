#!/bin/sh
# SPDX-License-Identifier: MIT
# fit.sh SOURCE_DIR EARLYOUT_MPI MPIRUN... -n: one, two and five processes write the same exits and find the same
# policies; a process that is killed ends the run with a sentence and leaves no file.
set -eu
source=$1
command=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$source/examples/model" "$work/model"
rm -f "$work/model/exits.safetensors"
cd "$work"

fit() {
    processes=$1
    shift
    "$run" "$@" "$processes" "$command" fit --model model --text "$source/benchmarks" "$source/examples" --tokens 60000 \
        --samples 30 --gates agreement --more-gates margin --kv defer --confidence 0 --loss 0.2 --threads 1 --quiet \
        $costs --out "exits.$processes.safetensors"
}
run=$1
shift
# The costs are measured once: they are what differs from run to run.
costs=
fit 1 "$@"
mv exits.1.safetensors costs.safetensors
costs="--costs costs.safetensors"
for processes in 1 2 5; do
    fit "$processes" "$@"
    [ -s "exits.$processes.safetensors" ] || { echo "expected exits of $processes processes, found none"; exit 1; }
done
for processes in 2 5; do
    cmp exits.1.safetensors "exits.$processes.safetensors"
done

# Of an evaluation everything but seconds and what follows from them.
evaluate() {
    "$run" "$@" "$command" evaluate --model model --exits exits.1.safetensors --text "$source/benchmarks" \
        --tokens 20000 --samples 20 --policy 'margin(0.3) @ 2; cache=defer' --json |
        sed 's/"lacks".*//' |
        grep -o '"\(right\|agrees\|cross_entropy\|rouge_l_loss\|agreement\|layers_skipped\|exit_histogram\)":[^}"]*'
}
evaluate "$@" 1 >one.txt
evaluate "$@" 3 >three.txt
[ "$(wc -l <one.txt)" -ge 20 ] || { echo "expected an evaluation, found:"; cat one.txt; exit 1; }
cmp one.txt three.txt

# One of three is killed while they work.
"$run" "$@" 3 "$command" fit --model model --text "$source/benchmarks" "$source/examples" --tokens 60000 --samples 3000 \
    --threads 1 --quiet --out killed.safetensors >killed.log 2>&1 &
mpirun=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    sleep 0.5
    victim=$(pgrep -f -- "--out killed.safetensors" | while read -r pid; do
        [ "$pid" = "$mpirun" ] || [ "$(readlink "/proc/$pid/exe")" != "$(readlink -f "$command")" ] || echo "$pid"
    done | tail -n 1)
    [ -z "$victim" ] || break
done
[ -n "$victim" ] || { echo "expected three processes, found none"; cat killed.log; exit 1; }
sleep 1
kill -9 "$victim"
if wait "$mpirun"; then
    echo "expected a failed run, found status 0"
    exit 1
fi
[ "$(ls | grep -c killed.safetensors || true)" -eq 0 ] || { echo "expected no file, found $(ls)"; exit 1; }
grep -qi "signal 9\|died\|killed" killed.log || { echo "expected a sentence about the death, found:"; cat killed.log; exit 1; }
echo "equal on 1, 2 and 5 processes; nothing is left of a killed run"
