#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The init script does what the LSB says, with the exit codes that it names:
# done with an instance of its own.
set -u

script=$builddir/etc/init.d/vodd
scratch=$(mktemp -d) || exit 99
instance=init-$$

# where vodd keeps the pid file, by who runs it
if [ "$(id -u)" = 0 ] || [ -w /run/vodd ]; then
	folder=/run/vodd
elif [ -O "${XDG_RUNTIME_DIR:-/nowhere}" ]; then
	folder=$XDG_RUNTIME_DIR/vodd
else
	folder=/tmp/vodd-$(id -u)
fi
pid_file=$folder/$instance.pid

defaults() {
	cat >"$scratch/defaults" <<-EOT
	DAEMON=$builddir/vodd
	INSTANCE=$instance
	PIDFILE=$pid_file
	OPTIONS="-c $scratch/vodd.conf -l 127.0.0.1:0 -w 1"
	EOT
}
mkdir "$scratch/media" && cp "$srcdir/media/sample.wmv" "$scratch/media/" &&
    chmod 755 "$scratch/media" && chmod 644 "$scratch/media/sample.wmv" ||
    exit 99
cat >"$scratch/vodd.conf" <<EOF2
media_root = "$scratch/media";
log_file = "$scratch/vodd.log";
EOF2
sed "s,^DEFAULTS=.*,DEFAULTS=$scratch/defaults," "$script" >"$scratch/vodd" ||
    exit 99
defaults

finish() {
	status=$?
	sh "$scratch/vodd" stop >/dev/null 2>&1
	[ $status = 0 ] || cat "$scratch/vodd.log" 2>/dev/null
	rm -rf "$scratch" "$folder/$instance".* "/dev/shm/vodd.$instance"
	exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# Nobody may have waited for a process that has ended: state Z.
alive() {
	case $(cat "/proc/$1/stat" 2>/dev/null) in
	"" | *") Z "*) return 1 ;;
	esac
}

# expect CODE ACTION WHY
expect() {
	sh "$scratch/vodd" "$2" </dev/null >"$scratch/out" 2>&1
	code=$?
	if [ $code != "$1" ]; then
		echo "FAILED: \"$2\" gave $code, not $1: $3; it said:"
		cat "$scratch/out"
		exit 1
	fi
	echo "ok: $2 gives $1: $3"
}

expect 3 status "it was never started"
expect 0 stop "there is nothing to stop"
expect 7 reload "there is nothing to reload"
expect 0 try-restart "there is nothing to restart"
expect 3 status "a try-restart starts nothing"
expect 0 start "it starts"
expect 0 status "it runs"
first=$(cat "$pid_file")
expect 0 start "it runs already"
[ "$(cat "$pid_file")" = "$first" ] ||
    { echo "FAILED: a second start made a second process"; exit 1; }
expect 0 reload "it reads its configuration"
expect 0 force-reload "it can reload"
[ "$(cat "$pid_file")" = "$first" ] ||
    { echo "FAILED: a reload replaced the master"; exit 1; }
echo 'no_such_setting = 1;' >>"$scratch/vodd.conf"
expect 6 reload "its configuration is wrong"
expect 0 status "a wrong configuration leaves it running"
sed -i '$d' "$scratch/vodd.conf"
expect 0 restart "it restarts"
expect 0 status "it runs after the restart"
second=$(cat "$pid_file")
[ "$second" != "$first" ] ||
    { echo "FAILED: a restart left the same process"; exit 1; }
! alive "$first" ||
    { echo "FAILED: the first process is still there"; exit 1; }

# Killed, it leaves its pid file behind, and workers that serve on.
kill_master() {
	killed=$(cat "$pid_file")
	kill -KILL "$killed"
	tries=0
	while alive "$killed" && [ $tries -lt 100 ]; do
		tries=$((tries + 1))
		sleep 0.05
	done
}
kill_master
expect 1 status "it is dead and its pid file is there"
expect 0 start "it starts over a dead one's pid file"
expect 0 status "it runs again"
kill_master
expect 0 stop "workers without a master stop"
expect 3 status "nothing is left of them"
[ ! -e "/dev/shm/vodd.$instance" ] ||
    { echo "FAILED: the table is still there"; exit 1; }
expect 0 start "it starts behind that"

# A viewer does not notice: through the death, and through the next start.
if [ "$PYTHON" != no ]; then
	port=$(sed -n 's/^listen .*://p' "${pid_file%.pid}.status")
	cat >"$scratch/again" <<-EOT
	kill -KILL \$(cat "$pid_file")
	sleep 0.3
	sh "$scratch/vodd" start
	EOT
	cat >"$scratch/play.vt" <<-EOT
	test "a viewer through kill -9 of the master and start"
	client c1 {
		open rtsp://127.0.0.1:$port/sample.wmv over tcp
		play 0-
		rtp at-least 5 within 3s
	}
	client c2 {
		open rtsp://127.0.0.1:$port/sample.wmv over udp
		play 0-
		rtp at-least 5 within 3s
	}
	run sh "$scratch/again" -> exit 0 ~ "started"
	client c1 {
		rtp 20 more within 3s, in sequence, same ssrc
	}
	client c2 {
		rtp 20 more within 3s, in sequence, same ssrc
	}
	EOT
	"$PYTHON" "$srcdir/t/vtplay" "$scratch/play.vt" || exit 1
fi
expect 0 status "it runs, with the workers of a new master"
expect 0 stop "it stops"
expect 3 status "it is stopped"
expect 2 nonsense "there is no such action"

sed -i "s,^DAEMON=.*,DAEMON=$scratch/missing," "$scratch/defaults"
expect 5 start "the program is not there"
