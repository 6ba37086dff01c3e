/* The browser client that is built into the program. */
#include "tests/unit/http/http_rig.h"

#include <zlib.h>

#include "node/http/http_bundle.h"

static void
on_request(void *arg, struct http_request *r)
{
	(void)arg;
	if (!http_bundle_handle(r, text_of(r->path.at + 1, r->path.n - 1)))
		http_reply(r, 299, NULL, TEXT("engine"), false);
}

static struct rig *
ask(const char *method, const char *name, const char *fields)
{
	struct rig *g = rig_new(on_request);
	char head[512];

	snprintf(
		head, sizeof head, "%s /%s HTTP/1.1\r\nHost: h\r\n%sConnection: close\r\n\r\n", method, name, fields);
	rig_say(g, head);
	rig_end(g);
	return g;
}

/* The body, which may contain NULs. */
static struct text
body(struct rig *g)
{
	const char *end = strstr(rig_got(g), "\r\n\r\n");

	assert_non_null(end);
	end += 4;
	return text_of(end, g->got.len - (size_t)(end - (const char *)g->got.data));
}

static const struct http_bundle_file *
file(const char *name)
{
	const struct http_bundle_file *f;

	for (f = http_bundle_files; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	fail_msg("no %s", name);
	return NULL;
}

static void
test_files_and_types(void **state)
{
	static const char *const names[] = {"socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js",
		"socket.io.esm.min.js", "socket.io.js.map", "socket.io.min.js.map", "socket.io.msgpack.min.js.map",
		"socket.io.esm.min.js.map"};
	char line[128];
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++) {
		const struct http_bundle_file *f = file(names[i]);
		struct rig *g = ask("GET", names[i], "");

		assert_int_equal(rig_count(g, "HTTP/1.1 200 OK\r\n"), 1);
		assert_int_equal(rig_count(g, i < 4 ? "\r\nContent-Type: application/javascript; charset=utf-8\r\n"
						    : "\r\nContent-Type: application/json; charset=utf-8\r\n"),
			1);
		snprintf(line, sizeof line, "\r\nETag: \"%s\"\r\n", http_bundle_version);
		assert_int_equal(rig_count(g, line), 1);
		assert_int_equal(rig_count(g, "\r\nCache-Control: public, max-age=0\r\n"), 1);
		assert_int_equal(rig_count(g, "\r\nVary: Accept-Encoding\r\n"), 1);
		assert_int_equal(rig_count(g, "Content-Encoding"), 0);
		assert_int_equal(rig_count(g, "SourceMap"), 0);
		assert_true(text_is(body(g), text_of((const char *)f->plain, f->plain_len)));
		assert_true(f->plain_len > 10000 && f->gzip_len < f->plain_len && f->br_len < f->gzip_len);
		rig_free(g);
	}
	assert_null(http_bundle_files[8].name);
	assert_string_equal(http_bundle_version, "4.8.4");
}

static void
test_other_names_go_on(void **state)
{
	static const char *const names[] = {"", "socket.io", "socket.io.esm.js", "socket.io.jsx", "Socket.io.js",
		"a/socket.io.js", "socket.io.js/"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof names / sizeof *names; i++) {
		struct rig *g = ask("GET", names[i], "");

		assert_int_equal(rig_count(g, "HTTP/1.1 299 "), 1);
		assert_int_equal(rig_count(g, "ETag"), 0);
		rig_free(g);
	}
}

/* The original server gave each of these answers. */
static const struct {
	const char *accept, *coding;
} choices[] = {
	{"gzip, deflate, br", "gzip"},
	{"br;q=0.5, gzip;q=0.9", "gzip"},
	{"deflate, gzip", "deflate"},
	{"deflate", "deflate"},
	{"*", "br"},
	{"identity", NULL},
	{"identity, gzip", "gzip"},
	{"gzip;q=0", NULL},
	{"br, *;q=0", "br"},
	{"GZIP", "gzip"},
	{"gzip;q=0.5,identity", "gzip"},
	{"x, gzip", "gzip"},
	{"*;q=0.1, gzip;q=0", "br"},
	{"identity;q=0", NULL},
	{"gzip; q=1.0 , br", "gzip"},
	{"gzip;q=abc,br", "br"},
	{"*;q=0", NULL},
	{"br;q=0, *", "gzip"},
	{"br;q=0\r\nAccept-Encoding: *", "gzip"},
	{"identity;q=0.5, gzip;q=0.5", "gzip"},
	{"*, gzip", "gzip"},
	{"", NULL},
};

static void
test_coding_is_the_clients_choice(void **state)
{
	const struct http_bundle_file *f = file("socket.io.min.js.map");
	char line[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof choices / sizeof *choices; i++) {
		struct rig *g;

		snprintf(line, sizeof line, "Accept-Encoding: %s\r\n", choices[i].accept);
		g = ask("GET", f->name, line);
		snprintf(line, sizeof line, "\r\nContent-Encoding: %s\r\n",
			choices[i].coding ? choices[i].coding : "");
		if (rig_count(g, "Content-Encoding: ") != (choices[i].coding ? 1 : 0) ||
			rig_count(g, line) != (choices[i].coding ? 1 : 0))
			fail_msg("Accept-Encoding %s: %.300s", choices[i].accept, rig_got(g));
		rig_free(g);
	}
}

/* 15: zlib's format, 31: gzip's. */
static void
check_inflated(const char *coding, int bits)
{
	const struct http_bundle_file *f = file("socket.io.js");
	unsigned char *out = mem_alloc(f->plain_len + 1);
	struct rig *g = ask("GET", f->name, coding);
	z_stream z = {0};

	z.next_in = (unsigned char *)body(g).at;
	z.avail_in = (unsigned)body(g).n;
	z.next_out = out;
	z.avail_out = f->plain_len + 1;
	assert_int_equal(inflateInit2(&z, bits), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.total_out, f->plain_len);
	assert_memory_equal(out, f->plain, f->plain_len);
	inflateEnd(&z);
	mem_free(out);
	rig_free(g);
}

static void
test_codings_unpack(void **state)
{
	const struct http_bundle_file *f = file("socket.io.js");
	struct rig *g;

	(void)state;
	check_inflated("Accept-Encoding: gzip\r\n", 31);
	check_inflated("Accept-Encoding: deflate\r\n", 15);
	g = ask("GET", f->name, "Accept-Encoding: br\r\n");
	assert_true(text_is(body(g), text_of((const char *)f->br, f->br_len)));
	rig_free(g);
}

static void
test_conditional(void **state)
{
	static const struct {
		const char *field;
		bool current;
	} tags[] = {
		{"If-None-Match: \"4.8.4\"\r\n", true},
		{"If-None-Match: W/\"4.8.4\"\r\n", true},
		{"If-None-Match: \"4.8.3\"\r\n", false},
		{"If-None-Match: 4.8.4\r\n", false},
		{"If-None-Match: W/\r\n", false},
		{"If-None-Match: \"x\", \"4.8.4\"\r\n", true},
		{"If-None-Match: \"x\"\r\nIf-None-Match: W/\"4.8.4\"\r\n", true},
		{"If-None-Match: *\r\n", true},
		{"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", false},
		{"If-None-Match: \r\n", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof tags / sizeof *tags; i++) {
		struct rig *g = ask("GET", "socket.io.js", tags[i].field);

		assert_int_equal(rig_count(g, "HTTP/1.1 304 Not Modified\r\n"), tags[i].current);
		assert_int_equal(rig_count(g, "HTTP/1.1 200 OK\r\n"), !tags[i].current);
		if (tags[i].current) {
			assert_int_equal(body(g).n, 0);
			assert_int_equal(rig_count(g, "\r\nETag: \"4.8.4\"\r\n"), 1);
			assert_int_equal(rig_count(g, "Content-Type"), 0);
		}
		rig_free(g);
	}
	for (i = 0; i < 2; i++) {
		struct rig *g = ask("GET", "socket.io.js", i ? "If-Match: \"4.8.4\"\r\n" : "If-Match: \"4.8.3\"\r\n");

		assert_int_equal(rig_count(g, i ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 412 "), 1);
		rig_free(g);
	}
}

static void
test_any_method_and_query(void **state)
{
	static const char *const methods[] = {"POST", "DELETE", "OPTIONS"};
	const struct http_bundle_file *f = file("socket.io.esm.min.js");
	char line[64];
	struct rig *g;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof methods / sizeof *methods; i++) {
		g = ask(methods[i], f->name, "");
		assert_int_equal(body(g).n, f->plain_len);
		rig_free(g);
	}
	g = ask("GET", "socket.io.esm.min.js?t=1", "");
	assert_int_equal(body(g).n, f->plain_len);
	rig_free(g);
	g = ask("HEAD", f->name, "");
	snprintf(line, sizeof line, "\r\nContent-Length: %u\r\n", f->plain_len);
	assert_int_equal(rig_count(g, line), 1);
	assert_int_equal(body(g).n, 0);
	rig_free(g);
}

/* The client disconnects in the middle of a large file: nothing leaks, nothing crashes. */
static void
test_client_goes_away(void **state)
{
	struct rig *g = rig_new(on_request);

	(void)state;
	rig_say(g, "GET /socket.io.js.map HTTP/1.1\r\nHost: h\r\n\r\n");
	while (g->got.len == 0)
		ev_run(g->ev, EVRUN_ONCE);
	rig_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_and_types),
		cmocka_unit_test(test_other_names_go_on),
		cmocka_unit_test(test_coding_is_the_clients_choice),
		cmocka_unit_test(test_codings_unpack),
		cmocka_unit_test(test_conditional),
		cmocka_unit_test(test_any_method_and_query),
		cmocka_unit_test(test_client_goes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
