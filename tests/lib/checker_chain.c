/*
 * tests/lib/checker_chain.c
 *    Comparison of rows: is a `before` what the last `after` said, and does a row belong to its key? Pure.
 */
#include "tests/lib/checker_parts.h"

/* Equal in every column that both have, and they have one in common. */
static bool same_where_known(struct piece a, struct piece b)
{
	struct piece name;
	struct piece value;
	size_t pos = 0;
	size_t common = 0;

	while (piece_next(a, &pos, &name, &value)) {
		struct piece found;
		struct piece other;
		size_t at = 0;

		while (piece_next(b, &at, &found, &other)) {
			if (!piece_equal(found, name))
				continue;
			if (!piece_equal(value, other))
				return false;
			common++;
			break;
		}
	}
	return common > 0;
}

static bool same_names(struct piece a, struct piece b)
{
	struct piece name;
	struct piece other;
	struct piece value;
	size_t pos = 0;
	size_t at = 0;

	while (piece_next(a, &pos, &name, &value))
		if (!piece_next(b, &at, &other, &value) || !piece_equal(name, other))
			return false;
	return !piece_next(b, &at, &other, &value);
}

bool checker_chained(struct piece last, struct piece before)
{
	if (piece_equal(last, before))
		return true;
	if (!last.ptr || !before.ptr)
		return false;
	/* Other columns: the set or the table was changed between the two. */
	return !same_names(last, before) && same_where_known(last, before);
}

bool checker_key_fits(struct piece key, struct piece row)
{
	struct piece payload;
	struct piece name;
	struct piece value;
	size_t pos = 0;

	if (piece_member(key, "payload", &payload))
		key = payload;
	while (piece_next(key, &pos, &name, &value)) {
		struct piece found;
		struct piece other;
		size_t at = 0;
		bool match = false;

		while (!match && piece_next(row, &at, &found, &other))
			match = piece_equal(found, name) && piece_equal(value, other);
		if (!match)
			return false;
	}
	return pos > 0;
}
