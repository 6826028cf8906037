/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base - the few macros that every layer may use.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stddef.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The structure of which MEMBER, at POINTER, is a part. */
#define CONTAINER_OF(pointer, type, member)                                    \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define PRINTF_LIKE(format, first)                                             \
	__attribute__((__format__(__printf__, format, first)))

#define US_PER_MS UINT64_C(1000)
#define US_PER_SECOND UINT64_C(1000000)

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#endif
