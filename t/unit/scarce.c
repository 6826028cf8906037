/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wrappers that the linker puts before malloc(3) and calloc(3).
 */
#include "scarce.h"

#include <stdbool.h>
#include <stddef.h>

static _Atomic unsigned granted, failing;

void
scarce_begin(unsigned grant, unsigned fail)
{
	granted = grant;
	failing = fail;
}

void
scarce_end(void)
{
	scarce_begin(0, 0);
}

static bool
fails(void)
{
	if (failing == 0)
		return false;
	if (granted > 0) {
		granted--;
		return false;
	}
	failing--;
	return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}
