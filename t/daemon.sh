#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vodd as a daemon: starts, refuses, reloads, heals, stops.  As root also what
# the processes are allowed to do.
set -u
umask 022

[ "$PYTHON" != no ] || { echo "skipped: python3 is missing"; exit 77; }

vodd=$builddir/vodd
scratch=$(mktemp -d) || exit 99
chmod 755 "$scratch"
name=daemon-$$
root=false
[ "$(id -u)" = 0 ] && root=true

# where vodd keeps the pid file, by who runs it
if $root || [ -w /run/vodd ]; then
	folder=/run/vodd
elif [ -O "${XDG_RUNTIME_DIR:-/nowhere}" ]; then
	folder=$XDG_RUNTIME_DIR/vodd
else
	folder=/tmp/vodd-$(id -u)
fi
pid_file=$folder/$name.pid
status_file=$folder/$name.status

mkdir "$scratch/media"
cat >"$scratch/vodd.conf" <<EOT
media_root = "$scratch/media";
log_file = "$scratch/vodd.log";
max_sessions = 100;
EOT

finish() {
	code=$?
	if [ -s "$pid_file" ]; then
		# its workers would serve on without it
		# shellcheck disable=SC2046
		kill -KILL "$(master)" $(workers) 2>/dev/null
		"$vodd" -n "$name" -s stop >/dev/null 2>&1
	fi
	rm -f "$folder/$name".* "/dev/shm/vodd.$name"
	[ $code = 0 ] || [ ! -s "$scratch/vodd.log" ] || {
		echo "the log:"
		cat "$scratch/vodd.log"
	}
	rm -rf "$scratch"
	exit "$code"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

fail() {
	echo "FAILED: $*"
	[ ! -s "$scratch/out" ] || { echo "it said:"; cat "$scratch/out"; }
	exit 1
}

# until 'COMMAND' WHAT: it becomes true within 15 s
until_true() {
	tries=0
	until eval "$1"; do
		tries=$((tries + 1))
		[ $tries -le 300 ] || fail "not within 15 s: $2"
		sleep 0.05
	done
}

# expect CODE TEXT WHAT COMMAND...: ends with CODE, and says TEXT
expect() {
	wanted=$1 text=$2 what=$3
	shift 3
	"$@" </dev/null >"$scratch/out" 2>&1
	code=$?
	[ $code = "$wanted" ] || fail "$what: exit status $code, not $wanted"
	[ -z "$text" ] || grep -qF -e "$text" "$scratch/out" ||
	    fail "$what: does not say \"$text\""
	echo "ok: $what"
}

start() {
	"$vodd" -n "$name" -c "$scratch/vodd.conf" -w 2 "$@"
}

master() {
	cat "$pid_file"
}

# processes that are such: worker, or spare, who waits for a worker's death
children() {
	for child in $(cat "/proc/$(master)/task/$(master)/children"); do
		case $(cat "/proc/$child/comm" 2>/dev/null) in
		"vodd $1"*) printf '%s ' "$child" ;;
		esac
	done
}

workers() {
	children worker
}

# nth worker's process
worker() {
	workers | cut -d ' ' -f "$1"
}

two_workers() {
	# shellcheck disable=SC2046
	set -- $(workers)
	[ $# = 2 ]
}

two_spares() {
	# shellcheck disable=SC2046
	set -- $(children spare)
	[ $# = 2 ]
}

status() {
	sed -n "s/^$1 //p" "$status_file"
}

# a process that ended; one that nobody has waited for yet too
gone() {
	[ ! -e "/proc/$1" ] || grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status"
}

# what the descriptors of a process lead to
held() {
	for fd in "/proc/$1/fd"/*; do
		readlink "$fd"
	done
}

common_sockets() {
	{ held "$(worker 1)" | sort -u; held "$(worker 2)" | sort -u; } |
	    grep '^socket:' | sort | uniq -d | wc -l
}

# answers OPTIONS at PORT [HOST]
answers() {
	"$PYTHON" - "$1" "${2:-127.0.0.1}" <<-'EOP'
	import socket, sys
	with socket.create_connection((sys.argv[2], int(sys.argv[1])), 5) as c:
	    c.settimeout(5)
	    c.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
	    sys.exit(not c.recv(100).startswith(b"RTSP/1.0 200"))
	EOP
}

# --- options and settings -------------------------------------------------------
expect 0 "vodd " "the version is printed" "$vodd" -V
expect 0 "usage: vodd" "the options are printed" "$vodd" -h
expect 2 "-x" "an unknown option is wrong use" "$vodd" -x
expect 2 "-n a/b" "a bad instance name is wrong use" "$vodd" -n a/b
expect 2 "-s jump" "an unknown order is wrong use" "$vodd" -s jump
expect 2 "-l here" "an address with a name is wrong use" "$vodd" -l here
expect 2 "$scratch/none" "a file named by -c must exist" \
    "$vodd" -t -c "$scratch/none"
printf 'udp = true;\nworkers = 65;\n' >"$scratch/wrong.conf"
expect 2 "$scratch/wrong.conf:2:" "a wrong value is refused with its line" \
    "$vodd" -t -c "$scratch/wrong.conf"
expect 2 "max_sessions" "a wrong -o is refused" \
    "$vodd" -t -r "$scratch/media" -c "$scratch/vodd.conf" -o max_sessions=-1
expect 0 "TCP 8554 in" "-t names the RTSP port" \
    start -t -l 127.0.0.1:8554
expect 0 "set rtp_ports" "-t says that the UDP ports are the kernel's" \
    start -t
expect 0 "UDP 40000-40009 out" "-t names the UDP ports" \
    start -t -o rtp_ports=40000-40009
expect 0 "about " "-t tells the table's size" start -t
expect 1 "-r" "-t notices that the media root is missing" \
    start -t -r "$scratch/none"
expect 1 "-r" "without media root the error names -r" \
    start -r "$scratch/none" -l 127.0.0.1:0
expect 1 "no instance $name is running" "nothing runs yet" \
    "$vodd" -n "$name" -s stop

# --- start ----------------------------------------------------------------------
start -f -l 127.0.0.1:0 >/dev/null 2>&1 &
early=$!
until_true '[ -s "$pid_file" ] && [ -s "$status_file" ]' "a master"
expect 0 "nothing to apply" "a reload waits for a start" \
    "$vodd" -n "$name" -s reload
expect 0 "" "and so it stops" "$vodd" -n "$name" -s stop
wait "$early"

expect 0 "" "it starts" start -l 127.0.0.1:0
[ -s "$pid_file" ] || fail "no pid file $pid_file"
[ "$(status state)" = serving ] || fail "it does not serve"
listen=$(status listen)
port=${listen##*:}
until_true two_workers "two workers"
answers "$port" || fail "no answer at $listen"
echo "ok: it serves at $listen when the start returns"
[ -e "/dev/shm/vodd.$name" ] || fail "no session table"
[ "$(stat -c %a "/dev/shm/vodd.$name")" = 640 ] || fail "the table's mode"

expect 1 "running already, pid $(master)" "a second start is refused" \
    start -l 127.0.0.1:0
"$vodd" -n "$name-b" -c "$scratch/vodd.conf" -l "$listen" -w 1 \
    >"$scratch/out" 2>&1 && fail "two instances at one port"
grep -q -e "-l" "$scratch/out" || fail "a taken port: -l is not named"
echo "ok: a taken port is refused, naming -l"
rm -f "$folder/$name-b".*

held "$(worker 1)" | grep -q "$name.pid" && fail "a worker holds the pid file"
# What both hold is the listener: no worker holds a UDP port or the channel of
# the other.
[ "$(common_sockets)" = 1 ] || fail "workers share $(common_sockets) sockets"
[ "$(readlink "/proc/$(master)/fd/0")" = /dev/null ] ||
    fail "standard input is not /dev/null"
[ "$(readlink "/proc/$(master)/cwd")" = / ] || fail "its folder is not /"
echo "ok: the daemon keeps neither streams nor folder"

# --- reload ---------------------------------------------------------------------
before=$(workers)
expect 0 "nothing to apply" "a reload without changes changes nothing" \
    "$vodd" -n "$name" -s reload
[ "$(workers)" = "$before" ] || fail "workers were replaced for nothing"
echo 'log_level = "debug";' >>"$scratch/vodd.conf"
expect 0 "sessions go on" "the log level changes at once" \
    "$vodd" -n "$name" -s reload
[ "$(workers)" = "$before" ] || fail "workers were replaced for the log level"
[ "$(status generation)" = 2 ] || fail "the generation is not 2"

echo 'max_sessions = many;' >>"$scratch/vodd.conf"
expect 1 "$scratch/vodd.conf:5:" "a wrong file is refused with its line" \
    "$vodd" -n "$name" -s reload
sed -i '$d' "$scratch/vodd.conf"
[ "$(workers)" = "$before" ] || fail "a refused reload replaced workers"
answers "$port" || fail "no answer after a refused reload"

echo 'send_ahead = "20 ms";' >>"$scratch/vodd.conf"
expect 0 "send_ahead" "what workers live by replaces them" \
    "$vodd" -n "$name" -s reload
two_workers || fail "not two workers after a reload"
for pid in $before; do
	gone "$pid" || fail "worker $pid was not replaced"
done
answers "$port" || fail "no answer after a reload"
[ "$(status generation)" = 3 ] || fail "the generation is not 3"

sed -i 's/^max_sessions.*/max_sessions = 401;/' "$scratch/vodd.conf"
expect 0 "needs a restart: max_sessions" "what the table has no room for is named" \
    "$vodd" -n "$name" -s reload
before=$(workers)
expect 0 "needs a restart: max_sessions" "and named again" \
    "$vodd" -n "$name" -s reload
[ "$(workers)" = "$before" ] || fail "workers were replaced for nothing"
sed -i 's/^max_sessions.*/max_sessions = 400;/' "$scratch/vodd.conf"
expect 0 "max_sessions" "what it has room for is applied" \
    "$vodd" -n "$name" -s reload
grep -q restart "$scratch/out" && fail "a restart is asked for"

# No worker can be born: its threads have no room.
limit_memory() {
	"$PYTHON" - "$(master)" "$1" <<-'EOP'
	import re, resource, sys
	pid = int(sys.argv[1])
	size = re.search(r"VmSize:\s+(\d+)", open("/proc/%d/status" % pid).read())
	limit = int(size.group(1)) * 1024 + 2 ** 20
	if sys.argv[2] == "off":
	    limit = resource.RLIM_INFINITY
	resource.prlimit(pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
	EOP
}
# A sanitizer needs all the room that there is.
if ! grep -q __asan_init "$vodd"; then
	before=$(workers)
	generation=$(status generation)
	limit_memory on
	sed -i 's/^max_sessions.*/max_sessions = 99;/' "$scratch/vodd.conf"
	expect 1 "no worker comes up with it" "a reload that workers die of is refused" \
	    "$vodd" -n "$name" -s reload
	[ "$(workers)" = "$before" ] || fail "workers were replaced"
	[ "$(status generation)" = "$generation" ] || fail "it counts as a reload"
	answers "$port" || fail "no answer after a reload that failed"
	limit_memory off
	expect 0 "max_sessions" "and goes through when they live" \
	    "$vodd" -n "$name" -s reload
	[ "$(workers)" != "$before" ] || fail "workers were not replaced"
fi

# --- the log --------------------------------------------------------------------
mv "$scratch/vodd.log" "$scratch/vodd.log.1"
kill -USR1 "$(master)"
until_true 'grep -q reopened "$scratch/vodd.log" 2>/dev/null' "a new log"
for pid in $(workers); do
	until_true 'held "$pid" | grep -q "$scratch/vodd.log$"' \
	    "worker $pid writes to the new log"
	held "$pid" | grep -q 'vodd.log.1$' &&
	    fail "worker $pid keeps the old log"
done
echo "ok: master and workers follow a rotated log"

# --- workers die, or hang -------------------------------------------------------
# 20 connections go on behind the deaths of PIDS.
connections_go_on() {
	"$PYTHON" - "$port" "$@" <<-'EOP'
	import os, signal, socket, sys
	def ask(c):
	    c.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
	    reply = b""
	    while not reply.endswith(b"\r\n\r\n"):
	        more = c.recv(4096)
	        if not more:
	            sys.exit("a connection has ended")
	        reply += more
	connections = []
	for _ in range(20):
	    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
	    c.settimeout(10)
	    ask(c)
	    connections.append(c)
	for pid in sys.argv[2:]:
	    os.kill(int(pid), signal.SIGKILL)
	for c in connections:
	    ask(c)
	EOP
}
# shellcheck disable=SC2046
connections_go_on $(workers) || fail "connections end with their workers"
until_true two_workers "successors"
echo "ok: connections of killed workers go on"

until_true two_spares "each worker has a spare"
before=$(workers)
spares=$(children spare)
killed=$(worker 1)
kill -KILL "$killed"
until_true 'two_workers && [ "$(workers)" != "$before" ]' "a successor"
for pid in $(workers); do
	case " $before$spares" in
	*" $pid "*) ;;
	*) fail "no spare took over" ;;
	esac
done
answers "$port" || fail "no answer after a worker's death"
grep -q "worker died.*pid=$killed.*KILL" "$scratch/vodd.log" ||
    fail "the death is not logged"
echo "ok: a killed worker is replaced, by a spare"
until_true two_spares "another spare is made"
spares=$(children spare)
kill -KILL "${spares%% *}"
until_true 'two_spares && [ "$(children spare)" != "$spares" ]' \
    "a killed spare is replaced"
spares=$(children spare)

sed -i '/send_ahead/d' "$scratch/vodd.conf"
echo 'stall_timeout = "1 s";' >>"$scratch/vodd.conf"
"$vodd" -n "$name" -s reload >/dev/null || fail "reload"
for pid in $spares; do
	until_true 'gone "$pid"' "spares go with what they were born with"
done
until_true two_spares "spares behind a reload"
echo "ok: spares are replaced"
hanging=$(worker 1)
kill -STOP "$hanging"
until_true 'gone "$hanging" && two_workers' "a hanging worker is replaced"
grep -q "worker hangs.*pid=$hanging" "$scratch/vodd.log" ||
    fail "the hang is not logged"
echo "ok: a hanging worker is killed and replaced"

# --- the master dies ------------------------------------------------------------
until_true two_spares "spares before the master dies"
before=$(workers)
spares=$(children spare)
killed=$(master)
kill -KILL "$killed"
until_true 'gone "$killed"' "the master is gone"
for pid in $spares; do
	until_true 'gone "$pid"' "a spare ends with its master"
done
for pid in $before; do
	gone "$pid" && fail "worker $pid has ended with its master"
done
answers "$port" || fail "no answer without a master"
for n in 1 2 3 4; do
	{ start -l 127.0.0.1:0 >"$scratch/start$n" 2>&1
	    echo $? >>"$scratch/start$n"; } &
done
wait
[ "$(cat "$scratch"/start? | grep -cx 0)" = 1 ] ||
    fail "of four starts at once not one wins: $(cat "$scratch"/start?)"
[ "$(cat "$scratch"/start? | grep -c "running already")" = 3 ] ||
    fail "the other three do not say why: $(cat "$scratch"/start?)"
for pid in $before; do
	until_true 'gone "$pid"' "worker $pid is replaced"
done
two_workers || fail "not two workers after a takeover"
answers "$port" || fail "no answer after a takeover"
echo "ok: of four starts at once one takes over"

before=$(workers)
killed=$(master)
kill -KILL "$killed"
until_true 'gone "$killed"' "the master is gone"
for pid in $before; do
	kill -KILL "$pid"
done
[ -s "$pid_file" ] || fail "the dead master's pid file is gone"
expect 1 "no instance $name is running" "a dead master's pid file is seen through" \
    "$vodd" -n "$name" -s stop
expect 0 "" "it starts over what a dead master left" start -l 127.0.0.1:0
[ "$(master)" != "$killed" ] || fail "the old pid file stands"

# --- another program -------------------------------------------------------------
"$vodd" -n "$name" -s stop >/dev/null || fail "it does not stop"
mkdir "$scratch/program"
cp "$vodd" "$scratch/program/vodd"
(cd "$scratch" && program/vodd -n "$name" -c vodd.conf -r media -w 2 \
    -l 127.0.0.1:0) || fail "start by relative names"
listen=$(status listen)
pid=$(master)
before=$(workers)
rm "$scratch/program/vodd"
expect 1 "cannot be run" "an upgrade to nothing is refused" \
    "$vodd" -n "$name" -s upgrade
[ "$(workers)" = "$before" ] || fail "a refused upgrade replaced workers"
cp "$vodd" "$scratch/program/vodd"
expect 0 "upgraded" "an upgrade goes through" "$vodd" -n "$name" -s upgrade
[ "$(master)" = "$pid" ] || fail "the master is another process"
[ "$(status listen)" = "$listen" ] || fail "it listens at another port"
answers "${listen##*:}" || fail "no answer after an upgrade"
until_true two_spares "spares behind an upgrade"
held "$pid" | grep -q "deleted" && fail "the old program is held"
readlink "/proc/$pid/exe" | grep -q deleted && fail "it is the old program"
for pid in $before; do
	gone "$pid" || fail "worker $pid was not replaced"
done
[ "$(readlink "/proc/$(master)/cwd")" = / ] || fail "its folder is not /"
grep -q "upgraded to" "$scratch/vodd.log" ||
    fail "the log does not go on"
echo 'no_such_setting = 1;' >>"$scratch/vodd.conf"
expect 1 "no_such_setting" "an upgrade with wrong settings is refused" \
    "$vodd" -n "$name" -s upgrade
sed -i '$d' "$scratch/vodd.conf"

# --- stop -----------------------------------------------------------------------
all="$(master) $(workers)"
expect 0 "has stopped" "it is stopped" "$vodd" -n "$name" -s stop
for pid in $all; do
	gone "$pid" || fail "process $pid is left"
done
for left in "$pid_file" "$status_file" "/dev/shm/vodd.$name"; do
	[ ! -e "$left" ] || fail "$left is left"
done
echo "ok: nothing is left of it"

start -l 127.0.0.1:0 -o drain_grace=0 || fail "third start"
expect 0 "drains" "it is drained" "$vodd" -n "$name" -s drain
[ "$(status state)" = draining ] || fail "it does not drain"
expect 0 "serves" "that is taken back" "$vodd" -n "$name" -s undrain
[ "$(status state)" = serving ] || fail "it does not serve"
all="$(master) $(workers)"
kill -QUIT "$(master)"
for pid in $all; do
	until_true 'gone "$pid"' "drained without sessions it stops"
done
[ ! -e "$pid_file" ] || fail "$pid_file is left"
echo "ok: drained it stops"

# --- what needs root, or needs not to be root -------------------------------------
# Run as nobody; the program's folder may be closed to that user.
as_nobody() {
	"$PYTHON" - "$@" <<-'EOP'
	import os, sys
	if os.getuid() == 0:
	    os.setgroups([])
	    os.setgid(65534)
	    os.setuid(65534)
	os.environ.pop("XDG_RUNTIME_DIR", None)
	os.execv(sys.argv[1], sys.argv[1:])
	EOP
}

if as_nobody "$vodd" -V >/dev/null 2>&1; then
	first=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null ||
	    echo 1024)
	if [ "$first" -gt 554 ]; then
		expect 1 "-l" "without the right to port 554 the error names -l" \
		    as_nobody "$vodd" -f -n "$name-n" -c "$scratch/vodd.conf" \
		    -w 1 -l 127.0.0.1:554
	fi
	expect 0 "max_sessions is lowered from 4000" \
	    "too few descriptors lower max_sessions" \
	    sh -c 'ulimit -n 300 && "$@"' sh "$PYTHON" -c '
import os, sys
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
os.execv(sys.argv[1], sys.argv[1:])' "$vodd" -t -r "$scratch/media" \
	    -l 127.0.0.1:0 -w 2 -c "$scratch/vodd.conf" -o max_sessions=4000
fi

if $root; then
	mkdir -m 700 "$scratch/closed"
	mkdir -m 755 "$scratch/closed/media"
	cp "$srcdir"/media/*.wma "$scratch/closed/media"
	title=$(cd "$scratch/closed/media" && echo *.wma)
	chmod 644 "$scratch/closed/media"/*
	chown 65534 "$scratch/closed"
	sed -i '/max_sessions/d' "$scratch/vodd.conf"
	sed -i '/^listen/d' "$scratch/vodd.conf"
	echo 'listen = "127.0.0.1:0";' >>"$scratch/vodd.conf"
	start -r "$scratch/closed/media" || fail "start as root"
	listen=$(status listen)
	for pid in $(workers); do
		grep -Eq '^Uid:[[:space:]]+0[[:space:]]' "/proc/$pid/status" &&
		    fail "a worker runs as root"
		grep -Eq '^CapPrm:[[:space:]]+0+$' "/proc/$pid/status" ||
		    fail "a worker has capabilities"
		grep -Eq '^NoNewPrivs:[[:space:]]+1$' "/proc/$pid/status" ||
		    fail "a worker may gain privileges"
	done
	# net_admin, net_bind_service, setuid, setgid, kill: no bit beyond
	held=$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$(master)/status")
	[ $((0x$held & ~0x14e0)) = 0 ] || fail "the master holds $held"
	echo "ok: workers hold nothing, the master holds $held"
	describes() {
		"$PYTHON" - "${listen##*:}" "$title" <<-'EOP'
		import socket, sys
		port, title = sys.argv[1:]
		with socket.create_connection(("127.0.0.1", int(port)), 5) as c:
		    c.settimeout(10)
		    c.sendall(b"DESCRIBE rtsp://127.0.0.1:%s/%s RTSP/1.0\r\n"
		        b"CSeq: 1\r\n\r\n" % (port.encode(), title.encode()))
		    answer = c.recv(100)
		    print(answer.split(b"\r\n")[0].decode())
		    sys.exit(not answer.startswith(b"RTSP/1.0 200"))
		EOP
	}
	describes || fail "closed folder"
	echo "ok: a media root below a closed folder is served"
	expect 0 "upgraded" "a master without that right is upgraded" \
	    "$vodd" -n "$name" -s upgrade
	describes || fail "closed folder behind an upgrade"
	echo 'media_root = "/nowhere";' >"$scratch/vodd.conf"
	printf 'listen = ( "%s", "127.0.0.9:554" );\n' "$listen" \
	    >>"$scratch/vodd.conf"
	answers 554 127.0.0.9 2>/dev/null ||
	    expect 0 "listen" "a reload opens a port below 1024" \
	        "$vodd" -n "$name" -s reload
	answers 554 127.0.0.9 || fail "no answer at the low port"
	"$vodd" -n "$name" -s stop >/dev/null || fail "stop as root"
fi
exit 0
