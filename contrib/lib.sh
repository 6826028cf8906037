# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What the scripts of contrib/ share: steps that say how far they are, and the
# packages of the table beside this file.  The caller sets top (the source
# tree) and log_dir.

# --- steps ----------------------------------------------------------------

# Milliseconds; for elapsed times only.
now_ms() {
	local now=${EPOCHREALTIME/[.,]/}
	echo "${now%???}"
}

# 12345 -> "12.3 s"
seconds_of_ms() {
	printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100))
}

fail() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

step_number=0

# step_begin WHAT: the line of the next of step_count steps.
step_begin() {
	step_number=$((step_number + 1))
	step_what="[$step_number/$step_count] $1 …"
	step_started_ms=$(now_ms)
	[ -t 1 ] || printf '%s ' "$step_what"
	step_show
}

# On a terminal the seconds run.
step_show() {
	[ -t 1 ] || return 0
	printf '\r\033[K%s %d s' "$step_what" \
	    $((($(now_ms) - step_started_ms) / 1000))
}

# step_end [NOTE]
step_end() {
	[ -t 1 ] && printf '\r\033[K%s ' "$step_what"
	printf '%s%s\n' "$(seconds_of_ms $(($(now_ms) - step_started_ms)))" \
	    "${1:+, $1}"
}

# step_failed REASON [LOG]: the reason, the end of the log, and out.
step_failed() {
	[ -t 1 ] && printf '\r\033[K%s ' "$step_what"
	printf 'failed after %s\n' \
	    "$(seconds_of_ms $(($(now_ms) - step_started_ms)))"
	if [ -n "${2:-}" ] && [ -s "$2" ]; then
		printf -- '--- the last lines of %s\n' "$2" >&2
		tail -n 30 "$2" >&2
		printf -- '---\n' >&2
	fi
	fail "$1"
}

# Wait for process PID while the seconds run; its exit status.
step_wait() {
	while [ -t 1 ] && kill -0 "$1" 2>/dev/null; do
		step_show
		sleep 0.5
	done
	wait "$1"
}

# step_run WHAT LOG COMMAND...: a step that is one command.
step_run() {
	local what=$1 log=$2
	shift 2
	step_begin "$what"
	"$@" >"$log" 2>&1 &
	step_wait $! || step_failed "$what failed" "$log"
	step_end
}

# --- packages -------------------------------------------------------------

# packages_marked MARK COLUMN...: those that have MARK in one of the columns.
packages_marked() {
	local mark=$1
	shift
	awk -v mark="$mark" -v columns="$*" '
	/^# package / { for (i = 3; i <= NF; i++) column[$i] = i - 1; next }
	/^#/ || NF == 0 { next }
	{
		n = split(columns, wanted, " ")
		for (i = 1; i <= n; i++) {
			if (!(wanted[i] in column)) {
				print "no column " wanted[i] >"/dev/stderr"
				exit 1
			}
			if ($(column[wanted[i]]) == mark) { print $1; next }
		}
	}' "$top/contrib/packages"
}

# Those of the named packages that are not installed.
packages_missing() {
	local package
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
		    grep -qx installed || echo "$package"
	done
}

# Can a password be asked for?
have_terminal() {
	[ -t 2 ] && (: </dev/tty) 2>/dev/null
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@" # the password was asked for by packages_install
	fi
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
	    apt-get -y -q -o DPkg::Lock::Timeout=120 "$@"
}

# Does apt know all of these packages?
packages_known() {
	local package
	for package; do
		apt-cache policy "$package" 2>/dev/null |
		    grep -q '^ *Candidate: [^(]' || return 1
	done
}

# packages_step LOG COLUMN...: a step.  Nothing is asked, and no right is
# needed, when all is there.
packages_step() {
	local log=$1 missing unpack note
	shift
	step_begin "packages ($*)"
	if ! command -v apt-get >/dev/null; then
		step_end "not Debian: what is missing will be said"
		return 0
	fi
	missing=$(packages_missing $(packages_marked x "$@"))
	unpack=$(packages_marked u "$@")
	note="all there"
	if [ -n "$missing" ]; then
		# shellcheck disable=SC2086
		packages_install "$log" $missing
		note="installed: $(echo $missing)"
	fi
	# shellcheck disable=SC2086
	[ -z "$unpack" ] || packages_unpack "$log" $unpack
	step_end "$note"
}

packages_install() {
	local log=$1
	shift
	local by_hand="apt-get install --no-install-recommends $*"
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		step_failed "packages are missing and there is no sudo; as root: $by_hand"
	fi
	if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
		{ have_terminal && echo && sudo -v; } ||
		    step_failed "packages are missing and sudo refuses; as root: $by_hand"
	fi
	(
		packages_known "$@" || apt_get update || exit 1
		apt_get install --no-install-recommends "$@" && exit 0
		# lists that are too old name files which are gone
		apt_get update && apt_get install --no-install-recommends "$@"
	) >"$log" 2>&1 &
	step_wait $! ||
	    step_failed "could not install what is missing; as root: $by_hand" "$log"
}

# Into build/unpacked: used from there, never configured, no service started.
packages_unpack() {
	local log=$1 package into=$top/build/unpacked
	shift
	mkdir -p "$into/.done"
	for package; do
		[ -e "$into/.done/$package" ] && continue
		(
			cd "$into" || exit 1
			packages_known "$package" || apt_get update || exit 1
			apt-get -q download "$package" || exit 1
			dpkg-deb -x "$package"_*.deb . || exit 1
			rm -f "$package"_*.deb
			: >".done/$package"
		) >>"$log" 2>&1 &
		step_wait $! || step_failed "could not unpack $package" "$log"
	done
}

# --- the tree -------------------------------------------------------------

# Make configure if it is missing or older than what it is made from.
tree_autoreconf() {
	cd "$top" || return 1
	if [ -x configure ] && [ -f Makefile.in ] && [ -f config.h.in ] &&
	    [ ! configure.ac -nt configure ] && [ ! m4 -nt configure ] &&
	    [ ! Makefile.am -nt Makefile.in ]; then
		return 0
	fi
	autoreconf -i
}

# tree_configure BUILD_DIR OPTION...: once for each set of options.
tree_configure() {
	local build=$1
	shift
	mkdir -p "$build" && cd "$build" || return 1
	if [ -f Makefile ] && [ "$(cat .configured 2>/dev/null)" = "$*" ] &&
	    [ ! "$top/configure" -nt .configured ]; then
		return 0
	fi
	"$top/configure" "$@" && printf '%s' "$*" >.configured
}
