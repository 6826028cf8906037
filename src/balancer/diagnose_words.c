/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text.
 */
#include "balancer/diagnose_words.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

const char *
words_make(char text[static WORDS_MAX], const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(text, WORDS_MAX, format, list);
	va_end(list);
	return text;
}

const char *
words_service(char text[static WORDS_MAX], const char *name)
{
	static const struct {
		const char *prefix, *option, *behind;
	} kinds[] = {
		{ "tcp:", "-t ", "" },
		{ "udp:", "-u ", "" },
		{ "sctp:", "--sctp-service ", "" },
		{ "fwmark:", "-f ", "" },
		{ "fwmark6:", "-f ", " -6" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		size_t length = strlen(kinds[i].prefix);

		if (strncmp(name, kinds[i].prefix, length) == 0)
			return words_make(text, "%s%s%s", kinds[i].option,
			    name + length, kinds[i].behind);
	}
	return words_make(text, "%s", name);
}

const char *
words_machine(char text[static WORDS_MAX], const struct ether_addr *machine)
{
	const uint8_t *at = machine->ether_addr_octet;

	return words_make(text, "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1],
	    at[2], at[3], at[4], at[5]);
}
