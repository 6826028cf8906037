#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# vodasf says what a file holds, makes copies that decode to the same frames,
# and lists what can be served.  Copies are decoded by ffmpeg; where it is
# missing that part is skipped.
set -u

vodasf=$builddir/vodasf
media=$srcdir/media
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM HUP
cd "$scratch" || exit 99
failed=0

fail() {
	echo "FAIL: $*"
	failed=1
}

# status WANTED COMMAND...: runs it, output in out and err
status() {
	wanted=$1
	shift
	"$@" >out 2>err
	got=$?
	[ "$got" = "$wanted" ] ||
	    fail "exit status $got instead of $wanted: $* $(head -3 err)"
}

has() { # file pattern
	grep -q -e "$2" "$1" || fail "no '$2' in: $(head -5 "$1")"
}

# --- command line ---------------------------------------------------------

status 0 "$vodasf" -V
has out '^vodasf [0-9]'
status 0 "$vodasf" --version
status 0 "$vodasf" --help
has out '^usage: vodasf info'
for wrong in "" "nonsense" "info" "info a b" "info --nonsense a" "index a" \
    "index -o" "index a b -o c" "playlist ." "playlist --base rtsp://h/" \
    "playlist . --base http://h/" "playlist . --base rtsp://" \
    "playlist . --base /h"; do
	# shellcheck disable=SC2086 # words are wanted
	status 2 "$vodasf" $wrong
	has err '^usage:\|--base'
done

# --- info -----------------------------------------------------------------

for file in sample.wmv noindex.wmv audio.wma lecture.wmv; do
	status 0 "$vodasf" info "$media/$file"
	has out 'title  *vodd'
	status 0 "$vodasf" info --json "$media/$file"
	has out '"servable": true'
	has out '"author": "The vodd project"'
	has out '"packet_bytes": 1444'
done
status 0 "$vodasf" info --json "$media/sample.wmv"
has out '"indexed": true'
has out '"codec": "WMV2"'
has out '"name": "Simple Index"'
has out '"width": 480'
status 0 "$vodasf" info --json "$media/noindex.wmv"
has out '"indexed": false'
has out '"seekable": false'
status 0 "$vodasf" info "$media/noindex.wmv"
has out 'index  *none'

echo "This is no film." >text
head -c 2000 "$media/sample.wmv" >headonly.wmv
head -c 600 "$media/sample.wmv" >cut.wmv
status 1 "$vodasf" info text
has err 'text: cannot be served: not an ASF file'
status 1 "$vodasf" info --json text
has out '"servable": false'
has out '"reason": "not an ASF file"'
status 1 "$vodasf" info headonly.wmv
has err 'no whole data packet'
status 1 "$vodasf" info cut.wmv
has err 'ends inside its header'
status 1 "$vodasf" info absent
has err 'No such file'
status 1 "$vodasf" info .
has err 'not a regular file'

# --- index: what is written, and when nothing is ---------------------------

status 0 "$vodasf" index "$media/noindex.wmv" -o indexed.wmv
has out 'indexed.wmv: .* key frames'
status 0 "$vodasf" info --json indexed.wmv
has out '"indexed": true'
has out '"seekable": true'
status 0 "$vodasf" info indexed.wmv
grep -q 'in the header' out && grep 'in the header' out | grep -qv duration &&
    fail "the header of a copy is not true: $(grep 'in the header' out)"

cp indexed.wmv before
status 1 "$vodasf" index "$media/sample.wmv" -o indexed.wmv
has err 'there already'
cmp -s before indexed.wmv || fail "a file was overwritten without -f"
status 0 "$vodasf" index -f indexed.wmv -o indexed.wmv # onto itself
cmp -s before indexed.wmv || fail "a copy of a copy differs"
status 0 "$vodasf" index "$media/sample.wmv" -f -o indexed.wmv
cmp -s before indexed.wmv && fail "-f did not replace"
mkfifo fifo
status 1 "$vodasf" index -f "$media/sample.wmv" -o fifo
status 1 "$vodasf" index -f "$media/sample.wmv" -o .
status 1 "$vodasf" index text -o none.wmv
status 1 "$vodasf" index "$media/sample.wmv" -o absent/none.wmv
[ -e none.wmv ] && fail "a file came of nothing"
(ulimit -f 20 && trap '' XFSZ &&
    "$vodasf" index "$media/sample.wmv" -o toolarge.wmv) 2>err >out &&
    fail "a copy that did not fit"
has err 'toolarge.wmv: File too large'
# shellcheck disable=SC2012 # plain names
[ "$(ls -d ./*.wmv.?????? toolarge* 2>/dev/null | wc -l)" = 0 ] ||
    fail "temporary files stay behind: $(ls)"

# --- playlist -------------------------------------------------------------

mkdir -p "list/in & out" "list/.hidden" list/empty
cp "$media/noindex.wmv" "list/in & out/50% <é>.wmv"
cp "$media/audio.wma" list/z.wma
cp "$media/audio.wma" list/.hidden/a.wma
cp text list/a.wmv
ln -s z.wma list/link.wma
ln -s ../indexed.wmv list/outside.wmv
ln -s . list/loop
status 0 "$vodasf" playlist list --base rtsp://host.example:8554/x
has out '<REF HREF="rtsp://host.example:8554/x/in%20%26%20out/50%25%20%3C%C3%A9%3E.wmv"/>'
has out '<TITLE>vodd sample without index</TITLE>'
has out '<AUTHOR>The vodd project</AUTHOR>'
has out '<COPYRIGHT>CC0'
has out '<DURATION VALUE="00:00:29.999"/>'
[ "$(grep -c '<ENTRY>' out)" = 3 ] || fail "not 3 entries: $(cat out)"
status 0 "$vodasf" playlist list --base rtsp://host.example/ --m3u
printf '%s\n' '#EXTM3U' \
    '#EXTINF:15,The vodd project - vodd sample without index' \
    'rtsp://host.example/in%20%26%20out/50%25%20%3C%C3%A9%3E.wmv' \
    '#EXTINF:30,The vodd project - vodd audio sample' \
    'rtsp://host.example/link.wma' \
    '#EXTINF:30,The vodd project - vodd audio sample' \
    'rtsp://host.example/z.wma' >wanted
cmp -s out wanted || fail "playlist: $(diff out wanted)"
status 1 "$vodasf" playlist list/empty --base rtsp://h/
has err 'nothing'
status 1 "$vodasf" playlist absent --base rtsp://h/

# --- copies decode to the same frames --------------------------------------

frames() { # file
	ffmpeg -v quiet -nostdin -threads 1 -i "$1" -map '0:v?' -map '0:a?' \
	    -f framemd5 - | grep -v '^#'
}

same_frames() { # file
	rm -f copy.wmv
	status 0 "$vodasf" index "$1" -o copy.wmv
	frames "$1" >source.md5
	frames copy.wmv >copy.md5
	[ -s source.md5 ] || fail "$1: ffmpeg decodes nothing"
	cmp -s source.md5 copy.md5 ||
	    fail "$1: the copy decodes to other frames:" \
	    "$(diff source.md5 copy.md5 | head -5)"
	status 0 "$vodasf" info --json copy.wmv
	has out '"broadcast": false'
	has out '"seekable": true'
}

if [ $failed = 0 ] && ! command -v ffmpeg >/dev/null; then
	echo "skipped: ffmpeg is missing, copies were not decoded"
	exit 77
fi

for file in noindex.wmv sample.wmv audio.wma; do
	same_frames "$media/$file"
done
# A recording: ffmpeg cannot go back in a pipe, so the header stays empty.
# The times begin at ten hours; then it is broken off.
ffmpeg -v error -nostdin -i "$media/sample.wmv" -c copy -packet_size 1444 \
    -output_ts_offset 36000 -f asf - 2>err | cat >recording.wmv
status 0 "$vodasf" info --json recording.wmv
has out '"broadcast": true'
same_frames recording.wmv
status 0 "$vodasf" info --json copy.wmv
has out '"duration_ms": 20'
head -c 700000 recording.wmv >torn.wmv
same_frames torn.wmv
if [ -n "${VODD_TEST_MEDIA:-}" ]; then
	for file in broadcast.wmv mpeg4.wmv wmv7.wmv screen.wmv; do
		[ -e "$VODD_TEST_MEDIA/$file" ] &&
		    same_frames "$VODD_TEST_MEDIA/$file"
	done
else
	echo "VODD_TEST_MEDIA is not set: real recordings were not tried"
fi

exit $failed
