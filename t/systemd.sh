#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# systemd takes the unit as it is, with the program that was built, and finds
# nothing to say about it.
set -u

command -v systemd-analyze >/dev/null ||
    { echo "skipped: systemd-analyze is missing"; exit 77; }
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

sed -E "s,^(Exec[A-Za-z]*)=[^ ]*/vodd,\1=$builddir/vodd," \
    "$builddir/etc/systemd/vodd.service" >"$scratch/vodd.service" || exit 99
grep -qx "ExecStart=$builddir/vodd -f" "$scratch/vodd.service" ||
    { echo "FAILED: ExecStart is not as expected"; exit 1; }

# workers outlive their master, and what leads to them does too
for line in KillMode=process OOMPolicy=continue RuntimeDirectoryPreserve=yes \
    Restart=on-failure; do
	grep -qx "$line" "$scratch/vodd.service" ||
	    { echo "FAILED: $line is missing"; exit 1; }
done

systemd-analyze verify --man=no --generators=no "$scratch/vodd.service" \
    >"$scratch/said" 2>&1
result=$?
# it also speaks of other units of this machine
grep -F vodd.service "$scratch/said" && result=1
[ $result = 0 ] || { cat "$scratch/said"; exit 1; }
echo "ok: systemd-analyze verify"
