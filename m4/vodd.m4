# SPDX-License-Identifier: BSD-2-Clause

# VODD_WARNINGS(VARIABLE, FLAGS)
# VARIABLE gets those of FLAGS that the compiler knows.  clang only warns about
# a flag that it does not know, hence -Werror while asking.
AC_DEFUN([VODD_WARNINGS], [
	AC_MSG_CHECKING([which warnings $CC knows])
	vodd_saved_CFLAGS=$CFLAGS
	vodd_known=
	for vodd_flag in m4_normalize([$2]); do
		CFLAGS="$vodd_saved_CFLAGS -Werror $vodd_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
			[vodd_known="$vodd_known $vodd_flag"])
	done
	CFLAGS=$vodd_saved_CFLAGS
	AC_MSG_RESULT([$vodd_known])
	AC_SUBST([$1], [$vodd_known])
])

# VODD_WITH_DIR(NAME, DEFAULT, WHAT)
# --with-NAME=DIR sets NAME; --without-NAME leaves it out.
AC_DEFUN([VODD_WITH_DIR], [
	AC_ARG_WITH([$1],
		[AS_HELP_STRING([--with-$1=DIR], [$3 @<:@$2@:>@])],
		[], [with_$1='$2'])
	AS_IF([test "$with_$1" = yes], [with_$1='$2'])
	AC_SUBST([$1], [$with_$1])
	AM_CONDITIONAL([INSTALL_]m4_toupper([$1]), [test "$with_$1" != no])
])
