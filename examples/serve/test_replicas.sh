#!/bin/sh
# SPDX-License-Identifier: MIT
# sh test_replicas.sh REPLICA: runs haproxy.cfg in front of two replicas on this machine (REPLICA PORT NAME LOG starts
# one) and checks that prompts which begin alike go to the same one, that both are used, that a client which leaves
# cancels its request, and that a replica which dies is replaced. Exit status 77: HAProxy or curl is not installed.
set -eu
replica=$1
config=$(cd "$(dirname "$0")" && pwd)/haproxy.cfg
PATH=$PATH:/usr/sbin
for tool in haproxy curl; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: $tool is not installed"
        exit 77
    fi
done

work=$(mktemp -d)
children=""
clean_up() {
    for child in $children; do kill "$child" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

fail() {
    echo "failed: $*" >&2
    exit 1
}

# start NAME: a replica on a free port. Sets $port and $process.
start() {
    "$replica" 0 "$1" "$work/$1.log" >"$work/$1.port" &
    process=$!
    children="$children $process"
    for _ in $(seq 100); do
        [ ! -s "$work/$1.port" ] || break
        sleep 0.05
    done
    port=$(cat "$work/$1.port")
    [ -n "$port" ] || fail "$1 did not start"
}

start one
port_one=$port
process_one=$process
start two
port_two=$port
start front  # for a port that is free a moment later
port_front=$port
kill "$process"
wait "$process" || true

sed -e "s/127.0.0.1:8012/127.0.0.1:$port_front/" -e "s/127.0.0.1:8021/127.0.0.1:$port_one/" \
    -e "s/127.0.0.1:8022/127.0.0.1:$port_two/" "$config" >"$work/haproxy.cfg"
haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
children="$children $!"
url=http://127.0.0.1:$port_front

# ask PATH BODY: the name of the replica that answered.
ask() {
    curl --silent --show-error --fail --max-time 10 --data-binary "$2" "$url$1"
}
# infill PREFIX PROMPT: as llama.vim sends it.
infill() {
    ask /infill '{"id_slot":0,"input_prefix":"'"$1"'","input_suffix":"\n","input_extra":[],"prompt":"'"$2"'"}'
}
for _ in $(seq 100); do
    ask /health "" >/dev/null 2>&1 && break
    sleep 0.05
done
sleep 1.5  # both were found by their checks

# Equal beginnings, whatever follows them.
used=""
for file in 1 2 3 4 5 6 7 8 9 10 11 12; do
    beginning="# file $file\n$(printf '%0300d' 0)"
    first=$(infill "$beginning" "x")
    for typed in "x = " "x = f(" "return"; do
        [ "$(infill "$beginning$typed" "$typed")" = "$first" ] || fail "file $file: expected $first again"
    done
    [ "$(ask /completion "{\"prompt\":\"$beginning\"}")" = "$first" ] || fail "file $file: /completion went elsewhere"
    used="$used $first"
done
case $used in *one*two* | *two*one*) ;; *) fail "expected both replicas to be used, found:$used" ;; esac
echo "equal beginnings went to the same replica:$used"

# The chunks of other files come first in the prompt; a large body is searched as well.
filler=$(printf '%0100000d' 0)
used=""
for chunk in 1 2 3 4 5 6 7 8 9 10 11 12; do
    for typed in x y; do
        printf '%s' '{"input_prefix":"'"$chunk$typed$filler"'","input_suffix":"","input_extra":[{"text":"chunk '$chunk \
            '","time":1}],"prompt":"'$typed'"}' >"$work/$typed.json"
    done
    first=$(ask /infill "@$work/x.json")
    [ "$(ask /infill "@$work/y.json")" = "$first" ] || fail "chunk $chunk: expected $first again"
    used="$used $first"
done
case $used in *one*two* | *two*one*) ;; *) fail "large bodies: expected both replicas, found:$used" ;; esac

# A client that leaves cancels its request on the replica.
curl --silent --max-time 0.5 --data '{"prompt":"left alone"}' "$url/keep" && fail "expected no answer"
sleep 0.3
grep -h '"path":"/keep".*"cancelled":true' "$work/one.log" "$work/two.log" >/dev/null || fail "it was not cancelled"
echo "a client that left cancelled its request"

# A replica that dies is replaced, from the next request on.
kill -9 "$process_one"
for file in 1 2 3 4 5 6 7 8 9 10 11 12; do
    beginning="# file $file\n$(printf '%0300d' 0)"
    [ "$(infill "$beginning" "x")" = two ] || fail "file $file: expected two"
done
echo "a dead replica was replaced"
