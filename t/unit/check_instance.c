/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pid file, lock and status file of an instance, in a folder of the test's
 * own; processes are real ones.
 */
#include "server/instance.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static struct instance instance;

static void
make_folder(void)
{
	strcpy(folder, "/tmp/check-instance-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	instance = (struct instance){ .name = "one", .lock = -1 };
	snprintf(
	    instance.pid_file, sizeof(instance.pid_file), "%s/one.pid", folder);
	snprintf(instance.status_file, sizeof(instance.status_file),
	    "%s/one.status", folder);
}

static void
remove_folder(void)
{
	instance_release(&instance);
	unlink(instance.pid_file);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* A master that lives until its END of the pipe closes, or is killed. */
static pid_t
start_master(int *end)
{
	int started[2], stop[2];
	char byte = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(started), 0);
	ck_assert_int_eq(pipe(stop), 0);
	if ((pid = fork()) == 0) {
		close(stop[1]);
		byte = instance_claim(&instance) == 0;
		(void)!write(started[1], &byte, 1);
		(void)!read(stop[0], &byte, 1);
		instance_release(&instance);
		_exit(0);
	}
	ck_assert_int_eq(read(started[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 1);
	close(started[0]);
	close(started[1]);
	close(stop[0]);
	*end = stop[1];
	return pid;
}

START_TEST(a_master_is_found_by_its_lock)
{
	int end, status;
	pid_t pid;

	ck_assert_int_eq(instance_master(&instance), 0);
	pid = start_master(&end);
	ck_assert_int_eq(instance_master(&instance), pid);
	close(end);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(instance_master(&instance), 0);
	ck_assert_int_ne(access(instance.pid_file, F_OK), 0);
}
END_TEST

START_TEST(a_second_master_is_refused)
{
	int end, status;
	pid_t pid = start_master(&end);

	ck_assert_int_eq(instance_claim(&instance), -EBUSY);
	ck_assert_int_eq(instance_master(&instance), pid);
	close(end);
	waitpid(pid, &status, 0);
}
END_TEST

START_TEST(what_a_killed_master_left_deceives_nobody)
{
	int end, status;
	pid_t pid = start_master(&end);

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(end);
	ck_assert_int_eq(access(instance.pid_file, F_OK), 0);
	ck_assert_int_eq(instance_master(&instance), 0);
	ck_assert_int_eq(instance_claim(&instance), 0);
}
END_TEST

START_TEST(a_file_with_the_number_of_another_process_means_nothing)
{
	FILE *stream = fopen(instance.pid_file, "w");

	fprintf(stream, "%d\n", (int)getppid());
	fclose(stream);
	ck_assert_int_eq(instance_master(&instance), 0);
}
END_TEST

START_TEST(the_pid_file_is_readable_whatever_the_umask)
{
	struct stat status;

	umask(077);
	ck_assert_int_eq(instance_claim(&instance), 0);
	ck_assert_int_eq(stat(instance.pid_file, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0644);
}
END_TEST

START_TEST(a_link_in_the_place_of_the_pid_file_is_not_followed)
{
	char target[300];

	snprintf(target, sizeof(target), "%s/target", folder);
	ck_assert_int_eq(symlink(target, instance.pid_file), 0);
	ck_assert_int_eq(instance_claim(&instance), -ELOOP);
	ck_assert_int_ne(access(target, F_OK), 0);
}
END_TEST

START_TEST(a_status_is_read_as_it_was_written)
{
	const struct instance_status written = {
		.state = "serving",
		.generation = 7,
		.reloads_begun = 9,
		.reloads_done = 8,
		.outcome = INSTANCE_REFUSED,
		.message = "/etc/vodd.conf:3: no such setting",
		.listen = "127.0.0.1:554 [::1]:554",
	};
	struct instance_status got;

	ck_assert_int_eq(instance_write_status(&instance, &written), 0);
	ck_assert_int_eq(instance_read_status(&instance, &got), 0);
	ck_assert_str_eq(got.state, written.state);
	ck_assert_uint_eq(got.generation, 7);
	ck_assert_uint_eq(got.reloads_begun, 9);
	ck_assert_uint_eq(got.reloads_done, 8);
	ck_assert_int_eq(got.outcome, INSTANCE_REFUSED);
	ck_assert_str_eq(got.message, written.message);
	ck_assert_str_eq(got.listen, written.listen);
	ck_assert_int_eq(unlink(instance.status_file), 0);
	ck_assert_int_eq(instance_read_status(&instance, &got), -ENOENT);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("instance");
	TCase *cases = tcase_create("instance");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, make_folder, remove_folder);
	tcase_add_test(cases, a_master_is_found_by_its_lock);
	tcase_add_test(cases, a_second_master_is_refused);
	tcase_add_test(cases, what_a_killed_master_left_deceives_nobody);
	tcase_add_test(
	    cases, a_file_with_the_number_of_another_process_means_nothing);
	tcase_add_test(cases, the_pid_file_is_readable_whatever_the_umask);
	tcase_add_test(
	    cases, a_link_in_the_place_of_the_pid_file_is_not_followed);
	tcase_add_test(cases, a_status_is_read_as_it_was_written);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
