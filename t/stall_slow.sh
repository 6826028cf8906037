# SPDX-License-Identifier: BSD-2-Clause
#
# What t/stall leaves out of make check.

if ! test -x "$builddir/t/stall"; then
	echo "stall: t/stall was not built: libcheck is missing"
	exit 77
fi
exec "$builddir/t/stall" slow
