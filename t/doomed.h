/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doomed - a served vodd whose workers die by a plan (dying.h).
 */
#ifndef T_DOOMED_H
#define T_DOOMED_H

#include "dying.h"
#include "served.h"

/*
 * In SERVED's folder, made before.  Returns when its worker serves and nobody
 * is connected; nothing is planned yet.  The plan stays mapped.
 */
struct dying_plan *doomed_start(
    struct served *served, const char *media, const char *const settings[]);
/* No connection, no session, no record of them. */
bool doomed_is_idle(const struct served *served);

#endif
