/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_bytes - the rules of base/bytes.
 */
#include "base/bytes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t sample[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };

START_TEST(integers_are_read_in_either_byte_order)
{
	struct bytes_reader reader = bytes_reader(sample, sizeof(sample));

	ck_assert_uint_eq(bytes_u8(&reader), 1);
	ck_assert_uint_eq(bytes_u16le(&reader), 0x0302);
	ck_assert_uint_eq(bytes_u16be(&reader), 0x0405);
	ck_assert_uint_eq(bytes_u32le(&reader), 0x09080706);
	ck_assert_uint_eq(bytes_left(&reader), 2);
	reader = bytes_reader(sample, sizeof(sample));
	ck_assert_uint_eq(bytes_u64le(&reader), UINT64_C(0x0807060504030201));
	reader = bytes_reader(sample, sizeof(sample));
	ck_assert_uint_eq(bytes_u32be(&reader), 0x01020304);
	ck_assert(!reader.failed);
}
END_TEST

START_TEST(reading_beyond_the_end_yields_0_and_sticks)
{
	struct bytes_reader reader = bytes_reader(sample, 3);

	ck_assert_uint_eq(bytes_u32le(&reader), 0);
	ck_assert(reader.failed);
	ck_assert_uint_eq(bytes_u8(&reader), 0);
	ck_assert_ptr_null(bytes_take(&reader, 1));
	ck_assert(!bytes_skip(&reader, 0));
	ck_assert_uint_eq(bytes_left(&reader), 3);
}
END_TEST

START_TEST(the_last_byte_can_be_read)
{
	struct bytes_reader reader = bytes_reader(sample, 3);

	ck_assert_ptr_eq(bytes_take(&reader, 3), sample);
	ck_assert_uint_eq(bytes_left(&reader), 0);
	ck_assert_ptr_nonnull(bytes_take(&reader, 0));
	ck_assert(!reader.failed);
}
END_TEST

START_TEST(nothing_of_nothing_can_be_taken)
{
	struct bytes_reader reader = bytes_reader(NULL, 0);

	ck_assert_ptr_nonnull(bytes_take(&reader, 0));
	ck_assert(bytes_skip(&reader, 0));
	ck_assert_uint_eq(bytes_u8(&reader), 0);
	ck_assert(reader.failed);
}
END_TEST

START_TEST(skips_of_64_bits_do_not_wrap)
{
	struct bytes_reader reader = bytes_reader(sample, sizeof(sample));

	ck_assert(bytes_skip(&reader, 4));
	ck_assert_uint_eq(bytes_u8(&reader), 5);
	ck_assert(!bytes_skip(&reader, UINT64_MAX));
	ck_assert(reader.failed);
	ck_assert_uint_eq(reader.at, 5);
}
END_TEST

START_TEST(integers_are_written_in_either_byte_order)
{
	static const uint8_t wanted[] = { 1, 3, 2, 4, 5, 9, 8, 7, 6, 10, 11, 12,
		13, 8, 7, 6, 5, 4, 3, 2, 1 };
	uint8_t buffer[sizeof(wanted)];
	struct bytes_writer writer = bytes_writer(buffer, sizeof(buffer));

	bytes_put_u8(&writer, 1);
	bytes_put_u16le(&writer, 0x0203);
	bytes_put_u16be(&writer, 0x0405);
	bytes_put_u32le(&writer, 0x06070809);
	bytes_put_u32be(&writer, 0x0a0b0c0d);
	bytes_put_u64le(&writer, UINT64_C(0x0102030405060708));
	ck_assert(!writer.failed);
	ck_assert_uint_eq(writer.at, sizeof(wanted));
	ck_assert_mem_eq(buffer, wanted, sizeof(wanted));
}
END_TEST

START_TEST(writing_beyond_the_end_writes_nothing_and_sticks)
{
	uint8_t buffer[8];
	struct bytes_writer writer = bytes_writer(buffer, 3);

	memset(buffer, 0xee, sizeof(buffer));
	bytes_put_u32be(&writer, 0);
	ck_assert(writer.failed);
	bytes_put_u8(&writer, 0);
	bytes_put(&writer, "", 1);
	bytes_put_text(&writer, "x");
	bytes_printf(&writer, "x");
	bytes_put_base64(&writer, "x", 1);
	ck_assert_uint_eq(writer.at, 0);
	for (size_t i = 0; i < sizeof(buffer); i++)
		ck_assert_uint_eq(buffer[i], 0xee);
}
END_TEST

START_TEST(text_may_fill_the_buffer_to_its_end)
{
	char buffer[5] = "....!";
	struct bytes_writer writer = bytes_writer(buffer, 4);

	bytes_put_text(&writer, "RTSP");
	ck_assert(!writer.failed);
	ck_assert_mem_eq(buffer, "RTSP!", 5);
}
END_TEST

START_TEST(formatted_text_needs_a_byte_to_spare)
{
	char buffer[9] = "........!";
	struct bytes_writer writer = bytes_writer(buffer, 8);

	bytes_printf(&writer, "%d ", 1234);
	ck_assert_uint_eq(writer.at, 5);
	bytes_printf(&writer, "%s", "abc");
	ck_assert(writer.failed);
	ck_assert_uint_eq(writer.at, 5);
	ck_assert_mem_eq(buffer, "1234 ", 5);
	ck_assert_int_eq(buffer[8], '!');

	writer = bytes_writer(NULL, 0);
	bytes_printf(&writer, "%s", "");
	ck_assert(writer.failed);
}
END_TEST

/* RFC 4648 10: the test vectors. */
static const char *const base64[][2] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xfe\xfd\xfb\xef\xbf", "//79+++/" },
};

START_TEST(base64_is_as_in_rfc_4648)
{
	const char *wanted = base64[_i][1];
	char buffer[16];
	struct bytes_writer writer = bytes_writer(buffer, strlen(wanted));

	bytes_put_base64(&writer, base64[_i][0], strlen(base64[_i][0]));
	ck_assert(!writer.failed);
	ck_assert_uint_eq(writer.at, strlen(wanted));
	ck_assert_mem_eq(buffer, wanted, strlen(wanted));

	if (writer.at == 0)
		return;
	writer = bytes_writer(buffer, strlen(wanted) - 1);
	bytes_put_base64(&writer, base64[_i][0], strlen(base64[_i][0]));
	ck_assert(writer.failed);
	ck_assert_uint_eq(writer.at, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("bytes");
	TCase *tests = tcase_create("bytes");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, integers_are_read_in_either_byte_order);
	tcase_add_test(tests, reading_beyond_the_end_yields_0_and_sticks);
	tcase_add_test(tests, the_last_byte_can_be_read);
	tcase_add_test(tests, nothing_of_nothing_can_be_taken);
	tcase_add_test(tests, skips_of_64_bits_do_not_wrap);
	tcase_add_test(tests, integers_are_written_in_either_byte_order);
	tcase_add_test(tests, writing_beyond_the_end_writes_nothing_and_sticks);
	tcase_add_test(tests, text_may_fill_the_buffer_to_its_end);
	tcase_add_test(tests, formatted_text_needs_a_byte_to_spare);
	tcase_add_loop_test(
	    tests, base64_is_as_in_rfc_4648, 0, (int)ARRAY_LENGTH(base64));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
