/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diagnose_marks - how a director marks UDP to a virtual address by its port,
 * read from what nft and iptables-save say.
 *
 * Understood are rules as setup-director and people write them: one range of
 * ports and one mark each.  Sets and maps of nft are not.
 */
#ifndef BALANCER_DIAGNOSE_MARKS_H
#define BALANCER_DIAGNOSE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARKS_MAX 1024

struct marks_rule {
	uint16_t first, last; /* ports */
	uint32_t mark;
};

struct marks { /* zeroes are none */
	struct marks_rule rules[MARKS_MAX];
	size_t count;
};

/*
 * Adds the rules for VIP ("192.0.2.100") that TEXT has, of "nft -n list
 * ruleset" or of "iptables-save -t mangle".  What is not understood is left
 * out.
 */
void marks_read_nft(
    const char *text, size_t size, const char *vip, struct marks *out);
void marks_read_iptables(
    const char *text, size_t size, const char *vip, struct marks *out);

/* The first rule behind *AT for PORT; *AT is moved behind it.  NULL: none. */
const struct marks_rule *marks_find(
    const struct marks *marks, uint16_t port, size_t *at);
/* Two rules that give a port different marks.  False: there are none. */
bool marks_overlap(const struct marks *marks, const struct marks_rule **a,
    const struct marks_rule **b);

#endif
