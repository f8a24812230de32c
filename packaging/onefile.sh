#!/bin/sh
# clearml-lean @VERSION@ with a Python of its own, in one file: any of the commands, by the name of this file (or of a link
# to it) or by the first argument. It unpacks itself once, into ~/.cache/clearml-lean (CLEARML_ONEFILE_DIR names another
# place), and needs sh, tar and gzip, and a C library no older than @LIBC@.
set -e
base=${CLEARML_ONEFILE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp/clearml-$(id -u)}/.cache}/clearml-lean}
place=$base/@ID@
if [ ! -e "$place/complete" ]; then
    mkdir -p "$base"
    new=$base/.@ID@.$$
    rm -rf "$new"
    mkdir -m 700 "$new"
    trap 'rm -rf "$new"' EXIT
    trap 'exit 143' INT TERM HUP
    if ! tail -c +@OFFSET@ "$0" | gzip -dc | tar -xf - -C "$new"; then
        echo "$0: cannot be unpacked into $base: is there room, and are tar and gzip there?" >&2
        exit 1
    fi
    : >"$new/complete"
    # Two that unpack at once: the later one's folder lands in the first one's, and goes.
    mv "$new" "$place" && rm -rf "$place/${new##*/}"
    trap - EXIT INT TERM HUP
fi
name=${0##*/}
case $name in
    clearml-*) exec "$place/bin/python3" -P -m clearml_sdk.cli "${name%%.*}" "$@" ;;
    *) exec "$place/bin/python3" -P -m clearml_sdk.cli "$@" ;;
esac
