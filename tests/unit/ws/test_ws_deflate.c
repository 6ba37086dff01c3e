#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <time.h>
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/ws/ws.h"
#include "node/ws/ws_deflate.h"
#include "node/ws/ws_deflater.h"
#include "node/ws/ws_extension.h"

/* ------------------------------------------------------------ negotiation */

struct negotiation {
	const char *offers;
	struct ws_options wanted;
	int result;
	const char *reply;
};

#define PMD "permessage-deflate"

static const struct negotiation negotiations[] = {
	{PMD, {0}, 1, PMD},
	{"  " PMD " ", {0}, 1, PMD},
	{PMD "; client_max_window_bits", {0}, 1, PMD},
	{PMD ";client_max_window_bits=10", {0}, 1, PMD "; client_max_window_bits=10"},
	{PMD "; client_max_window_bits=15", {0}, 1, PMD "; client_max_window_bits=15"},
	{PMD "; client_max_window_bits=8", {0}, 1, PMD "; client_max_window_bits=8"},
	{PMD "; client_max_window_bits=\"9\"", {0}, 1, PMD "; client_max_window_bits=9"},
	{PMD "; client_max_window_bits = \"\\1\\2\" ", {0}, 1, PMD "; client_max_window_bits=12"},
	{PMD "; server_max_window_bits=10", {0}, 1, PMD "; server_max_window_bits=10"},
	{PMD "; server_max_window_bits=8", {0}, 1, PMD "; server_max_window_bits=8"},
	{PMD "; server_max_window_bits=15", {0}, 1, PMD "; server_max_window_bits=15"},
	{PMD "; server_no_context_takeover", {0}, 1, PMD "; server_no_context_takeover"},
	{PMD "; client_no_context_takeover", {0}, 1, PMD "; client_no_context_takeover"},
	{PMD "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; "
	     "client_max_window_bits",
		{0}, 1, PMD "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9"},
	/* the parameters that the server prefers */
	{PMD, {.server_no_context_takeover = true, .client_no_context_takeover = true}, 1,
		PMD "; server_no_context_takeover; client_no_context_takeover"},
	{PMD, {.server_max_window_bits = 11}, 1, PMD "; server_max_window_bits=11"},
	{PMD "; server_max_window_bits=10", {.server_max_window_bits = 11}, 1, PMD "; server_max_window_bits=10"},
	{PMD "; server_max_window_bits=12", {.server_max_window_bits = 11}, 1, PMD "; server_max_window_bits=11"},
	{PMD, {.client_max_window_bits = 11}, 0, ""},
	{PMD "; client_max_window_bits", {.client_max_window_bits = 11}, 1, PMD "; client_max_window_bits=11"},
	{PMD "; client_max_window_bits=9", {.client_max_window_bits = 11}, 1, PMD "; client_max_window_bits=9"},
	{PMD "; client_max_window_bits=14", {.client_max_window_bits = 11}, 1, PMD "; client_max_window_bits=11"},
	{PMD, {.client_max_window_bits = 15}, 1, PMD},
	/* in the client's order of preference; unsuitable offers are skipped */
	{"foo, bar; baz=1, " PMD "; server_max_window_bits=9, " PMD, {0}, 1, PMD "; server_max_window_bits=9"},
	{PMD "; server_max_window_bits=16, " PMD, {0}, 1, PMD},
	{PMD "; nonsense, " PMD "; client_no_context_takeover", {0}, 1, PMD "; client_no_context_takeover"},
	{PMD ", " PMD "; server_max_window_bits=9", {.client_max_window_bits = 15}, 1, PMD},
	{PMD ", " PMD "; client_max_window_bits", {.client_max_window_bits = 9}, 1, PMD "; client_max_window_bits=9"},
	{", ," PMD ",, ", {0}, 1, PMD},
	/* declined */
	{"constructor", {0}, 0, ""},
	{"__proto__; toString=1", {0}, 0, ""},
	{"permessage-deflate-not", {0}, 0, ""},
	{"x-webkit-deflate-frame", {0}, 0, ""},
	{PMD "; server_max_window_bits", {0}, 0, ""},
	{PMD "; server_max_window_bits=7", {0}, 0, ""},
	{PMD "; server_max_window_bits=16", {0}, 0, ""},
	{PMD "; server_max_window_bits=010", {0}, 0, ""},
	{PMD "; server_max_window_bits=09", {0}, 0, ""},
	{PMD "; server_max_window_bits=1", {0}, 0, ""},
	{PMD "; server_max_window_bits=99999999999999999999999", {0}, 0, ""},
	{PMD "; server_max_window_bits=+9", {0}, 0, ""},
	{PMD "; client_max_window_bits=7", {0}, 0, ""},
	{PMD "; client_max_window_bits=x", {0}, 0, ""},
	{PMD "; server_no_context_takeover=1", {0}, 0, ""},
	{PMD "; client_no_context_takeover=true", {0}, 0, ""},
	{PMD "; server_no_context_takeover; server_no_context_takeover", {0}, 0, ""},
	{PMD "; client_no_context_takeover; client_no_context_takeover", {0}, 0, ""},
	{PMD "; server_max_window_bits=10; server_max_window_bits=10", {0}, 0, ""},
	{PMD "; client_max_window_bits; client_max_window_bits=10", {0}, 0, ""},
	{PMD "; unknown", {0}, 0, ""},
	{PMD "; unknown=5", {0}, 0, ""},
	/* malformed, also after a good offer */
	{"", {0}, ERROR_SYNTAX, ""},
	{" , ", {0}, ERROR_SYNTAX, ""},
	{";", {0}, ERROR_SYNTAX, ""},
	{"; a", {0}, ERROR_SYNTAX, ""},
	{PMD ";", {0}, ERROR_SYNTAX, ""},
	{PMD "; ,", {0}, ERROR_SYNTAX, ""},
	{PMD "; =1", {0}, ERROR_SYNTAX, ""},
	{PMD "=1", {0}, ERROR_SYNTAX, ""},
	{PMD "; a=", {0}, ERROR_SYNTAX, ""},
	{PMD "; a=\"\"", {0}, ERROR_SYNTAX, ""},
	{PMD "; a=\"1", {0}, ERROR_SYNTAX, ""},
	{PMD "; a=\"1\\", {0}, ERROR_SYNTAX, ""},
	{PMD "; a=\"1\\\"", {0}, ERROR_SYNTAX, ""},
	{PMD "; a=\"1 2\"", {0}, ERROR_SYNTAX, ""},
	{PMD "; a=\"1\" 2", {0}, ERROR_SYNTAX, ""},
	{PMD " b", {0}, ERROR_SYNTAX, ""},
	{PMD ", b c", {0}, ERROR_SYNTAX, ""},
	{PMD ", f(o)", {0}, ERROR_SYNTAX, ""},
	{PMD "\x7f", {0}, ERROR_SYNTAX, ""},
	{PMD ", \xc3\xa4", {0}, ERROR_SYNTAX, ""},
};

static void
test_negotiation(void **state)
{
	struct ws_deflate_params params;
	struct buffer reply;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof negotiations / sizeof *negotiations; i++) {
		const struct negotiation *t = &negotiations[i];
		int result;

		buffer_init(&reply, 256);
		result = ws_deflate_negotiate(text_from(t->offers), &t->wanted, &params, &reply);
		if (result != t->result)
			print_error("offer \"%s\"\n", t->offers);
		assert_int_equal(result, t->result);
		if (result == 1 && !text_is(buffer_text(&reply), text_from(t->reply)))
			fail_msg("offer \"%s\": reply \"%.*s\"", t->offers, (int)reply.len, reply.data);
		assert_int_equal(ws_extension_check(text_from(t->offers)), t->result < 0 ? ERROR_SYNTAX : 0);
		buffer_fini(&reply);
	}
}

static void
test_params(void **state)
{
	static const struct ws_options plain = {0}, narrow = {.client_max_window_bits = 9};
	struct ws_deflate_params p;
	struct buffer reply;

	(void)state;
	buffer_init(&reply, 1024);
	assert_int_equal(ws_deflate_negotiate(TEXT(PMD), &plain, &p, &reply), 1);
	assert_int_equal(p.server_max_window_bits, 15);
	assert_int_equal(p.client_max_window_bits, 15);
	assert_false(p.server_no_context_takeover || p.client_no_context_takeover);
	assert_int_equal(ws_deflate_negotiate(TEXT(PMD "; client_max_window_bits; server_max_window_bits=12;"
						       "server_no_context_takeover"),
				 &narrow, &p, &reply),
		1);
	assert_int_equal(p.server_max_window_bits, 12);
	assert_int_equal(p.client_max_window_bits, 9);
	assert_true(p.server_no_context_takeover);
	assert_false(p.client_no_context_takeover);
	buffer_fini(&reply);
}

/* CVE-2021-32640 and similar: a megabyte of blanks, quotes and commas is read in one pass. */
static void
test_linear_time(void **state)
{
	static const char *const bits[] = {" ", "\t", ",", "a,", "a;b,", "a;b=\"c\",", "a;b=\"\\c\"\t,", "\"", "a; "};
	static const struct ws_options wanted = {0};
	const size_t size = 1 << 20;
	struct ws_deflate_params params;
	struct buffer reply;
	struct timespec from, to;
	char *text = mem_alloc(size);
	size_t i, n, at;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (i = 0; i < sizeof bits / sizeof *bits; i++) {
		n = strlen(bits[i]);
		for (at = 0; at + n <= size; at += n)
			memcpy(text + at, bits[i], n);
		buffer_init(&reply, 256);
		assert_int_not_equal(ws_deflate_negotiate(text_of(text, at), &wanted, &params, &reply), 1);
		buffer_fini(&reply);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	assert_true(to.tv_sec - from.tv_sec < 5);
	mem_free(text);
}

/* ------------------------------------------------------------------ codec */

static const struct ws_deflate_params whole = {false, false, 15, 15};
static const struct ws_deflate_params alone = {true, true, 15, 15};
static struct ws_deflate_pool *pool;

static int
make_pool(void **state)
{
	(void)state;
	pool = ws_deflate_pool_new(0, 0);
	return 0;
}

static int
free_pool(void **state)
{
	(void)state;
	ws_deflate_pool_free(pool);
	return 0;
}

static int
inflate_text(struct ws_deflate *d, const char *bytes, size_t n, size_t max, const char *want)
{
	struct buffer out;
	int error;

	buffer_init(&out, max);
	error = ws_deflate_inflate(d, bytes, n, true, &out);
	if (!error && want) {
		assert_int_equal(out.len, strlen(want));
		assert_memory_equal(out.data, want, out.len);
	}
	buffer_fini(&out);
	return error;
}
#define INFLATE(d, bytes, want) inflate_text(d, bytes, sizeof(bytes) - 1, 1000, want)

/* The examples of RFC 7692 7.2.3. */
static void
test_rfc_examples(void **state)
{
	struct ws_deflate *d = ws_deflate_new(&whole, pool);

	(void)state;
	assert_int_equal(INFLATE(d, "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"), 0);
	assert_int_equal(INFLATE(d, "\xf2\x00\x11\x00\x00", "Hello"), 0); /* refers to the previous message */
	assert_int_equal(INFLATE(d, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"), 0);
	assert_int_equal(INFLATE(d, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"), 0); /* BFINAL */
	assert_int_equal(INFLATE(d, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"), 0);
	assert_int_equal(INFLATE(d, "\x00", ""), 0);
	assert_int_equal(INFLATE(d, "", ""), 0);
	assert_int_equal(INFLATE(d, "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"), 0);
	ws_deflate_free(d);
}

static void
test_window_survives_final_block(void **state)
{
	struct ws_deflate *d = ws_deflate_new(&whole, pool);

	(void)state;
	assert_int_equal(INFLATE(d, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"), 0);
	assert_int_equal(INFLATE(d, "\xf2\x00\x11\x00\x00", "Hello"), 0);
	/* without the empty block that should follow the final block */
	assert_int_equal(INFLATE(d, "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"), 0);
	assert_int_equal(INFLATE(d, "\xf2\x00\x11\x00\x00", "Hello"), 0);
	/* two final blocks, then a third, in one message */
	assert_int_equal(INFLATE(d, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00",
				 "HelloHelloHello"),
		0);
	ws_deflate_free(d);
}

static void
test_many_final_blocks_are_cheap(void **state)
{
	struct ws_deflate *d = ws_deflate_new(&whole, pool);
	size_t n = 1 << 20, i;
	char *bytes = mem_alloc(n);
	struct timespec from, to;

	(void)state;
	for (i = 0; i < n; i += 2)
		memcpy(bytes + i, "\x03\x00", 2);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(inflate_text(d, bytes, n, 1000, ""), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	assert_true(to.tv_sec - from.tv_sec < 5);
	mem_free(bytes);
	ws_deflate_free(d);
}

static void
test_no_takeover_forgets(void **state)
{
	struct ws_deflate *d = ws_deflate_new(&alone, pool);

	(void)state;
	assert_int_equal(INFLATE(d, "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"), 0);
	assert_int_equal(INFLATE(d, "\xf2\x00\x11\x00\x00", NULL), ERROR_SYNTAX);
	ws_deflate_free(d);
}

static void
test_garbage(void **state)
{
	static const char *const bad[] = {
		"\x06", /* block type 3 */
		"\xff\xff\xff",
		"\xf2\x48\xcd\xc9",	/* cut short: the tail does not end a block */
		"\x04\xc0",		/* cut dynamic block */
		"\x01\x05\x05\x05\x05", /* the stored length does not match */
		"\xf2\x48\xcd\xc9\xc9\x07\x00\x06",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ws_deflate *d = ws_deflate_new(&whole, pool);

		assert_int_equal(inflate_text(d, bad[i], strlen(bad[i]), 1000, NULL), ERROR_SYNTAX);
		ws_deflate_free(d);
	}
}

static void
fill(uint8_t *at, size_t n, unsigned kind)
{
	uint32_t seed = 1;
	size_t i;

	for (i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		at[i] = kind == 0   ? 'a'
			: kind == 1 ? (uint8_t)(seed >> 24)
				    : (uint8_t)('a' + (i % 97) * (i % 7) % 26);
	}
}

/* The limit is exact, and stops a bomb. */
static void
test_limit(void **state)
{
	const size_t n = 100000;
	uint8_t *text = mem_alloc(n);
	struct buffer packed, out;
	size_t max;

	(void)state;
	fill(text, n, 0);
	for (max = n - 1; max <= n + 1; max++) {
		struct ws_deflate *d = ws_deflate_new(&whole, pool);

		buffer_init(&packed, n);
		buffer_init(&out, max);
		assert_true(ws_deflate_compress(d, text, n, &packed));
		assert_true(packed.len < 500);
		assert_int_equal(
			ws_deflate_inflate(d, packed.data, packed.len, true, &out), max < n ? ERROR_TOO_BIG : 0);
		assert_true(out.size <= max);
		if (max >= n)
			assert_memory_equal(out.data, text, n);
		buffer_fini(&packed);
		buffer_fini(&out);
		ws_deflate_free(d);
	}
	mem_free(text);
}

static void
test_limit_zero(void **state)
{
	struct ws_deflate *d = ws_deflate_new(&whole, pool);

	(void)state;
	assert_int_equal(inflate_text(d, "\x00", 1, 0, ""), 0);
	assert_int_equal(inflate_text(d, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, 0, NULL), ERROR_TOO_BIG);
	ws_deflate_free(d);
}

static void
round_trip(const struct ws_deflate_params *params, size_t n, unsigned kind, size_t piece)
{
	struct ws_deflate *d = ws_deflate_new(params, pool);
	uint8_t *text = mem_alloc(n);
	struct buffer packed, out;
	unsigned again;
	size_t at;

	fill(text, n, kind);
	for (again = 0; again < 7; again++) { /* with a context in the end */
		bool packs;

		buffer_init(&packed, n + 1000);
		buffer_init(&out, n);
		packs = ws_deflate_compress(d, text, n, &packed);
		assert_true(packs == (n >= 63 && kind != 1));
		for (at = 0; packs && at < packed.len; at += piece) {
			size_t m = packed.len - at < piece ? packed.len - at : piece;

			assert_int_equal(ws_deflate_inflate(d, packed.data + at, m, at + m == packed.len, &out), 0);
		}
		assert_true(!packs || (out.len == n && memcmp(out.data, text, n) == 0));
		buffer_fini(&packed);
		buffer_fini(&out);
	}
	mem_free(text);
	ws_deflate_free(d);
}

static void
test_round_trips(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, 70000};
	struct ws_deflate_params p;
	size_t i;
	int bits;
	unsigned kind, takeover;

	(void)state;
	for (bits = 8; bits <= 15; bits++)
		for (takeover = 0; takeover < 2; takeover++)
			for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
				for (kind = 0; kind < 3; kind++) {
					p = (struct ws_deflate_params){takeover, takeover, bits, bits};
					round_trip(&p, sizes[i], kind, sizes[i] > 1000 ? 1000 : 1);
					round_trip(&p, sizes[i], kind, SIZE_MAX / 2);
				}
}

/*
 * A peer that uses exactly the negotiated window must be able to read: references reach back at most 2^bits bytes, in
 * messages without a context and in those with one.
 */
static void
test_server_window_is_kept(void **state)
{
	enum { MESSAGES = 8 };
	const size_t n = 40000;
	uint8_t *text = mem_alloc(n), *got = mem_alloc(n);
	int bits;

	(void)state;
	fill(text, n / 2, 1);
	for (size_t i = 0; i < n / 2; i++)
		text[i] = 'a' + text[i] % 16;
	memcpy(text + n / 2, text, n / 2);
	fill(text + 1000, 300, 0);
	for (bits = 8; bits <= 15; bits++) {
		struct ws_deflate_params p = {false, false, bits, 15};
		struct ws_deflate *d = ws_deflate_new(&p, pool);
		struct buffer packed;
		z_stream z = {0};

		buffer_init(&packed, n + 1000);
		assert_int_equal(inflateInit2(&z, -bits), Z_OK);
		for (unsigned i = 0; i < MESSAGES; i++) {
			buffer_reset(&packed);
			assert_true(ws_deflate_compress(d, text, n, &packed));
			buffer_add(&packed, "\x00\x00\xff\xff", 4);
			z.next_in = packed.data;
			z.avail_in = (unsigned)packed.len;
			z.next_out = got;
			/* small output steps make zlib use its window instead of earlier output */
			while (z.next_out < got + n) {
				size_t left = (size_t)(got + n - z.next_out);

				z.avail_out = left < 50 ? (unsigned)left : 50;
				assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
			}
			z.avail_out = 1;
			assert_true(inflate(&z, Z_SYNC_FLUSH) != Z_DATA_ERROR);
			assert_int_equal(z.avail_in, 0);
			assert_memory_equal(got, text, n);
		}
		assert_true(ws_deflate_held(d) > 0);
		inflateEnd(&z);
		buffer_fini(&packed);
		ws_deflate_free(d);
	}
	mem_free(text);
	mem_free(got);
}

/* Compresses a text of 1,000 bytes and returns the length. */
static size_t
packed_length(struct ws_deflate *d)
{
	uint8_t text[1000];
	struct buffer packed;
	size_t n;

	fill(text, sizeof text, 2);
	buffer_init(&packed, sizeof text);
	assert_true(ws_deflate_compress(d, text, sizeof text, &packed));
	n = packed.len;
	buffer_fini(&packed);
	return n;
}

/* The fourth message in a row makes a context, so the fifth is only a reference. An unused context ends. */
static void
test_context(void **state)
{
	struct ws_deflate *d = ws_deflate_new(&whole, pool);
	size_t first = packed_length(d);

	(void)state;
	assert_true(first > 50);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(packed_length(d), first);
	assert_int_equal(ws_deflate_held(d), 0);
	assert_int_equal(packed_length(d), first);
	assert_in_range(ws_deflate_held(d), 200 * 1024, 300 * 1024); /* zlib documents 256 KiB */
	assert_true(packed_length(d) < 30);
	for (unsigned i = 0; i < 15; i++)
		ws_deflate_skipped(d);
	assert_true(packed_length(d) < 30);
	for (unsigned i = 0; i < 16; i++)
		ws_deflate_skipped(d);
	assert_int_equal(ws_deflate_held(d), 0);
	assert_int_equal(packed_length(d), first);
	assert_false(ws_deflate_forget(d));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(packed_length(d), first);
	assert_true(packed_length(d) < 30);
	assert_true(ws_deflate_forget(d));
	assert_int_equal(ws_deflate_held(d), 0);
	assert_int_equal(packed_length(d), first);
	ws_deflate_free(d);

	d = ws_deflate_new(&alone, pool);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(packed_length(d), first);
	assert_int_equal(ws_deflate_held(d), 0);
	ws_deflate_free(d);
}

static void
test_empty_message(void **state)
{
	struct buffer packed;

	(void)state;
	buffer_init(&packed, 10);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ws_deflate_pool_run(pool, 15, "", 0, &packed), 0);
	assert_true(text_is(buffer_text(&packed), TEXT("\0\0"))); /* an empty block each time */
	buffer_fini(&packed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_linear_time),
		cmocka_unit_test(test_rfc_examples),
		cmocka_unit_test(test_window_survives_final_block),
		cmocka_unit_test(test_many_final_blocks_are_cheap),
		cmocka_unit_test(test_no_takeover_forgets),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_zero),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_server_window_is_kept),
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_empty_message),
	};

	return cmocka_run_group_tests(tests, make_pool, free_pool);
}
