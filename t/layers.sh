#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# No #include may point sideways or up: from layer to layer, from program to
# program, and within the server from right to left.  Prints each offence.
set -u
edges=$(mktemp) || exit 1
trap 'rm -f "$edges"' EXIT
cd "${srcdir:?is set by make check}/src" || exit 1

awk -v edges="$edges" '
function may(layer, below,    n, i, names) {
	n = split(below, names, " ")
	for (i = 1; i <= n; i++)
		allowed[layer, names[i]] = 1
	allowed[layer, layer] = 1
	known[layer] = 1
}
BEGIN {
	may("base", "")
	may("wire", "base")
	may("media", "base")
	may("table", "base")
	may("server", "base wire media table")
	may("agent", "base wire table")
	may("balancer", "base wire")
	may("player", "base wire media")
	may("stat", "base table")
	may("prepare", "base media")
}
function offend(what) {
	printf "%s:%d: %s: %s\n", FILENAME, FNR, what, $0
	offences++
}
function check(from, to,    a, b, na, nb) {
	na = split(from, a, "/")
	nb = split(to, b, "/")
	if (nb != 2 || !(b[1] in known)) {
		offend("include by path from src/")
		return
	}
	if (!(a[1] in known)) {
		offend("a folder that no layer is known for")
		return
	}
	if (!((a[1], b[1]) in allowed)) {
		offend(a[1] " may not include " b[1])
		return
	}
	if (a[1] == "server" && b[1] == "server") {
		sub(/\.[ch]$/, "", a[2])
		sub(/\.h$/, "", b[2])
		if (a[2] != b[2])
			print a[2], b[2] >edges
	}
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	from = FILENAME
	sub(/^\.\//, "", from)
	includes++
	check(from, quoted[2])
}
END {
	if (includes < 50) {
		print "only " includes + 0 " includes found: is this the tree?"
		exit 1
	}
	if (offences) {
		print offences " includes point the wrong way"
		exit 1
	}
	print includes " includes, all point down"
}
' $(find . -name '*.[ch]' | sort) || exit 1

# Within the server from left to right; the other modules stand anywhere as
# long as nothing goes round.  stream only makes values, which transport sends:
# hence the order of the last two.
set -- main master worker connection methods session transport stream
while [ $# -gt 1 ]; do
	echo "$1 $2"
	shift
done >>"$edges"
if ! tsort "$edges" >/dev/null; then
	echo "these modules of server/ include each other in a circle"
	exit 1
fi
