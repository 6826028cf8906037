# SPDX-License-Identifier: BSD-2-Clause
#
# What t/paths leaves out of make check.

if ! test -x "$builddir/t/paths"; then
	echo "paths: t/paths was not built: libcheck is missing"
	exit 77
fi
exec "$builddir/t/paths" slow
