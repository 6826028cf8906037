#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# contrib/lab demo, as somebody types it, but in a hurry: what it is to show
# stands in the lines that it prints and in the picture that it draws.
set -u

seconds=36
top=$(cd "${srcdir:?is set by make check-cluster}" && pwd) || exit 99
build=$(cd "${builddir:-.}" && pwd) || exit 99
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
cd "$scratch" || exit 99
failed=0

shows() { # what command...
	local what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "FAILED: $what"
		failed=1
	fi
}

"$top/contrib/lab" --build "$build" --timeout 120 demo $seconds >said 2>&1
status=$?
[ $status != 77 ] || { cat said; exit 77; }
shows "it ends by itself, and well" [ $status = 0 ]

# Of each line and node: what happened last, node, weight, sessions, Mbit/s.
awk '$3 == "---" { $1 = $2 = $3 = ""; last = $0; gsub(/^ +/, "", last) }
$2 == "s" && $4 == "weight" {
	for (i = 3; i < NF; i += 7)
		print last "|" $i "|" $(i + 2) "|" $(i + 4) "|" $(i + 5)
}' said >rows

# shellcheck disable=SC2317 # shows runs it
saw() { # happened node condition
	awk -F '|' -v happened="$1" -v node="$2" '
		{ weight = $3; sessions = $4; rate = $5 }
		$1 ~ happened && $2 == node && ('"$3"') { found = 1 }
		END { exit !found }' rows
}

for node in n1 n2 n3; do
	shows "$node has viewers and sends" saw viewers $node \
	    'weight > 0 && sessions > 0 && rate > 0'
done
shows "n2 that drains gets nobody new" saw 'n2 drains' n2 'weight == "0"'
shows "and then it does" saw 'n2 is back' n2 'weight > 0'
victim=$(sed -n 's/.*--- \(n.\) loses its power/\1/p' said)
shows "a node loses its power: ${victim:-none}" saw 'power' "$victim" \
    'sessions == "-"'
shows "it comes back" saw "$victim is back|unplugged" "$victim" \
    'sessions != "-"'
shows "without d1 the other director has the nodes' weights" saw unplugged n1 \
    'weight > 0'

read -r came _ _ _ satisfied _ < <(grep ' viewers came and ' said)
shows "${came:-no} viewers came, ${satisfied:-none} left satisfied" \
    [ "${came:-0}" -gt $seconds -a "${satisfied:-0}" -gt $seconds ]
if [ -x "$build/vodplay" ]; then
	shows "vodplay was on that node, and goes on" \
	    [ "$(sed -n 's/.*vodplay: \([a-z]*\) .*/\1/p' said |
	    grep -A 1 reconnecting | tail -n 1)" = playing ]
	read -r _ _ pictures _ < <(grep '^vodplay showed ' said)
	shows "it showed ${pictures:-no} pictures" \
	    [ "${pictures:-0}" -gt $((seconds * 5)) ]
else
	shows "ffmpeg plays" grep -q "^ffmpeg plays" said
fi

shows "the picture is one" python3 -c '
import sys, xml.dom.minidom as dom
texts = [one.firstChild.data for one in dom.parse("lab.svg")
         .getElementsByTagName("text") if one.firstChild]
sys.exit(not all(any(word in text for text in texts) for word in sys.argv[1:]))
' n1 n2 n3 "n2 drains" "$victim loses its power" "d1 is unplugged" sessions
[ $failed = 0 ] || cat said
exit $failed
