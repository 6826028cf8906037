# SPDX-License-Identifier: BSD-2-Clause
#
# What t/blame leaves out of make check.

if ! test -x "$builddir/t/blame"; then
	echo "blame: t/blame was not built: libcheck is missing"
	exit 77
fi
exec "$builddir/t/blame" slow
