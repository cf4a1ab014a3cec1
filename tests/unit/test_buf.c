/*
 * tests/unit/test_buf.c
 *    common/buf.c: content, ceiling, memory that ends, numbers.
 *
 * Does not measure speed.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/runner.h"

START_TEST(grows_and_is_terminated)
{
	struct pgs_buf buf = PGS_BUF_INIT(100000);

	ck_assert_str_eq(pgs_buf_str(&buf), "");
	for (size_t i = 0; i < 5000; i++) {
		pgs_buf_putc(&buf, (char)('a' + i % 26));
		ck_assert_int_eq(buf.data[buf.len], '\0');
	}
	ck_assert_uint_eq(buf.len, 5000);
	for (size_t i = 0; i < 5000; i++)
		ck_assert_int_eq(buf.data[i], (char)('a' + i % 26));
	ck_assert(!pgs_buf_failed(&buf));
	pgs_buf_done(&buf);
	ck_assert_str_eq(pgs_buf_str(&buf), "");
	ck_assert_uint_eq(buf.max, 100000);
}
END_TEST

/* Every length up to the ceiling fits exactly; one more fails and keeps what was there. */
START_TEST(ceiling_is_exact)
{
	for (size_t max = 0; max < 300; max++) {
		struct pgs_buf buf = PGS_BUF_INIT(max);

		for (size_t i = 0; i < max; i++)
			pgs_buf_putc(&buf, 'x');
		ck_assert(!pgs_buf_failed(&buf));
		ck_assert_uint_eq(buf.len, max);
		ck_assert_uint_le(buf.cap, max + 1);
		pgs_buf_putc(&buf, 'y');
		ck_assert(pgs_buf_failed(&buf));
		ck_assert_uint_eq(buf.len, max);
		pgs_buf_puts(&buf, "");
		ck_assert(pgs_buf_failed(&buf));
		pgs_buf_reset(&buf);
		ck_assert(!pgs_buf_failed(&buf));
		ck_assert_uint_eq(buf.len, 0);
		pgs_buf_done(&buf);
	}
}
END_TEST

START_TEST(ceiling_holds_for_every_way_to_append)
{
	struct pgs_buf buf = PGS_BUF_INIT(4);

	pgs_buf_printf(&buf, "%d", 12345);
	ck_assert(pgs_buf_failed(&buf));
	ck_assert_uint_eq(buf.len, 0);
	pgs_buf_reset(&buf);
	pgs_buf_u64(&buf, 12345);
	ck_assert(pgs_buf_failed(&buf));
	pgs_buf_reset(&buf);
	pgs_buf_i64(&buf, -1234);
	ck_assert(pgs_buf_failed(&buf));
	pgs_buf_reset(&buf);
	pgs_buf_hex(&buf, "abc", 3);
	ck_assert(pgs_buf_failed(&buf));
	pgs_buf_reset(&buf);
	pgs_buf_lit(&buf, "abcd");
	ck_assert(!pgs_buf_failed(&buf));
	pgs_buf_put(&buf, "x", 0);
	ck_assert(!pgs_buf_failed(&buf));
	pgs_buf_done(&buf);
}
END_TEST

/* Sizes near the end of the address space must fail, not wrap. */
START_TEST(absurd_sizes_fail)
{
	const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 + 1,
				 (size_t)1 << 62 };

	for (size_t i = 0; i < PGS_ARRAY_LEN(sizes); i++) {
		struct pgs_buf buf = PGS_BUF_INIT(SIZE_MAX);
		bool grown;

		pgs_buf_lit(&buf, "kept");
		fail_alloc_after(0);
		grown = pgs_buf_grow(&buf, sizes[i]);
		fail_alloc_never();
		ck_assert(!grown);
		ck_assert(pgs_buf_failed(&buf));
		ck_assert_str_eq(pgs_buf_str(&buf), "kept");
		ck_assert_ptr_null(pgs_buf_steal(&buf));
		pgs_buf_done(&buf);
	}
}
END_TEST

START_TEST(memory_that_ends_keeps_what_was_there)
{
	for (long n = 0; n < 4; n++) {
		struct pgs_buf buf = PGS_BUF_INIT(100000);
		size_t fits = n ? ((size_t)64 << (n - 1)) - 1 : 0;

		fail_alloc_after(n);
		for (size_t i = 0; i < 1000; i++)
			pgs_buf_putc(&buf, 'x');
		pgs_buf_printf(&buf, "more");
		fail_alloc_never();
		ck_assert(pgs_buf_failed(&buf));
		ck_assert_uint_eq(buf.len, fits);
		ck_assert_uint_eq(strlen(pgs_buf_str(&buf)), fits);
		pgs_buf_reset(&buf);
		pgs_buf_lit(&buf, "again");
		ck_assert_str_eq(pgs_buf_str(&buf), "again");
		pgs_buf_done(&buf);
	}
}
END_TEST

START_TEST(numbers)
{
	const int64_t values[] = { 0,  1,   -1,        9,         10,           -10,
				   99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1 };

	for (size_t i = 0; i < PGS_ARRAY_LEN(values); i++) {
		struct pgs_buf buf = PGS_BUF_INIT(64);
		char want[64];

		(void)snprintf(want, sizeof(want), "%" PRId64, values[i]);
		pgs_buf_i64(&buf, values[i]);
		ck_assert_str_eq(pgs_buf_str(&buf), want);
		pgs_buf_reset(&buf);
		(void)snprintf(want, sizeof(want), "%" PRIu64, (uint64_t)values[i]);
		pgs_buf_u64(&buf, (uint64_t)values[i]);
		ck_assert_str_eq(pgs_buf_str(&buf), want);
		pgs_buf_done(&buf);
	}
}
END_TEST

START_TEST(hex_and_printf)
{
	struct pgs_buf buf = PGS_BUF_INIT(1000);

	pgs_buf_hex(&buf, "\x00\x0f\xf0\xff", 4);
	pgs_buf_printf(&buf, "-%s-%200d", "x", 1);
	ck_assert_uint_eq(buf.len, 8 + 3 + 200);
	ck_assert_int_eq(strncmp(pgs_buf_str(&buf), "000ff0ff-x- ", 12), 0);
	pgs_buf_done(&buf);
}
END_TEST

START_TEST(zero_bytes_are_bytes)
{
	struct pgs_buf buf = PGS_BUF_INIT(10);

	pgs_buf_put(&buf, "a\0b", 3);
	ck_assert_uint_eq(buf.len, 3);
	ck_assert_int_eq(memcmp(buf.data, "a\0b\0", 4), 0);
	pgs_buf_done(&buf);
}
END_TEST

START_TEST(steal_hands_over)
{
	struct pgs_buf buf = PGS_BUF_INIT(10);
	char *text = pgs_buf_steal(&buf);

	ck_assert_str_eq(text, "");
	free(text);
	pgs_buf_lit(&buf, "abc");
	text = pgs_buf_steal(&buf);
	ck_assert_str_eq(text, "abc");
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.max, 10);
	free(text);
	pgs_buf_done(&buf);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("buf");

	tcase_add_test(tc, grows_and_is_terminated);
	tcase_add_test(tc, ceiling_is_exact);
	tcase_add_test(tc, ceiling_holds_for_every_way_to_append);
	tcase_add_test(tc, absurd_sizes_fail);
	tcase_add_test(tc, memory_that_ends_keeps_what_was_there);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, hex_and_printf);
	tcase_add_test(tc, zero_bytes_are_bytes);
	tcase_add_test(tc, steal_hands_over);
	return runner_run("buf", tc);
}
