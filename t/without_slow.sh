#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What configure says and make builds where GStreamer, or GTK, is missing or not
# wanted: all but vodplay, and vodplay without its window.
set -eu
: "${srcdir:?is set by make check}" "${builddir:?is set by make check}"
if [ -e "$srcdir/config.status" ]; then
	echo "without: $srcdir is configured itself: make distclean"
	exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM HUP

fail() {
	echo "FAILED: $*"
	exit 1
}

# says PATTERN: what configure ended with
says() {
	grep -Eq "$1" log || fail "configure does not say \"$1\": $(tail -n 20 log)"
}

# configure_in FOLDER OPTION...
configure_in() {
	mkdir "$folder/$1"
	cd "$folder/$1"
	shift
	"$srcdir/configure" --cache-file="$folder/cache" "$@" >log 2>&1 ||
	    fail "configure $*: $(tail -n 20 log)"
}

# Finds all but what REFUSED names.
real=${PKG_CONFIG:-pkg-config}
cat >"$folder/pkg-config" <<EOT
#!/bin/sh
case " \$* " in
*" \$REFUSED"*) exit 1 ;;
esac
exec $real "\$@"
EOT
chmod +x "$folder/pkg-config"
PKG_CONFIG=$folder/pkg-config
export PKG_CONFIG

REFUSED=gstreamer-1.0
export REFUSED
configure_in no-gstreamer
says 'vodplay +no'
says 'WARNING: GStreamer .* is missing: vodplay is not built'
nice make -j2 all >log 2>&1 || fail "without GStreamer: $(tail -n 20 log)"
./vodd -h >said || fail "no server is built"
! grep -E 'src/player/|vodplay|vodsrc' log || fail "that is the player"
rm "$folder/cache"
! "$srcdir/configure" --enable-player >log 2>&1 ||
    fail "--enable-player does without GStreamer"
says 'error: --enable-player: '

REFUSED=nothing
configure_in unwanted --disable-player
says 'vodplay +no'
! grep 'GStreamer .* is missing' log || fail "it is missed though not wanted"

if ! [ -x "$builddir/vodplay" ]; then
	echo "without: vodplay was not built: GStreamer is missing"
	exit 77
fi
REFUSED=gtk+-3.0
rm -f "$folder/cache"
configure_in no-gtk
says 'vodplay +yes'
says 'with a window +no'
says 'WARNING: GTK 3 .* is missing: vodplay has no window'
nice make -j2 vodplay >log 2>&1 || fail "vodplay: $(tail -n 20 log)"
! ./vodplay "$srcdir/media/sample.wmv" 2>said || fail "which window was that?"
grep -q 'built without GTK 3' said || fail "not told: $(cat said)"
./vodplay --no-window --duration 1 "$srcdir/media/sample.wmv" >said 2>&1 ||
    fail "without a window: $(cat said)"
echo "passed"
