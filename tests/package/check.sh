#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh FOLDER [ROOT.tar]: installs the packages that the preset `package` left in FOLDER, each in a bare Debian 12 of
# its own, and completes a text with each. Needs root, and mmdebstrap and Debian's mirror to make ROOT.tar where it is not
# given; nothing is installed on this system.
set -eu
[ $# -ge 1 ] && [ $# -le 2 ] || { echo "usage: check.sh FOLDER [ROOT.tar]" >&2; exit 2; }
folder=$(cd "$1" && pwd)
deb=$(ls "$folder"/earlyout_*.deb)
archive=$(ls "$folder"/earlyout-*.tar.gz)
work=$(mktemp -d)
clean() {
    for root in "$work"/*/; do
        if mountpoint -q "$root/proc"; then umount "$root/proc"; fi
    done
    rm -rf --one-file-system "$work"
}
trap clean EXIT
bare=${2:-$work/root.tar}
[ $# -eq 2 ] || mmdebstrap --quiet --variant=minbase bookworm "$bare"

# unpack NAME: a bare root in $root, with the command "earlyout" nowhere.
unpack() {
    root="$work/$1"
    mkdir "$root"
    tar -C "$root" -xf "$bare" --exclude=./dev
    mkdir -p "$root/dev" && : >"$root/dev/null"
    mount -t proc proc "$root/proc"
    if chroot "$root" sh -c 'command -v earlyout' >/dev/null; then
        echo "check: expected a root without earlyout, found it there" >&2
        exit 1
    fi
}
# run PROGRAM: completes a text in $root, in the code for every processor and in that for this one.
run() {
    chroot "$root" "$1" --version
    for set in "--instruction-set sse2" ""; do
        # shellcheck disable=SC2086  # none, or an option and its value
        chroot "$root" "$1" $set complete --prompt 'import os' --max-new-tokens 8 --exact --quiet >>"$root/found"
    done
    cat "$root/found"
    [ "$(grep -c . "$root/found")" -ge 2 ]
}

unpack deb
cp "$deb" "$root/tmp/earlyout.deb"
chroot "$root" dpkg -i /tmp/earlyout.deb
run earlyout
chroot "$root" dpkg -r earlyout
! chroot "$root" sh -c 'command -v earlyout' >/dev/null

unpack archive
tar -C "$root/opt" -xf "$archive"
run "/opt/$(basename "$archive" .tar.gz)/bin/earlyout"
cmp "$work/deb/found" "$work/archive/found"
ls -l "$deb" "$archive"
