/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of words, taken for what they most likely mean.  Only a diagnosis hangs
 * on it: nothing is changed by what is read here.
 */
#include "balancer/diagnose_marks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define LINE_MAX_BYTES 512
#define WORDS_MAX 64
#define CHAINS_MAX 32
#define CHAIN_NAME_MAX 64

struct line {
	char text[LINE_MAX_BYTES];
	const char *words[WORDS_MAX];
	size_t count;
};

/* Takes a line off TEXT; false: there is none.  One too long is an empty one.
 */
static bool
line_take(const char **text, const char *end, struct line *line)
{
	const char *begin = *text;
	const char *stop;
	size_t length;

	if (begin == end)
		return false;
	stop = memchr(begin, '\n', (size_t)(end - begin));
	length = (size_t)((stop == NULL ? end : stop) - begin);
	*text = stop == NULL ? end : stop + 1;
	line->count = 0;
	if (length >= sizeof(line->text))
		return true;
	memcpy(line->text, begin, length);
	line->text[length] = '\0';
	for (char *at = line->text; line->count < WORDS_MAX; at++) {
		at += strspn(at, " \t");
		if (*at == '\0')
			break;
		line->words[line->count++] = at;
		at += strcspn(at, " \t");
		if (*at == '\0')
			break;
		*at = '\0';
	}
	return true;
}

/* What stands COUNT words behind WORD; NULL: nothing. */
static const char *
word_behind(const struct line *line, const char *word, size_t count)
{
	for (size_t i = 0; i + count < line->count; i++) {
		if (strcmp(line->words[i], word) == 0)
			return line->words[i + count];
	}
	return NULL;
}

/* "40000", or a range with SEPARATOR in between. */
static bool
ports_parse(const char *text, char separator, struct marks_rule *out)
{
	char *end;
	unsigned long first = strtoul(text, &end, 10), last = first;

	if (end != text && *end == separator)
		last = strtoul(end + 1, &end, 10);
	if (*end != '\0' || first == 0 || last < first || last > UINT16_MAX)
		return false;
	out->first = (uint16_t)first;
	out->last = (uint16_t)last;
	return true;
}

/* "40000", "0x9c40", "0x9c40/0xffffffff" */
static bool
mark_parse(const char *text, struct marks_rule *out)
{
	char *end;
	unsigned long mark = strtoul(text, &end, 0);

	if ((*end != '\0' && *end != '/') || mark == 0 || mark > UINT32_MAX)
		return false;
	out->mark = (uint32_t)mark;
	return true;
}

static void
rule_add(
    struct marks *marks, const char *ports, char separator, const char *mark)
{
	struct marks_rule rule;

	if (ports == NULL || mark == NULL || marks->count == MARKS_MAX ||
	    !ports_parse(ports, separator, &rule) || !mark_parse(mark, &rule))
		return;
	marks->rules[marks->count++] = rule;
}

/* --- nft -------------------------------------------------------------------
 */

/* Is a packet to VIP past this line?  "!=" ends the way of all others. */
static bool
nft_is_for(const struct line *line, const char *vip)
{
	const char *is = word_behind(line, "daddr", 1);

	return is == NULL || strcmp(is, "!=") == 0 || strcmp(is, vip) == 0;
}

/* "ip daddr != OTHER accept": nothing behind it in the chain is for VIP. */
static bool
nft_sends_away(const struct line *line, const char *vip)
{
	const char *is = word_behind(line, "daddr", 1);
	const char *other = word_behind(line, "daddr", 2);
	const char *last = line->count == 0 ? "" : line->words[line->count - 1];

	return is != NULL && strcmp(is, "!=") == 0 && other != NULL &&
	       strcmp(other, vip) != 0 &&
	       (strcmp(last, "accept") == 0 || strcmp(last, "return") == 0 ||
		   strcmp(last, "drop") == 0);
}

void
marks_read_nft(
    const char *text, size_t size, const char *vip, struct marks *out)
{
	const char *end = text + size;
	bool away = false;
	struct line line;

	while (line_take(&text, end, &line)) {
		if (line.count > 0 && strcmp(line.words[0], "chain") == 0)
			away = false;
		away = away || nft_sends_away(&line, vip);
		if (!away && nft_is_for(&line, vip) &&
		    word_behind(&line, "udp", 1) != NULL)
			rule_add(out, word_behind(&line, "dport", 1), '-',
			    word_behind(&line, "mark", 2));
	}
}

/* --- iptables-save ---------------------------------------------------------
 */
struct chains {
	char names[CHAINS_MAX][CHAIN_NAME_MAX];
	size_t count;
};

/* Of "-d 192.0.2.100/32"; true without one. */
static bool
iptables_is_for(const struct line *line, const char *vip)
{
	const char *is = word_behind(line, "-d", 1);
	size_t length = strlen(vip);

	return is == NULL ||
	       (strncmp(is, vip, length) == 0 &&
		   (is[length] == '\0' || strcmp(is + length, "/32") == 0));
}

static bool
chains_have(const struct chains *chains, const char *name)
{
	for (size_t i = 0; i < chains->count; i++) {
		if (strcmp(chains->names[i], name) == 0)
			return true;
	}
	return false;
}

/* Where packets to VIP are sent from PREROUTING. */
static void
chains_read(
    const char *text, const char *end, const char *vip, struct chains *chains)
{
	struct line line;

	*chains = (struct chains){ .names = { "PREROUTING" }, .count = 1 };
	while (line_take(&text, end, &line)) {
		const char *chain = word_behind(&line, "-A", 1);
		const char *target = word_behind(&line, "-j", 1);

		if (chain == NULL || target == NULL ||
		    strcmp(chain, "PREROUTING") != 0 ||
		    chains->count == CHAINS_MAX ||
		    strlen(target) >= CHAIN_NAME_MAX ||
		    !iptables_is_for(&line, vip))
			continue;
		strcpy(chains->names[chains->count++], target);
	}
}

void
marks_read_iptables(
    const char *text, size_t size, const char *vip, struct marks *out)
{
	const char *end = text + size;
	struct chains chains;
	struct line line;

	chains_read(text, end, vip, &chains);
	while (line_take(&text, end, &line)) {
		const char *chain = word_behind(&line, "-A", 1);
		const char *mark = word_behind(&line, "--set-xmark", 1);

		if (chain == NULL || !chains_have(&chains, chain) ||
		    !iptables_is_for(&line, vip))
			continue;
		if (mark == NULL)
			mark = word_behind(&line, "--set-mark", 1);
		rule_add(out, word_behind(&line, "--dport", 1), ':', mark);
	}
}

/* --- what they do ----------------------------------------------------------
 */
const struct marks_rule *
marks_find(const struct marks *marks, uint16_t port, size_t *at)
{
	while (*at < marks->count) {
		const struct marks_rule *rule = &marks->rules[(*at)++];

		if (rule->first <= port && port <= rule->last)
			return rule;
	}
	return NULL;
}

bool
marks_overlap(const struct marks *marks, const struct marks_rule **a,
    const struct marks_rule **b)
{
	for (size_t i = 0; i < marks->count; i++) {
		for (size_t k = 0; k < i; k++) {
			*a = &marks->rules[k];
			*b = &marks->rules[i];
			if ((*a)->mark != (*b)->mark &&
			    (*a)->first <= (*b)->last &&
			    (*b)->first <= (*a)->last)
				return true;
		}
	}
	return false;
}
