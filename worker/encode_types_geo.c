/*
 * worker/encode_types_geo.c
 *    PostgreSQL's geometric types as Debezium's structs: coordinates in Java's number format and WKB.
 *
 * No PostGIS: its types are unknown to the table and stay text.
 */
#include "worker/encode_part.h"

/* A ceiling for one coordinate's text: "-1.7976931348623157e+308" has 24 characters. */
enum { NUMBER_MAX = 32 };

struct shape {
	struct event_text text;
	uint32_t at;
};

static bool skip(struct shape *s, char c)
{
	if (s->at == s->text.len || s->text.text[s->at] != c)
		return false;
	s->at++;
	return true;
}

/* The text of the next number, up to one of , ) } > */
static bool next_number(struct shape *s, char ret[NUMBER_MAX])
{
	size_t n = 0;
	while (s->at < s->text.len && !memchr(",)}>", s->text.text[s->at], 4) && n + 1 < NUMBER_MAX)
		ret[n++] = s->text.text[s->at++];
	ret[n] = '\0';
	return n > 0;
}

struct xy {
	char x[NUMBER_MAX];
	char y[NUMBER_MAX];
};

/* (x,y) */
static bool next_point(struct shape *s, struct xy *ret)
{
	return skip(s, '(') && next_number(s, ret->x) && skip(s, ',') && next_number(s, ret->y) &&
	       skip(s, ')');
}

static void wkb_u32(struct pgs_buf *wkb, uint32_t n)
{
	const unsigned char bytes[4] = { (unsigned char)n, (unsigned char)(n >> 8),
					 (unsigned char)(n >> 16), (unsigned char)(n >> 24) };
	pgs_buf_put(wkb, bytes, sizeof(bytes));
}

/* Little endian, as the byte order mark at the front says. */
static bool wkb_double(struct pgs_buf *wkb, const char *text)
{
	char *end;
	const double d = strtod(text, &end);
	uint64_t bits;
	memcpy(&bits, &d, sizeof(bits));
	wkb_u32(wkb, (uint32_t)bits);
	wkb_u32(wkb, (uint32_t)(bits >> 32));
	return *end == '\0';
}

static bool wkb_point(struct pgs_buf *wkb, const struct xy *p)
{
	return wkb_double(wkb, p->x) && wkb_double(wkb, p->y);
}

static void wkb_begin(struct pgs_buf *wkb, uint32_t kind)
{
	pgs_buf_reset(wkb);
	pgs_buf_putc(wkb, 1);
	wkb_u32(wkb, kind);
}

enum { WKB_POINT = 1, WKB_LINESTRING = 2, WKB_POLYGON = 3 };

static bool put_number(struct pgs_buf *out, const char *text)
{
	return encode_java_float(out, text, strlen(text), true);
}

static bool put_point(struct value_scratch *scratch, const struct xy *p, struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"x\":");
	if (!put_number(out, p->x))
		return false;
	pgs_buf_lit(out, ",\"y\":");
	if (!put_number(out, p->y))
		return false;
	wkb_begin(&scratch->bytes, WKB_POINT);
	if (!wkb_point(&scratch->bytes, p))
		return false;
	pgs_buf_lit(out, ",\"wkb\":\"");
	encode_json_base64(out, pgs_buf_str(&scratch->bytes), scratch->bytes.len);
	pgs_buf_lit(out, "\",\"srid\":null}");
	return true;
}

static void put_geometry(struct value_scratch *scratch, const char *type, const char *more,
			 struct pgs_buf *out)
{
	pgs_buf_lit(out, "{\"wkb\":\"");
	encode_json_base64(out, pgs_buf_str(&scratch->bytes), scratch->bytes.len);
	pgs_buf_lit(out, "\",\"srid\":null,\"extensions\":{\"type\":\"");
	pgs_buf_puts(out, type);
	pgs_buf_putc(out, '"');
	pgs_buf_puts(out, more);
	pgs_buf_lit(out, "}}");
}

bool encode_value_point(const struct value_encoder *ve, struct value_scratch *scratch,
			struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	struct shape s = { .text = text };
	struct xy p;
	return next_point(&s, &p) && s.at == text.len && put_point(scratch, &p, out);
}

/* {A,B,C} */
bool encode_value_line(const struct value_encoder *ve, struct value_scratch *scratch,
		       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	(void)scratch;
	static const char *const open[3] = { "{\"a\":", ",\"b\":", ",\"c\":" };
	struct shape s = { .text = text };
	for (int i = 0; i < 3; i++) {
		char number[NUMBER_MAX];
		if (!skip(&s, i == 0 ? '{' : ',') || !next_number(&s, number))
			return false;
		pgs_buf_puts(out, open[i]);
		if (!put_number(out, number))
			return false;
	}
	pgs_buf_putc(out, '}');
	return skip(&s, '}') && s.at == text.len;
}

/* <(x,y),r> */
bool encode_value_circle(const struct value_encoder *ve, struct value_scratch *scratch,
			 struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	struct shape s = { .text = text };
	struct xy center;
	char radius[NUMBER_MAX];
	if (!skip(&s, '<') || !next_point(&s, &center) || !skip(&s, ',') ||
	    !next_number(&s, radius) || !skip(&s, '>') || s.at != text.len)
		return false;
	pgs_buf_lit(out, "{\"center\":");
	if (!put_point(scratch, &center, out))
		return false;
	pgs_buf_lit(out, ",\"radius\":");
	if (!put_number(out, radius))
		return false;
	pgs_buf_putc(out, '}');
	return true;
}

/* (x1,y1),(x2,y2): the upper right and the lower left corner, as a ring of five points. */
bool encode_value_box(const struct value_encoder *ve, struct value_scratch *scratch,
		      struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	struct shape s = { .text = text };
	struct xy high;
	struct xy low;
	if (!next_point(&s, &high) || !skip(&s, ',') || !next_point(&s, &low) || s.at != text.len)
		return false;
	struct pgs_buf *wkb = &scratch->bytes;
	wkb_begin(wkb, WKB_POLYGON);
	wkb_u32(wkb, 1);
	wkb_u32(wkb, 5);
	const bool ok = wkb_double(wkb, high.x) && wkb_double(wkb, high.y) &&
			wkb_double(wkb, high.x) && wkb_double(wkb, low.y) &&
			wkb_double(wkb, low.x) && wkb_double(wkb, low.y) &&
			wkb_double(wkb, low.x) && wkb_double(wkb, high.y) &&
			wkb_double(wkb, high.x) && wkb_double(wkb, high.y);
	put_geometry(scratch, "box", "", out);
	return ok;
}

/* The points between the brackets into `points`, as WKB; their number in *ret_n. */
static bool read_points(struct shape *s, struct pgs_buf *points, uint32_t *ret_n)
{
	pgs_buf_reset(points);
	for (*ret_n = 0;; (*ret_n)++) {
		struct xy p;
		if (*ret_n > 0 && !skip(s, ','))
			return true;
		if (!next_point(s, &p) || !wkb_point(points, &p))
			return false;
	}
}

static void put_linestring(struct value_scratch *scratch, uint32_t n)
{
	wkb_begin(&scratch->bytes, WKB_LINESTRING);
	wkb_u32(&scratch->bytes, n);
	pgs_buf_put(&scratch->bytes, pgs_buf_str(&scratch->limbs), scratch->limbs.len);
}

/* [(x1,y1),(x2,y2)] */
bool encode_value_lseg(const struct value_encoder *ve, struct value_scratch *scratch,
		       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	struct shape s = { .text = text };
	uint32_t n;
	if (!skip(&s, '[') || !read_points(&s, &scratch->limbs, &n) || !skip(&s, ']') ||
	    s.at != text.len)
		return false;
	put_linestring(scratch, n);
	put_geometry(scratch, "lseg", "", out);
	return true;
}

/* ((x1,y1),...) closed, [(x1,y1),...] open */
bool encode_value_path(const struct value_encoder *ve, struct value_scratch *scratch,
		       struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	struct shape s = { .text = text };
	const bool open = skip(&s, '[');
	uint32_t n;
	if ((!open && !skip(&s, '(')) || !read_points(&s, &scratch->limbs, &n) ||
	    !skip(&s, open ? ']' : ')') || s.at != text.len)
		return false;
	put_linestring(scratch, n);
	put_geometry(scratch, "path", open ? ",\"closed\":\"false\"" : ",\"closed\":\"true\"", out);
	return true;
}

/* ((x1,y1),...): one ring, its first point repeated at the end */
bool encode_value_polygon(const struct value_encoder *ve, struct value_scratch *scratch,
			  struct event_text text, struct pgs_buf *out)
{
	(void)ve;
	struct shape s = { .text = text };
	uint32_t n;
	if (!skip(&s, '(') || !read_points(&s, &scratch->limbs, &n) || !skip(&s, ')') ||
	    s.at != text.len)
		return false;
	wkb_begin(&scratch->bytes, WKB_POLYGON);
	wkb_u32(&scratch->bytes, 1);
	wkb_u32(&scratch->bytes, n + 1);
	pgs_buf_put(&scratch->bytes, pgs_buf_str(&scratch->limbs), scratch->limbs.len);
	pgs_buf_put(&scratch->bytes, pgs_buf_str(&scratch->limbs), 16);
	put_geometry(scratch, "polygon", "", out);
	return true;
}
