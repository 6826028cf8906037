#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The init scripts of vodagent and vodbalance: done, with the LSB's exit codes.
set -u

scratch=$(mktemp -d) || exit 99
command -v start-stop-daemon >/dev/null || {
	echo "start-stop-daemon is not here"
	exit 77
}

finish() {
	status=$?
	for name in vodagent vodbalance; do
		sh "$scratch/$name" stop >/dev/null 2>&1
	done
	rm -rf "$scratch"
	exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# expect NAME CODE ACTION WHY
expect() {
	sh "$scratch/$1" "$3" </dev/null >"$scratch/out" 2>&1
	code=$?
	[ $code = "$2" ] && return
	echo "FAILED: $1 $3, $4: exit status $code, not $2"
	cat "$scratch/out"
	exit 1
}

# prepare NAME OPTIONS
prepare() {
	cat >"$scratch/$1.defaults" <<-EOT
	DAEMON=$builddir/$1
	PIDFILE=$scratch/$1.pid
	OPTIONS="$2"
	EOT
	sed "s,^DEFAULTS=.*,DEFAULTS=$scratch/$1.defaults," \
	    "$builddir/etc/init.d/$1" >"$scratch/$1" || exit 99
}

# perform NAME WRONG-OPTION
perform() {
	expect "$1" 3 status "nothing runs"
	expect "$1" 0 stop "nothing runs"
	expect "$1" 0 start "it starts"
	expect "$1" 0 status "it runs"
	before=$(cat "$scratch/$1.pid")
	expect "$1" 0 start "it runs already"
	[ "$before" = "$(cat "$scratch/$1.pid")" ] || {
		echo "FAILED: $1: started twice"
		exit 1
	}
	expect "$1" 0 restart "it runs"
	[ "$before" != "$(cat "$scratch/$1.pid")" ] || {
		echo "FAILED: $1: the old one goes on"
		exit 1
	}
	expect "$1" 0 status "restarted"
	expect "$1" 0 stop "it runs"
	expect "$1" 3 status "it was stopped"
	expect "$1" 2 dance "no such action"
	prepare "$1" "$2"
	expect "$1" 6 start "configured wrongly"
	grep -q "no_such_setting" "$scratch/out" || {
		echo "FAILED: $1: nothing says what is wrong"
		cat "$scratch/out"
		exit 1
	}
	expect "$1" 3 status "it did not start"
	echo "ok: $1"
}

if [ -x "$builddir/vodagent" ]; then
	prepare vodagent "-n init-$$ -l 127.0.0.1:0 -H 127.0.0.1:0 \
		-o capacity=1Gbit/s -o user=$(id -un)"
	perform vodagent "-o no_such_setting=1"
fi
if [ "$(id -u)" = 0 ]; then
	prepare vodbalance "-s tcp:127.0.0.100:554 -o user=root \
		-o state=$scratch/state"
	perform vodbalance "-o no_such_setting=1"
else
	echo "vodbalance needs root: left out"
fi
