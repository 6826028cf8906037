/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on a stream.  What is right and what is wrong is decided elsewhere.
 */
#include "balancer/diagnose_finding.h"

#include <jansson.h>
#include <stdarg.h>

static void
put_json(const struct findings *findings, const char *state, const char *text,
    const char *behind, const char *remedy)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "state", state,
	    "where", findings->where, "check", findings->check, "text", text);

	if (object == NULL)
		return; /* no memory */
	if (behind != NULL)
		json_object_set_new(object, behind, json_string(remedy));
	json_dumpf(object, findings->out, JSON_COMPACT);
	fputc('\n', findings->out);
	json_decref(object);
}

/* BEHIND is what REMEDY is; NULL: there is none. */
static void PRINTF_LIKE(5, 0)
    put(const struct findings *findings, const char *state, const char *behind,
	const char *remedy, const char *format, va_list list)
{
	char text[FINDING_TEXT_MAX];

	vsnprintf(text, sizeof(text), format, list);
	if (findings->json) {
		put_json(findings, state, text, behind, remedy);
		return;
	}
	fprintf(findings->out, "%-11s  %s  %s: %s", state, findings->where,
	    findings->check, text);
	if (behind != NULL)
		fprintf(findings->out, "; %s: %s", behind, remedy);
	fputc('\n', findings->out);
}

void
finding_ok(struct findings *findings, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(findings, "ok", NULL, NULL, format, list);
	va_end(list);
}

void
finding_wrong(
    struct findings *findings, const char *remedy, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(findings, "wrong", "remedy", remedy, format, list);
	va_end(list);
	findings->wrong++;
}

void
finding_unseen(
    struct findings *findings, const char *needs, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	put(findings, "not checked", "needs", needs, format, list);
	va_end(list);
}
