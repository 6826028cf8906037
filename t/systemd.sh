#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# systemd takes the units as they are, with the programs that were built, and
# finds nothing to say about them.
set -u
: "${builddir:?is set by make check}"

command -v systemd-analyze >/dev/null ||
    { echo "skipped: systemd-analyze is missing"; exit 77; }
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

for program in vodd vodagent vodbalance; do
	unit=$program.service
	[ -e "$builddir/etc/systemd/$unit" ] ||
	    { echo "left out: $unit is not built"; continue; }
	sed -E "s,^(Exec[A-Za-z]*)=[^ ]*/$program,\1=$builddir/$program," \
	    "$builddir/etc/systemd/$unit" >"$scratch/$unit" || exit 99
	grep -qx "ExecStart=$builddir/$program -f" "$scratch/$unit" ||
	    { echo "FAILED: ExecStart of $unit is not as expected"; exit 1; }
	systemd-analyze verify --man=no --generators=no "$scratch/$unit" \
	    >"$scratch/said" 2>&1
	result=$?
	# it also speaks of other units of this machine
	grep -F "$unit" "$scratch/said" && result=1
	[ $result = 0 ] || { cat "$scratch/said"; exit 1; }
	echo "ok: systemd-analyze verify $unit"
done

# workers outlive their master, and what leads to them does too
for line in KillMode=process OOMPolicy=continue RuntimeDirectoryPreserve=yes \
    Restart=on-failure; do
	grep -qx "$line" "$scratch/vodd.service" ||
	    { echo "FAILED: $line is missing"; exit 1; }
done
# ipvsadm needs it, and nothing more
for line in AmbientCapabilities=CAP_NET_ADMIN \
    CapabilityBoundingSet=CAP_NET_ADMIN StateDirectory=vodbalance; do
	grep -qx "$line" "$scratch/vodbalance.service" ||
	    { echo "FAILED: $line is missing"; exit 1; }
done
