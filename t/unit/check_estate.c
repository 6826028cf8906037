/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a master leaves to the next one, through both carriers; what is not what
 * it is said to be is refused, and nothing stays open.
 */
#include "server/estate.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

static struct estate estate;
static char door_path[64];

static unsigned
open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static int
some_table(void)
{
	int fd = memfd_create("table", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static int
some_listener(void)
{
	union sock_address address;
	int fd;

	ck_assert_int_eq(sock_address_parse("127.0.0.1:0", &address), 0);
	fd = sock_listen(&address, 1);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* A connected TCP socket; its other end closes. */
static int
some_connection(void)
{
	union sock_address address;
	socklen_t length = sizeof(address);
	int listener = some_listener();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(getsockname(listener, &address.any, &length), 0);
	ck_assert_int_eq(
	    connect(fd, &address.any, sock_address_length(&address)), 0);
	close(listener);
	return fd;
}

static int
some_door(void)
{
	int fd = sock_local_listen(door_path);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Two lanes, the second with a worker. */
static void
fill(void)
{
	int ends[2];

	snprintf(door_path, sizeof(door_path), "/tmp/check-estate-%d",
	    (int)getpid());
	estate_init(&estate);
	estate.table = some_table();
	estate.media_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	estate.lanes[0].media_root =
	    open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	estate.hash_seed = 0x123456789abcdef0;
	estate.listeners[estate.listener_count++] = some_listener();
	estate.listeners[estate.listener_count++] = some_listener();
	ck_assert_int_eq(
	    sock_pair_open(AF_INET, 0, 0, &estate.lanes[0].pairs[0]), 0);
	estate.lanes[1].door = some_door();
	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
	close(ends[1]);
	estate.lanes[1].channel = ends[0];
	estate.lanes[1].pid = getpid();
	estate.lanes[1].state = ESTATE_SERVED | ESTATE_READY;
}

static void
empty(void)
{
	estate_close(&estate);
	unlink(door_path);
}

static bool
same_file(int a, int b)
{
	struct stat left, right;

	ck_assert_int_eq(fstat(a, &left), 0);
	ck_assert_int_eq(fstat(b, &right), 0);
	return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/* --- a memfd ----------------------------------------------------------------
 */
START_TEST(a_memfd_holds_all_of_it)
{
	struct estate read;
	int fd, connection = some_connection();
	uint64_t cookie = sock_cookie(connection);
	uint16_t port = estate.lanes[0].pairs[0].port;

	ck_assert_int_eq(
	    estate_add_connection(&estate, 1, 77, cookie, connection), 0);
	fd = estate_write(&estate);
	ck_assert_int_ge(fd, 0);
	estate_keep(&estate, true);
	estate_init(&read);
	ck_assert_int_eq(estate_read(fd, &read), 0);
	ck_assert(estate_is_alive(&read));
	ck_assert_int_eq(read.table, estate.table);
	ck_assert_int_eq(read.media_root, estate.media_root);
	ck_assert_int_eq(read.lanes[0].media_root, estate.lanes[0].media_root);
	ck_assert_uint_eq(read.hash_seed, estate.hash_seed);
	ck_assert_uint_eq(read.listener_count, 2);
	ck_assert_int_eq(read.listeners[1], estate.listeners[1]);
	ck_assert_uint_eq(read.lanes[0].pairs[0].port, port);
	ck_assert_int_eq(read.lanes[0].pairs[0].family, AF_INET);
	ck_assert_int_eq(read.lanes[0].pid, 0);
	ck_assert_int_eq(read.lanes[1].pid, getpid());
	ck_assert_int_eq(read.lanes[1].channel, estate.lanes[1].channel);
	ck_assert_int_eq(read.lanes[1].door, estate.lanes[1].door);
	ck_assert_uint_eq(read.lanes[1].state, ESTATE_SERVED | ESTATE_READY);
	ck_assert_uint_eq(read.connection_count, 1);
	ck_assert_uint_eq(read.connections[0].lane, 1);
	ck_assert_uint_eq(read.connections[0].record, 77);
	ck_assert_uint_eq(read.connections[0].cookie, cookie);
	/* Nothing of it survives the next exec by accident. */
	ck_assert_int_eq(fcntl(read.table, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(connection, F_GETFD), FD_CLOEXEC);
	estate_free(&read);
	close(fd);
}
END_TEST

START_TEST(a_thousand_connections_go_along)
{
	struct estate read;
	int fd, connection = some_connection();
	uint64_t cookie = sock_cookie(connection);

	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_int_eq(estate_add_connection(&estate, 1, i, cookie,
				     fcntl(connection, F_DUPFD, 0)),
		    0);
	close(connection);
	fd = estate_write(&estate);
	estate_keep(&estate, true);
	estate_init(&read);
	ck_assert_int_eq(estate_read(fd, &read), 0);
	ck_assert_uint_eq(read.connection_count, 1000);
	ck_assert_uint_eq(read.connections[999].record, 999);
	estate_free(&read);
	close(fd);
}
END_TEST

START_TEST(a_descriptor_that_was_not_kept_is_found_out)
{
	struct estate read;
	int fd = estate_write(&estate);

	estate_init(&read);
	ck_assert_int_eq(estate_read(fd, &read), -EBADF);
	ck_assert_ptr_nonnull(read.fault);
	estate_free(&read);
	/* Who only looks does not mind. */
	ck_assert_int_eq(estate_look(fd, &read), 0);
	ck_assert_int_eq(read.table, estate.table);
	close(fd);
}
END_TEST

START_TEST(a_memfd_that_was_cut_is_refused_at_every_length)
{
	struct stat status;
	struct estate read;
	int fd = estate_write(&estate), result;

	ck_assert_int_eq(fstat(fd, &status), 0);
	for (off_t size = status.st_size - 1; size >= 0; size -= 5) {
		ck_assert_int_eq(ftruncate(fd, size), 0);
		estate_keep(&estate, true);
		estate_init(&read);
		result = estate_read(fd, &read);
		ck_assert_int_eq(result, -EBADMSG);
		ck_assert_ptr_nonnull(read.fault);
		estate_free(&read);
	}
	close(fd);
}
END_TEST

START_TEST(another_version_is_told_from_no_estate)
{
	struct estate read;
	const uint32_t version = ESTATE_VERSION + 1;
	const uint64_t magic = 1;
	int fd = estate_write(&estate);

	ck_assert_int_eq(pwrite(fd, &version, sizeof(version), 8), 4);
	estate_init(&read);
	ck_assert_int_eq(estate_read(fd, &read), -EPROTO);
	ck_assert_int_eq(estate_look(fd, &read), -EPROTO);
	ck_assert_int_eq(pwrite(fd, &magic, sizeof(magic), 0), 8);
	ck_assert_int_eq(estate_read(fd, &read), -EBADMSG);
	close(fd);
}
END_TEST

/* --- a channel --------------------------------------------------------------
 */
static int ends[2];

static void
fill_and_connect(void)
{
	fill();
	ck_assert_int_eq(sock_seqpacket_pair(ends), 0);
}

static void
empty_and_close(void)
{
	empty();
	close(ends[0]);
	close(ends[1]);
}

START_TEST(a_channel_carries_it_without_channels_and_connections)
{
	struct estate received;
	const char behind = 'b';
	char byte;

	ck_assert_int_eq(
	    estate_add_connection(&estate, 1, 77, 1, some_connection()), 0);
	estate_init(&received);
	ck_assert_int_eq(estate_receive(ends[1], &received), -EAGAIN);
	ck_assert_int_eq(estate_send(&estate, ends[0]), 0);
	ck_assert_int_eq(send(ends[0], &behind, 1, 0), 1);
	ck_assert_int_eq(estate_receive(ends[1], &received), 1);
	ck_assert(same_file(received.table, estate.table));
	ck_assert_int_ne(received.table, estate.table);
	ck_assert_uint_eq(received.listener_count, 2);
	ck_assert_uint_eq(sock_cookie(received.listeners[1]),
	    sock_cookie(estate.listeners[1]));
	ck_assert_int_ne(received.lanes[0].pairs[0].rtcp, -1);
	ck_assert_int_ne(received.lanes[1].door, -1);
	ck_assert(!estate_is_alive(&received));
	ck_assert_uint_eq(received.connection_count, 0);
	/* What comes behind it is left alone. */
	ck_assert_int_eq(recv(ends[1], &byte, 1, 0), 1);
	estate_close(&received);
}
END_TEST

START_TEST(a_channel_that_ends_early_is_an_error)
{
	struct estate received;

	estate_init(&received);
	shutdown(ends[0], SHUT_WR);
	ck_assert_int_eq(estate_receive(ends[1], &received), -ECONNRESET);
	ck_assert_ptr_nonnull(received.fault);
	estate_close(&received);
}
END_TEST

/* clang-format off */
static const struct {
	const char *what;
	size_t at; /* of the descriptor in struct estate */
	int (*other)(void);
} wrong[] = {
#define WRONG(field, other) { #field, offsetof(struct estate, field), other }
	WRONG(table, some_listener),
	WRONG(media_root, some_table),
	WRONG(lanes[0].media_root, some_table),
	WRONG(listeners[0], some_connection),
	WRONG(listeners[0], some_table),
	WRONG(listeners[1], some_door),
	WRONG(lanes[0].pairs[0].rtp, some_listener),
	WRONG(lanes[0].pairs[0].rtcp, some_connection),
	WRONG(lanes[1].door, some_listener),
#undef WRONG
};
/* clang-format on */

START_TEST(what_is_something_else_is_refused)
{
	unsigned before;
	struct estate received;
	int *field = (int *)(void *)((char *)&estate + wrong[_i].at);
	int other = wrong[_i].other(), kept = *field;

	*field = other;
	before = open_descriptors();
	estate_init(&received);
	ck_assert_int_eq(estate_send(&estate, ends[0]), 0);
	ck_assert_msg(estate_receive(ends[1], &received) == -EBADMSG,
	    "%s may be anything", wrong[_i].what);
	ck_assert_ptr_nonnull(received.fault);
	estate_close(&received);
	ck_assert_uint_eq(open_descriptors(), before);
	*field = kept;
	close(other);
}
END_TEST

START_TEST(halves_of_two_pairs_are_no_pair)
{
	struct sock_pair *pair = &estate.lanes[0].pairs[0], other;
	struct estate received;

	ck_assert_int_eq(sock_pair_open(AF_INET, 0, 0, &other), 0);
	close(pair->rtcp);
	pair->rtcp = other.rtcp;
	other.rtcp = -1;
	estate_init(&received);
	ck_assert_int_eq(estate_send(&estate, ends[0]), 0);
	ck_assert_int_eq(estate_receive(ends[1], &received), -EBADMSG);
	estate_close(&received);
	sock_pair_close(&other);
}
END_TEST

START_TEST(half_a_pair_is_no_pair)
{
	struct estate received;
	int *rtcp = &estate.lanes[0].pairs[0].rtcp;

	close(*rtcp);
	*rtcp = -1;
	estate_init(&received);
	ck_assert_int_eq(estate_send(&estate, ends[0]), 0);
	ck_assert_int_eq(estate_receive(ends[1], &received), -EBADMSG);
	estate_close(&received);
}
END_TEST

START_TEST(without_a_table_it_is_no_estate)
{
	struct estate received;

	close(estate.table);
	estate.table = -1;
	estate_init(&received);
	ck_assert_int_eq(estate_send(&estate, ends[0]), 0);
	ck_assert_int_eq(estate_receive(ends[1], &received), -EBADMSG);
	estate_close(&received);
}
END_TEST

START_TEST(messages_that_are_no_items_are_refused)
{
	static const char garbage[64] = { 1, 2, 3 };
	struct estate received;

	for (size_t size = 1; size <= sizeof(garbage); size++) {
		estate_init(&received);
		ck_assert_int_eq(
		    sock_send_fds(ends[0], garbage, size, &ends[0], 1), 0);
		ck_assert_int_lt(estate_receive(ends[1], &received), 0);
		ck_assert_ptr_nonnull(received.fault);
		estate_close(&received);
	}
}
END_TEST

/* --- from several orphans --------------------------------------------------
 */
static void
receive_copy(struct estate *out)
{
	estate_init(out);
	ck_assert_int_eq(estate_send(&estate, ends[0]), 0);
	ck_assert_int_eq(estate_receive(ends[1], out), 1);
}

START_TEST(lanes_are_merged_and_what_they_share_is_kept_once)
{
	struct estate whole, part;
	unsigned before = open_descriptors();

	estate_init(&whole);
	for (uint32_t lane = 0; lane < 2; lane++) {
		receive_copy(&part);
		ck_assert(estate_merge(&whole, &part, lane));
		ck_assert_int_eq(part.table, -1);
	}
	ck_assert_uint_eq(whole.listener_count, 2);
	ck_assert_uint_eq(whole.hash_seed, estate.hash_seed);
	ck_assert_int_ne(whole.lanes[0].pairs[0].rtp, -1);
	ck_assert_int_ne(whole.lanes[1].door, -1);
	/* table, media root, two listeners, a pair, a door */
	ck_assert_uint_eq(open_descriptors(), before + 7);
	estate_close(&whole);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_lane_speaks_for_no_other)
{
	struct estate whole, part;

	estate_init(&whole);
	receive_copy(&part);
	ck_assert(estate_merge(&whole, &part, 1));
	ck_assert_int_eq(whole.lanes[0].pairs[0].rtp, -1);
	estate_close(&whole);
}
END_TEST

START_TEST(another_table_is_not_merged)
{
	struct estate whole, part;

	estate_init(&whole);
	receive_copy(&part);
	ck_assert(estate_merge(&whole, &part, 0));
	close(estate.table);
	estate.table = some_table();
	receive_copy(&part);
	ck_assert(!estate_merge(&whole, &part, 1));
	ck_assert_int_eq(whole.lanes[1].door, -1);
	estate_close(&part);
	estate_close(&whole);
}
END_TEST

static TCase *
memfd_tests(void)
{
	TCase *tests = tcase_create("memfd");

	tcase_add_checked_fixture(tests, fill, empty);
	tcase_add_test(tests, a_memfd_holds_all_of_it);
	tcase_add_test(tests, a_thousand_connections_go_along);
	tcase_add_test(tests, a_descriptor_that_was_not_kept_is_found_out);
	tcase_add_test(tests, a_memfd_that_was_cut_is_refused_at_every_length);
	tcase_add_test(tests, another_version_is_told_from_no_estate);
	return tests;
}

static TCase *
channel_tests(void)
{
	TCase *tests = tcase_create("channel");

	tcase_add_checked_fixture(tests, fill_and_connect, empty_and_close);
	tcase_add_test(
	    tests, a_channel_carries_it_without_channels_and_connections);
	tcase_add_test(tests, a_channel_that_ends_early_is_an_error);
	tcase_add_loop_test(tests, what_is_something_else_is_refused, 0,
	    (int)ARRAY_LENGTH(wrong));
	tcase_add_test(tests, halves_of_two_pairs_are_no_pair);
	tcase_add_test(tests, half_a_pair_is_no_pair);
	tcase_add_test(tests, without_a_table_it_is_no_estate);
	tcase_add_test(tests, messages_that_are_no_items_are_refused);
	tcase_add_test(
	    tests, lanes_are_merged_and_what_they_share_is_kept_once);
	tcase_add_test(tests, a_lane_speaks_for_no_other);
	tcase_add_test(tests, another_table_is_not_merged);
	return tests;
}

int
main(void)
{
	Suite *suite = suite_create("estate");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, memfd_tests());
	suite_add_tcase(suite, channel_tests());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
