/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text and JSON of the same figures.
 */
#include "balancer/explain.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/base.h"

static const char *
said(const struct service_node *node)
{
	return node->trouble == NULL ? load_state_name(node->report.state)
				     : node->trouble;
}

static const char *
cause(const struct service_node *node, const struct weight_node *weight)
{
	if (node->foreign)
		return "somebody else's";
	return weight_cause_name(weight->cause);
}

/* --- text ------------------------------------------------------------------
 */
static void
text_report(const struct service_node *node, FILE *out)
{
	const struct load_report *report = &node->report;

	fprintf(out, "    said    %s", said(node));
	if (node->trouble == NULL && report->state == LOAD_DOWN)
		fprintf(out, ": %s", report->reason);
	if (node->trouble == NULL)
		fprintf(out,
		    ", %.1f of %.1f Mbit/s committed, %" PRIu64
		    " sessions, pressure %.2f, RTSP %s",
		    (double)report->committed_bps / 1e6,
		    (double)report->capacity_bps / 1e6, report->sessions,
		    (double)report->pressure_percent / 100,
		    report->rtsp_ok != 0 ? "answers" : "does not answer");
	fputc('\n', out);
}

static void
text_node(const struct weight_law *law, const struct service_node *node,
    const struct weight_node *weight, FILE *out)
{
	struct weight_parts parts = weight_parts(law, weight);

	fprintf(out, "  %s  weight %u, was %u: %s\n", node->server.name,
	    weight->weight, node->before, cause(node, weight));
	text_report(node, out);
	fprintf(out, "    weight  %.0f by capacity", parts.full);
	if (parts.started < 1)
		fprintf(out, " x %.3f for its slow start", parts.started);
	fprintf(out, " x %.3f for its titles", parts.correction);
	if (parts.relief < 1)
		fprintf(out, " x %.3f for late packets", parts.relief);
	fprintf(out, " = %.0f", parts.target);
	if (parts.silent_rounds > 0)
		fprintf(out, "; silent for %u rounds", parts.silent_rounds);
	fputc('\n', out);
}

static void
text_service(const struct service *service, FILE *out)
{
	if (!service->found) {
		fprintf(out, "%s  is not in the table\n", service->name);
		return;
	}
	fprintf(out, "%s  %s, %zu nodes\n", service->name, service->scheduler,
	    service->count);
	for (size_t i = 0; i < service->count; i++)
		text_node(&service->law, &service->nodes[i],
		    &service->weights[i], out);
}

/* --- JSON ------------------------------------------------------------------
 */
static json_t *
json_report(const struct service_node *node)
{
	const struct load_report *report = &node->report;

	if (node->trouble != NULL)
		return json_null();
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:b}", "node",
	    report->node, "state", load_state_name(report->state),
	    "capacity_bps", (json_int_t)report->capacity_bps, "committed_bps",
	    (json_int_t)report->committed_bps, "sessions",
	    (json_int_t)report->sessions, "pressure",
	    (double)report->pressure_percent / 100, "rtsp_ok",
	    report->rtsp_ok != 0);
}

static json_t *
json_node(const struct service *service, size_t which)
{
	const struct service_node *node = &service->nodes[which];
	const struct weight_node *weight = &service->weights[which];
	struct weight_parts parts = weight_parts(&service->law, weight);

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:s, s:o, s:f,"
			 " s:f, s:f, s:f, s:f, s:i}",
	    "service", service->name, "server", node->server.name, "weight",
	    (json_int_t)weight->weight, "before", (json_int_t)node->before,
	    "table", (json_int_t)node->server.weight, "cause",
	    cause(node, weight), "foreign", node->foreign, "said", said(node),
	    "report", json_report(node), "full", parts.full, "started",
	    parts.started, "correction", parts.correction, "relief",
	    parts.relief, "target", parts.target, "silent_rounds",
	    (int)parts.silent_rounds);
}

static void
json_service(const struct service *service, FILE *out)
{
	for (size_t i = 0; i < service->count; i++) {
		json_t *object = json_node(service, i);

		if (object == NULL)
			continue; /* no memory */
		json_dumpf(object, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
		fputc('\n', out);
		json_decref(object);
	}
}

void
explain_service(
    const struct service *service, enum explain_form form, FILE *out)
{
	if (form == EXPLAIN_TEXT)
		text_service(service, out);
	if (form == EXPLAIN_JSON)
		json_service(service, out);
	fflush(out);
}
