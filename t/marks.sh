#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The marks of contrib/setup-director by nft, in a network namespace: this
# kernel's nft takes them, a second run leaves them alone, other nodes replace
# them, --undo leaves nothing.  With iptables t/cluster/setup.py shows it.
set -u

if [ "${1-}" != inside ]; then
	PATH=$PATH:/usr/sbin:/sbin
	command -v nft >/dev/null ||
	    { echo "skipped: nft is missing"; exit 77; }
	own=(unshare --net)
	[ "$(id -u)" = 0 ] || own=(unshare --map-root-user --net)
	"${own[@]}" true ||
	    { echo "skipped: no network namespace of its own"; exit 77; }
	scratch=$(mktemp -d) || exit 99
	trap 'rm -rf "$scratch"' EXIT
	# there may be no IPVS here: it says that all is well, or nothing
	# shellcheck disable=SC2016
	for word in ipvsadm sysctl; do
		printf '#!/bin/sh\n[ "$2" != --timeout ] || echo ": 900 30 300"\n' \
		    >"$scratch/$word"
		chmod +x "$scratch/$word"
	done
	PATH=$scratch:$PATH "${own[@]}" bash "$0" inside "$scratch"
	exit
fi

scratch=$2
director=${srcdir:?}/contrib/setup-director
vip=192.0.2.100
table=vodd_192_0_2_100

nft -c add table ip vodd 2>"$scratch/problem" ||
    { echo "skipped: $(head -n 1 "$scratch/problem")"; exit 77; }
ip link set lo up || exit 99

fail() {
	echo "FAILED: $*"
	cat "$scratch/said"
	nft list ruleset
	exit 1
}

# run WORD...: what it says is in $scratch/said
run() {
	bash "$director" --interface lo "$@" >"$scratch/said" 2>&1 ||
	    fail "setup-director $*: exit $?"
}

# marks FIRST-LAST=MARK...: the kernel has these and no others.  0 is none.
marks() {
	local have
	have=$(nft -n list table ip "$table" |
	    sed -n 's/.*udp dport \([0-9-]*\) .*mark set \(0x[0-9a-f]*\) .*/\1 \2/p' |
	    while read -r range mark; do echo "$range=$((mark))"; done)
	[ "$have" = "$(printf '%s\n' "$@")" ] || fail "marks are $have"
	nft list table ip "$table" | grep -q '^[[:space:]]*drop$' || fail "nothing is dropped"
}

run --dry-run $vip 192.0.2.11=40000-40099
[ -z "$(nft list ruleset)" ] || fail "a dry run changes something"
run $vip 192.0.2.11=40000-40099 192.0.2.12=40100-40199
marks 40000-40099=40000 40100-40199=40100
run $vip 192.0.2.11=40000-40099 192.0.2.12=40100-40199
! grep -q 'nft\|table' "$scratch/said" || fail "the second time it is made anew"
echo "ok: nft takes the marks of two nodes, once"
run $vip 192.0.2.12=40100-40199 192.0.2.13=40200-40299
marks 40100-40199=40100 40200-40299=40200
echo "ok: other nodes, other marks"
run --undo $vip
[ -z "$(nft list ruleset)" ] || fail "--undo leaves something"
run --undo $vip
echo "ok: --undo leaves nothing"
