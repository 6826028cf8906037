/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker dies after its N-th call of a function, for many N and all functions
 * that a request or a packet passes through; what the viewer gets is what he
 * gets when nobody dies, byte for byte.
 *
 * The same short dialogue is held with a server of its own for each point, and
 * several of them side by side, since most of it is waiting.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "show.h"

#define SHARDS 12
/* With a number as argument: so many. */
#define POINTS_FEW 60
/* Calls of one function that are looked at, evenly chosen of all. */
#define POINT_ROOM 8192
#define PLACE_S 60 /* no try takes longer */

/* The shows in which anybody may die. */
#define SHOWS SHOW_LATE
static const char *const show_names[SHOWS] = {
	[SHOW_TCP] = "TCP",
	[SHOW_UDP] = "UDP",
	[SHOW_NARROW] = "narrow",
	[SHOW_ELSEWHERE] = "elsewhere",
};
static struct pieces undisturbed[SHOWS];
static uint32_t counted[SHOWS][DYING_CALL_COUNT];
static _Atomic unsigned *reached; /* shared with the shards */

#define CALL_NAME(name) #name,
static const char *const call_names[] = { DYING_CALLS(CALL_NAME) };
static const char *const when_names[] = { "before", "within", "after" };

/* --- points --------------------------------------------------------------- */

/* The successor may die too: while it adopts, mostly. */
struct place {
	enum show_kind kind;
	struct dying_point points[2];
	unsigned point_count;
};

static struct place places[POINT_ROOM];
static size_t place_count;

static bool
can_be_half_done(uint32_t call)
{
	return call == DYING_send || call == DYING_sendmsg ||
	       call == DYING_sendmmsg || call == DYING_recv;
}

/* Behind all calls, within those that can be, before the first of each. */
static void
list_places(enum show_kind kind)
{
	for (uint32_t call = 0; call < DYING_CALL_COUNT; call++)
		for (uint32_t nth = 1; nth <= counted[kind][call]; nth++)
			for (uint32_t when = 0; when <= DYING_AFTER; when++) {
				if ((when == DYING_BEFORE && nth > 1) ||
				    (when == DYING_WITHIN &&
					!can_be_half_done(call)) ||
				    place_count == POINT_ROOM)
					continue;
				places[place_count++] = (struct place){
					kind,
					{ { call, nth, when, SIGKILL } },
					1,
				};
			}
}

/* COUNT of all of them, evenly spread, with all ways to die. */
static void
choose_places(size_t count)
{
	static const int signals[] = { SIGKILL, SIGSEGV, SIGABRT };
	size_t all = place_count;

	count = MIN_OF(count, all);
	for (size_t i = 0; i < count; i++) {
		struct place *chosen = &places[i];
		uint32_t turn = (uint32_t)i / 2;

		*chosen = places[i * all / count];
		chosen->points[0].signal = signals[i % ARRAY_LENGTH(signals)];
		/* Between lanes two deaths cost the connection (fdstore.c). */
		if (i % 2 == 0 || chosen->kind == SHOW_ELSEWHERE)
			continue;
		chosen->point_count = 2;
		chosen->points[1] = (struct dying_point){
			turn % DYING_CALL_COUNT,
			1 + turn / DYING_CALL_COUNT % 4,
			DYING_AFTER,
			SIGKILL,
		};
	}
	place_count = count;
}

static struct place *place; /* that is tried */

START_TEST(a_death_is_not_noticed)
{
	struct pieces pieces;
	struct show show;

	show_begin(&show, place->kind);
	show.plan->point_count = place->point_count;
	memcpy(show.plan->points, place->points, sizeof(place->points));
	show.plan->armed = 1;
	show_perform(&show);
	show_cut(&show, &pieces);
	pieces_compare(&pieces, &undisturbed[place->kind], show.plan->deaths);
	show_end(&show);
	*reached += show.plan->deaths;
	pieces_free(&pieces);
}
END_TEST

START_TEST(no_number_is_given_twice)
{
	struct pieces pieces;
	struct show show;

	show_begin(&show, SHOW_LATE);
	show_perform(&show);
	show_cut(&show, &pieces);
	pieces_check_numbers(&pieces);
	show_end(&show);
	pieces_free(&pieces);
}
END_TEST

START_TEST(titles_are_made)
{
	show_make_titles();
}
END_TEST

START_TEST(nobody_dies)
{
	struct show show;

	show_begin(&show, (enum show_kind)_i);
	show.plan->armed = 1;
	show_perform(&show);
	show_cut(&show, &undisturbed[_i]);
	show_end(&show);
	for (size_t call = 0; call < DYING_CALL_COUNT; call++)
		counted[_i][call] = show.plan->counted[call];
}
END_TEST

/* --- running -------------------------------------------------------------- */

/* In this process.  How many failed; their messages were printed. */
static int
run(const TTest *test, int count)
{
	Suite *suite = suite_create("kill points");
	TCase *rules = tcase_create("kill points");
	SRunner *runner;
	TestResult **failures;
	int failed;

	tcase_add_loop_test(rules, test, 0, count);
	suite_add_tcase(suite, rules);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	failures = srunner_failures(runner);
	for (int i = 0; i < failed; i++)
		printf("%s:%d: %s\n", tr_lfile(failures[i]),
		    tr_lno(failures[i]), tr_msg(failures[i]));
	free(failures);
	srunner_free(runner);
	return failed;
}

static uint32_t
index_of(const char *name, const char *const *names, size_t count)
{
	size_t i = 0;

	while (i < count && strcmp(name, names[i]) != 0)
		i++;
	if (i == count) {
		fprintf(stderr, "kill_points: %s?\n", name);
		exit(2);
	}
	return (uint32_t)i;
}

static struct dying_point
point_of(char **words)
{
	return (struct dying_point){
		.when =
		    index_of(words[0], when_names, ARRAY_LENGTH(when_names)),
		.call = index_of(words[1], call_names, DYING_CALL_COUNT),
		.nth = (uint32_t)strtoul(words[2], NULL, 10),
		.signal = (int)strtol(words[3], NULL, 10),
	};
}

/* As print_place() prints it. */
static void
take_place(int count, char **words)
{
	places[0].kind = (enum show_kind)index_of(words[0], show_names, SHOWS);
	places[0].points[0] = point_of(words + 1);
	if (count > 8)
		places[0].points[1] = point_of(words + 5);
	places[0].point_count = count > 8 ? 2 : 1;
	place_count = 1;
}

static void
print_place(const struct place *which)
{
	printf("that was kill_points %s", show_names[which->kind]);
	for (unsigned i = 0; i < which->point_count; i++)
		printf(" %s %s %u %d", when_names[which->points[i].when],
		    call_names[which->points[i].call], which->points[i].nth,
		    which->points[i].signal);
	puts("");
}

static bool
try_place(struct place *which)
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		alarm(PLACE_S);
		place = which;
		exit(run(a_death_is_not_noticed, 1) != 0);
	}
	waitpid(pid, &status, 0);
	if (status != 0)
		print_place(which);
	return status == 0;
}

static bool
try_places(void)
{
	pid_t pids[SHARDS];
	bool failed = false;
	int status;

	fflush(stdout);
	for (unsigned shard = 0; shard < SHARDS; shard++) {
		if ((pids[shard] = fork()) != 0)
			continue;
		for (size_t i = shard; i < place_count; i += SHARDS)
			failed |= !try_place(&places[i]);
		exit(failed);
	}
	for (unsigned shard = 0; shard < SHARDS; shard++) {
		waitpid(pids[shard], &status, 0);
		failed |= status != 0;
	}
	return !failed;
}

int
main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : POINTS_FEW;
	bool well;

	reached = mmap(NULL, sizeof(*reached), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	well = run(titles_are_made, 1) == 0 && run(nobody_dies, SHOWS) == 0;
	if (well) {
		for (unsigned i = 0; i < SHOWS; i++)
			list_places((enum show_kind)i);
		printf("%zu places to die at\n", place_count);
		if (argc > 5)
			take_place(argc - 1, argv + 1);
		else
			choose_places(count);
		well = try_places() && run(no_number_is_given_twice, 1) == 0;
		printf("%zu tried, %u deaths\n", place_count, *reached);
	}
	show_remove_titles();
	return well ? 0 : 1;
}
