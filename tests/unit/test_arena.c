/*
 * tests/unit/test_arena.c
 *    common/arena.c: alignment, zeroes, ceiling, reset, memory that ends.
 *
 * Does not measure speed.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "tests/unit/fail_alloc.h"
#include "tests/unit/runner.h"

/* One assertion for many bytes: each assertion of libcheck writes to its parent. */
static size_t count_bytes(const unsigned char *bytes, size_t n, size_t value)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += bytes[i] == value;
	return found;
}

START_TEST(pieces_are_zeroed_aligned_and_apart)
{
	struct pgs_arena arena = PGS_ARENA_INIT(10 * 1024 * 1024);
	unsigned char *pieces[400];

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < PGS_ARRAY_LEN(pieces); i++) {
			size_t size = i * 7 % 5000;

			pieces[i] = pgs_arena_alloc(&arena, size);
			ck_assert_ptr_nonnull(pieces[i]);
			ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
			ck_assert_uint_eq(count_bytes(pieces[i], size, 0), size);
			memset(pieces[i], (int)(i % 255) + 1, size);
		}
		for (size_t i = 0; i < PGS_ARRAY_LEN(pieces); i++)
			ck_assert_uint_eq(count_bytes(pieces[i], i * 7 % 5000, i % 255 + 1),
					  i * 7 % 5000);
		pgs_arena_reset(&arena);
		ck_assert_uint_eq(arena.used_bytes, 0);
	}
	pgs_arena_done(&arena);
	ck_assert_ptr_null(arena.blocks);
}
END_TEST

START_TEST(ceiling_is_exact)
{
	struct pgs_arena arena = PGS_ARENA_INIT(64);

	ck_assert_ptr_null(pgs_arena_alloc(&arena, 65));
	ck_assert_ptr_nonnull(pgs_arena_alloc(&arena, 33)); /* 48 with rounding */
	ck_assert_ptr_null(pgs_arena_alloc(&arena, 17));
	ck_assert_ptr_nonnull(pgs_arena_alloc(&arena, 16));
	ck_assert_uint_eq(arena.used_bytes, 64);
	ck_assert_ptr_null(pgs_arena_alloc(&arena, 0));
	pgs_arena_reset(&arena);
	ck_assert_ptr_nonnull(pgs_arena_alloc(&arena, 64));
	pgs_arena_done(&arena);
	ck_assert_uint_eq(arena.max_bytes, 64);
}
END_TEST

START_TEST(absurd_sizes_fail)
{
	struct pgs_arena arena = PGS_ARENA_INIT(SIZE_MAX);
	void *pieces[5];

	fail_alloc_after(0);
	pieces[0] = pgs_arena_alloc(&arena, SIZE_MAX);
	pieces[1] = pgs_arena_alloc(&arena, SIZE_MAX - 8);
	pieces[2] = pgs_arena_array(&arena, SIZE_MAX / 2, 3);
	pieces[3] = pgs_arena_array(&arena, (size_t)1 << 33, (size_t)1 << 33);
	pieces[4] = pgs_arena_memdup(&arena, "", SIZE_MAX);
	fail_alloc_never();
	for (size_t i = 0; i < PGS_ARRAY_LEN(pieces); i++)
		ck_assert_ptr_null(pieces[i]);
	ck_assert_uint_eq(arena.used_bytes, 0);
	pgs_arena_done(&arena);
}
END_TEST

/* Each failing allocation leaves an arena that goes on working once there is memory again. */
START_TEST(memory_that_ends)
{
	for (long n = 0; n < 6; n++) {
		struct pgs_arena arena = PGS_ARENA_INIT(64 * 1024 * 1024);
		size_t got = 0, used;

		fail_alloc_after(n);
		while (got < 100000 && pgs_arena_alloc(&arena, 1000))
			got++;
		used = arena.used_bytes;
		fail_alloc_never();
		ck_assert_uint_eq(used, got * 1008);
		ck_assert(n == 0 ? got == 0 : got > 0 && got < 100000);
		ck_assert_ptr_nonnull(pgs_arena_alloc(&arena, 1000));
		ck_assert_uint_eq(arena.used_bytes, used + 1008);
		pgs_arena_done(&arena);
	}
}
END_TEST

START_TEST(copies)
{
	struct pgs_arena arena = PGS_ARENA_INIT(1000);
	char *text = pgs_arena_strdup(&arena, "text");
	char *bytes = pgs_arena_memdup(&arena, "a\0b", 3);
	uint64_t *numbers = pgs_arena_array(&arena, 10, sizeof(*numbers));

	ck_assert_str_eq(text, "text");
	ck_assert_int_eq(memcmp(bytes, "a\0b\0", 4), 0);
	ck_assert_ptr_nonnull(numbers);
	ck_assert_uint_eq(numbers[9], 0);
	ck_assert_str_eq(pgs_arena_memdup(&arena, NULL, 0), "");
	pgs_arena_done(&arena);
}
END_TEST

/* What is kept is one small block, so that one huge window does not stay allocated for ever. */
START_TEST(reset_keeps_little)
{
	struct pgs_arena arena = PGS_ARENA_INIT(64 * 1024 * 1024);
	void *piece;

	ck_assert_ptr_nonnull(pgs_arena_alloc(&arena, 20 * 1024 * 1024));
	pgs_arena_reset(&arena);
	ck_assert_ptr_null(arena.blocks);
	ck_assert_ptr_nonnull(pgs_arena_alloc(&arena, 100));
	pgs_arena_reset(&arena);
	ck_assert_ptr_nonnull(arena.blocks);
	fail_alloc_after(0);
	piece = pgs_arena_alloc(&arena, 100); /* out of the kept block */
	fail_alloc_never();
	ck_assert_ptr_nonnull(piece);
	pgs_arena_done(&arena);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("arena");

	tcase_add_test(tc, pieces_are_zeroed_aligned_and_apart);
	tcase_add_test(tc, ceiling_is_exact);
	tcase_add_test(tc, absurd_sizes_fail);
	tcase_add_test(tc, memory_that_ends);
	tcase_add_test(tc, copies);
	tcase_add_test(tc, reset_keeps_little);
	return runner_run("arena", tc);
}
