#!/bin/sh
# SPDX-License-Identifier: MIT
# The whole comparison with llama.cpp's server, meant to take under ten minutes on two quiet cores:
#   compare.sh EARLYOUT LLAMA_SERVER TEXT [FOLDER]
# EARLYOUT and LLAMA_SERVER are the two programs, TEXT a folder of Python files that neither model nor tokenizer has
# seen. The model and the results are kept in FOLDER (default: keystrokes). THREADS (2), PLACES (3), KEYS (12), SEED (1)
# and MIX (q4_k_m, or q8_0: every matrix in Q8_0) may be set in the environment.
set -eu
[ $# -ge 3 ] || { sed -n '3,8s/^# *//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
ours=$1 theirs=$2 text=$3 folder=${4:-keystrokes}
threads=${THREADS:-2}
mkdir -p "$folder"
mix=${MIX:-q4_k_m}
model=$folder/qwen05-$mix.gguf
[ -f "$model" ] || python3 "$here/make_model.py" "$model" --mix "$mix"

ours="$ours serve --model $model --threads $threads --port {port} --capacity 4096 --slots 1 --draft none"
theirs="$theirs -m $model -t $threads --port {port} -c 4096 -np 1"
type() {
    python3 "$here/keystrokes.py" --text "$text" --seed "${SEED:-1}" --verbose --chunks 2 \
        --server "ours=$ours --fim-order prefix-first" --server "llama.cpp=$theirs" \
        --server "ours-suffix=$ours --fim-order suffix-first" --server "llama.cpp-suffix=$theirs --spm-infill" \
        --compare llama.cpp/ours --compare llama.cpp/ours-suffix --compare llama.cpp-suffix/ours-suffix "$@"
}

uptime
echo "Every hint awaited, whole prompts:"
type --wait-for-hint --field t_max_prompt_ms=0 --places "${PLACES:-3}" --keys "${KEYS:-12}" \
    --json "$folder/awaited-$mix.json"
echo
echo "Five keys per second, as llama.vim asks:"
type --places "${PLACES:-3}" --keys "${KEYS:-12}" --json "$folder/typed-$mix.json"
uptime
