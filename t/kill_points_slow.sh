# SPDX-License-Identifier: BSD-2-Clause
#
# What t/kill_points leaves out of make check.

if ! test -x "$builddir/t/kill_points"; then
	echo "kill_points: t/kill_points was not built: libcheck is missing"
	exit 77
fi
exec "$builddir/t/kill_points" 500
