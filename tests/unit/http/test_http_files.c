/* Static files: which exist, which are hidden, conditional requests, large files. */
#include <sys/stat.h>
#include <time.h>

#include "node/http/http_words.h"
#include "node/http/http_files.h"
#include "tests/unit/http/http_rig.h"

#define BIG 3000000

static char root[] = "/tmp/sockeye-files-XXXXXX";

static void
write_public(const char *name, const char *content, size_t n)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
at(char path[256], const char *name)
{
	snprintf(path, 256, "%s/%s", root, name);
}

static int
make_tree(void **state)
{
	char path[256], *big = calloc(1, BIG);
	static char text[5000];

	(void)state;
	memset(text, 't', sizeof(text));
	assert_non_null(mkdtemp(root));
	static const char *const directories[] = {"pub", "pub/sub", "pub/.git", "pub/sp ace", "pub/empty"};
	for (size_t i = 0; i < 5; i++) {
		at(path, directories[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	write_public("secret", "secret", 6);
	write_public("pub/index.html", "<index>", 7);
	write_public("pub/sub/index.html", "<sub>", 5);
	write_public("pub/app.js", text, sizeof(text));
	write_public("pub/sp ace/\xc3\xa9.txt", "accent", 6);
	write_public("pub/.hidden", "hidden", 6);
	write_public("pub/.git/config", "hidden", 6);
	write_public("pub/noext", "x", 1);
	write_public("pub/zero.txt", "", 0);
	write_public("pub/big.bin", big, BIG);
	free(big);
	at(path, "pub/out");
	assert_int_equal(symlink("../secret", path), 0);
	at(path, "pub/absolute");
	assert_int_equal(symlink("/etc/passwd", path), 0);
	at(path, "pub/up");
	assert_int_equal(symlink("..", path), 0);
	at(path, "pub/in.html");
	assert_int_equal(symlink("sub/index.html", path), 0);
	at(path, "pub/fifo");
	assert_int_equal(mkfifo(path, 0644), 0);
	return 0;
}

static int
remove_tree(void **state)
{
	static const char *const names[] = {"secret", "pub/index.html", "pub/sub/index.html", "pub/app.js",
		"pub/kept.js", "pub/sp ace/\xc3\xa9.txt", "pub/.hidden", "pub/.git/config", "pub/noext",
		"pub/zero.txt", "pub/big.bin", "pub/out", "pub/absolute", "pub/up", "pub/in.html", "pub/fifo",
		"pub/sub", "pub/.git", "pub/sp ace", "pub/empty", "pub", "."};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		at(path, names[i]);
		remove(names[i][0] == '.' ? root : path);
	}
	return access(root, F_OK) == 0;
}

static void
on_request(void *arg, struct http_request *r)
{
	struct rig *g = arg;

	g->requests++;
	http_files_handle(g->extra, r);
}

static int
setup(void **state)
{
	struct rig *g = rig_new(on_request);
	struct http_files *f;
	char path[256], error[256];

	at(path, "pub");
	assert_int_equal(http_files_open(&f, path, error), 0);
	g->extra = f;
	g->limits.gzip_threshold = 1024;
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;

	rig_disconnect(g);
	http_files_free(g->extra);
	rig_free(g);
	return 0;
}

/* Sends a request line and fields, and waits for the head of the reply. */
static const char *
ask(struct rig *g, const char *line, const char *fields)
{
	buffer_reset(&g->got);
	rig_say(g, line);
	rig_say(g, " HTTP/1.1\r\nHost: h\r\n");
	rig_say(g, fields);
	rig_say(g, "\r\n");
	rig_expect(g, "\r\n\r\n", 1);
	return rig_got(g);
}

static void
assert_answer(struct rig *g, const char *line, const char *status, const char *type, const char *body)
{
	const char *got = ask(g, line, ""), *end;

	if (strncmp(got + 9, status, strlen(status)) != 0)
		fail_msg("%s: %.40s", line, got);
	end = strstr(got, "\r\n\r\n");
	if (type)
		assert_non_null(strstr(got, type));
	if (body)
		assert_string_equal(end + 4, body);
}

static void
found(void **state)
{
	struct rig *g = *state;

	assert_answer(g, "GET /", "200 OK", "Content-Type: text/html; charset=utf-8\r\n", "<index>");
	assert_non_null(strstr(rig_got(g), "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(rig_got(g), "Cache-Control: public, max-age=0\r\n"));
	assert_non_null(strstr(rig_got(g), "Last-Modified: "));
	assert_answer(g, "GET /?query", "200 OK", NULL, "<index>");
	assert_answer(g, "GET /index.html", "200 OK", NULL, "<index>");
	assert_answer(g, "GET /%69ndex%2Ehtml", "200 OK", NULL, "<index>");
	assert_answer(g, "GET /sub/", "200 OK", NULL, "<sub>");
	assert_answer(g, "GET /in.html", "200 OK", "text/html", "<sub>");
	assert_answer(g, "GET /sp%20ace/%C3%A9.txt", "200 OK", "text/plain", "accent");
	assert_answer(g, "GET /noext", "200 OK", "application/octet-stream", "x");
	assert_answer(g, "GET /zero.txt", "200 OK", "Content-Length: 0\r\n", "");
	assert_answer(g, "GET /app.js", "200 OK", "Content-Type: text/javascript; charset=utf-8\r\n", NULL);
	rig_until(g, g->got.len > 5200);
	assert_answer(g, "HEAD /app.js", "200 OK", "Content-Length: 5000\r\n", "");
	assert_answer(g, "HEAD /big.bin", "200 OK", "Content-Length: 3000000\r\n", "");
	assert_answer(g, "POST /", "405 ", "Allow: GET, HEAD\r\n", NULL);
	assert_answer(g, "GET /sub?a=/b", "301 ", "Location: /sub/?a=/b\r\n", NULL);
	assert_answer(g, "GET /sp%20ace", "301 ", "Location: /sp%20ace/\r\n", NULL);
}

static void
hidden(void **state)
{
	static const char *const lines[] = {
		"GET /../secret",
		"GET /sub/../../secret",
		"GET /sub/../index.html",
		"GET /%2e%2e/secret",
		"GET /..%2fsecret",
		"GET /%2e%2e%2fsecret",
		"GET /sub%2findex.html",
		"GET /..%5csecret",
		"GET /..\\secret",
		"GET /./index.html",
		"GET //index.html",
		"GET //etc/passwd",
		"GET /sub//index.html",
		"GET /index.html%00.js",
		"GET /%00",
		"GET /index.html%0a",
		"GET /%",
		"GET /%2",
		"GET /%zz",
		"GET /.hidden",
		"GET /%2ehidden",
		"GET /.git/config",
		"GET /.git/",
		"GET /.",
		"GET /out",
		"GET /absolute",
		"GET /up/secret",
		"GET /up/pub/index.html",
		"GET /up",
		"GET /fifo",
		"GET /nothing",
		"GET /index.html/",
		"GET /index.html/x",
		"GET /empty/",
		"GET /%252e%252e/secret",
	};
	struct rig *g = *state;
	char line[2000] = "GET /";

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_answer(g, lines[i], "404 Not Found", NULL, "Not Found");
	memset(line + 5, 'a', 1500);
	assert_answer(g, line, "404 Not Found", NULL, NULL);
}

static void
field(const char *got, const char *name, char out[100])
{
	const char *from = strstr(got, name);

	assert_non_null(from);
	from += strlen(name);
	snprintf(out, 100, "%.*s", (int)strcspn(from, "\r"), from);
}

/* Writes n letters to pub/kept.js, last changed `age` seconds before a fixed time in 2001. */
static void
put_aged(char letter, size_t n, time_t age)
{
	struct timespec times[2] = {{.tv_sec = 0}, {.tv_sec = 1000000000 - age}};
	char *text = malloc(n), path[256];

	memset(text, letter, n);
	write_public("pub/kept.js", text, n);
	free(text);
	at(path, "pub/kept.js");
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The CRC-32 in the gzip trailer of the reply to a GET. */
static uint32_t
gzip_crc(struct rig *g)
{
	const char *got = ask(g, "GET /kept.js", "Accept-Encoding: gzip\r\n"), *length;
	size_t n, head = (size_t)(strstr(got, "\r\n\r\n") + 4 - got);
	uint32_t crc;

	assert_non_null(strstr(got, "Content-Encoding: gzip\r\n"));
	assert_non_null(strstr(got, "Vary: Accept-Encoding\r\n"));
	length = strstr(got, "Content-Length: ");
	assert_non_null(length);
	n = strtoul(length + 16, NULL, 10);
	rig_until(g, g->got.len >= head + n);
	memcpy(&crc, g->got.data + head + n - 8, sizeof(crc));
	return crc;
}

/* Compression costs milliseconds, and a request only 60 bytes. So an unchanged file is compressed once. */
static void
packed_once(void **state)
{
	struct rig *g = *state;
	uint32_t old;

	put_aged('a', 5000, 1000);
	old = gzip_crc(g);
	put_aged('b', 5000, 1000); /* with the same size and date, the change cannot be noticed */
	assert_int_equal(gzip_crc(g), old);
	put_aged('b', 5000, 2000);
	assert_int_not_equal(gzip_crc(g), old);
}

/* A file that has just changed may change again within the same time stamp. */
static void
recently_changed_files_are_not_kept(void **state)
{
	struct timespec times[2] = {{.tv_sec = 0}, {.tv_sec = time(NULL)}};
	struct rig *g = *state;
	char path[256];
	uint32_t old;

	at(path, "pub/kept.js");
	put_aged('a', 5000, 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	old = gzip_crc(g);
	put_aged('b', 5000, 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_not_equal(gzip_crc(g), old);
}

static int64_t
date(const char *got, const char *name)
{
	char value[100];
	int64_t seconds;

	field(got, name, value);
	assert_int_equal(http_date_read(text_from(value), 0, &seconds), 0);
	return seconds;
}

/* A file with a date in the future: Last-Modified must not be later than Date (RFC 9110 8.8.2.1). */
static void
not_modified_in_the_future(void **state)
{
	struct rig *g = *state;
	const char *got;

	put_aged('a', 100, -3000000000);
	got = ask(g, "HEAD /kept.js", "");
	assert_true(date(got, "Last-Modified: ") <= date(got, "\r\nDate: "));
	put_aged('a', 100, 0);
	assert_int_equal(date(ask(g, "HEAD /kept.js", ""), "Last-Modified: "), 1000000000);
}

/* RFC 9110 13.2.2: preconditions that may fail come before those that save the body. */
static void
preconditions(void **state)
{
	static const struct {
		const char *fields, *status; /* %s: the tag */
	} rows[] = {
		{"If-Match: %s\r\n", "200 OK"},
		{"If-Match: \"x\", %s\r\n", "200 OK"},
		{"If-Match: \"x\"\r\nIf-Match: %s\r\n", "200 OK"},
		{"If-Match: *%.0s\r\n", "200 OK"},
		{"If-Match: \"x\"%.0s\r\n", "412 Precondition Failed"},
		{"If-Match: W/%s\r\n", "412 "},
		{"If-Match:%.0s\r\n", "412 "},
		{"If-Match: \"x\"\r\nIf-None-Match: %s\r\n", "412 "},
		{"If-Match: *\r\nIf-None-Match: %s\r\n", "304 "},
		{"If-Match: %s\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "200 "},
		{"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT%.0s\r\n", "412 "},
		{"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nIf-None-Match: %s\r\n", "412 "},
		{"If-Unmodified-Since: Fri, 31 Dec 9999 23:59:59 GMT%.0s\r\n", "200 "},
		{"If-Unmodified-Since: yesterday%.0s\r\n", "200 "},
		{"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT%.0s\r\n"
		 "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
			"200 "},
		{"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT%.0s\r\n", "304 "},
		{"If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT%.0s\r\n"
		 "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
			"200 "},
	};
	struct rig *g = *state;
	char tag[100], fields[400];

	field(ask(g, "HEAD /index.html", ""), "ETag: ", tag);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(fields, sizeof(fields), rows[i].fields, tag);
#pragma GCC diagnostic pop
		ask(g, "HEAD /index.html", fields);
		if (strncmp(rig_got(g) + 9, rows[i].status, strlen(rows[i].status)) != 0)
			fail_msg("%s: %.40s", fields, rig_got(g));
	}
	assert_answer(g, "GET /index.html", "200 OK", NULL, "<index>");
}

static void
conditional(void **state)
{
	struct rig *g = *state;
	char tag[100], zipped[100], modified[100], fields[400];
	static const char *const good[] = {"If-None-Match: %s\r\n", "If-None-Match: \"x\", W/%s\r\n",
		"If-None-Match: \"x\"\r\nIf-None-Match: %s\r\n", "If-None-Match: *%.0s\r\n",
		"If-None-Match: %s\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"};
	static const char *const stale[] = {"If-None-Match: x%s\r\n", "If-None-Match: \"%s\r\n",
		"If-None-Match:%.0s\r\n", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT%.0s\r\n",
		"If-Modified-Since: %s\r\n"};

	field(ask(g, "HEAD /app.js", ""), "ETag: ", tag);
	field(rig_got(g), "Last-Modified: ", modified);
	assert_int_equal(tag[0], '"');
	for (size_t i = 0; i < 5; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(fields, sizeof(fields), good[i], tag);
		assert_non_null(strstr(ask(g, "GET /app.js", fields), "HTTP/1.1 304 Not Modified\r\n"));
		assert_non_null(strstr(rig_got(g), tag));
		assert_null(strstr(rig_got(g), "\nContent-"));
		snprintf(fields, sizeof(fields), stale[i], tag);
		assert_non_null(strstr(ask(g, "HEAD /app.js", fields), "HTTP/1.1 200 OK\r\n"));
#pragma GCC diagnostic pop
	}
	snprintf(fields, sizeof(fields), "If-Modified-Since: %s\r\n", modified);
	assert_non_null(strstr(ask(g, "GET /app.js", fields), "304"));
	snprintf(fields, sizeof(fields), "If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", modified);
	assert_non_null(strstr(ask(g, "HEAD /app.js", fields), "200 OK"));

	/* the compressed form has another tag, and both tags are valid */
	field(ask(g, "HEAD /app.js", "Accept-Encoding: gzip\r\n"), "ETag: ", zipped);
	assert_non_null(strstr(rig_got(g), "Content-Encoding: gzip\r\n"));
	assert_string_not_equal(tag, zipped);
	snprintf(fields, sizeof(fields), "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", zipped);
	assert_non_null(strstr(ask(g, "GET /app.js", fields), "304"));
}

/* A large file is read as fast as the client takes it, and little of it is in memory at a time. */
static void
slow_reader(void **state)
{
	struct rig *g = *state;
	size_t before;

	ev_io_stop(g->ev, &g->readable);
	rig_say(g, "GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		rig_settle(g);
		assert_true(conn_queued(g->conn) <= 65536 + 1024);
	}
	assert_int_equal(g->requests, 1);
	before = g->got.len;
	ev_io_start(g->ev, &g->readable);
	rig_until(g, g->got.len > before + BIG && g->requests == 2);
	rig_until(g, memcmp(rig_got(g) + g->got.len - 7, "<index>", 7) == 0);
}

static void
truncated(void **state)
{
	struct rig *g = *state;
	char path[256];

	at(path, "pub/big.bin");
	ev_io_stop(g->ev, &g->readable);
	rig_say(g, "GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_until(g, g->requests == 1);
	rig_settle(g);
	assert_int_equal(truncate(path, 100), 0);
	ev_io_start(g->ev, &g->readable);
	rig_end(g);
	assert_true(g->got.len < BIG);
	assert_int_equal(truncate(path, BIG), 0);
}

/* Kernels without openat2(): the same results, except that symbolic links are not followed. */
static void
by_steps(void **state)
{
	static const char *const there[] = {"", "index.html", "sub/index.html", "sub", "sub/", "sp ace/\xc3\xa9.txt"};
	static const char *const not_there[] = {"out", "absolute", "up", "up/secret", "up/pub/index.html", "in.html",
		"nothing", "index.html/", "index.html/x", "sub/nothing"};
	char path[256];
	int directory, fd;

	(void)state;
	at(path, "pub");
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(directory >= 0);
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
		fd = http_path_open_by_steps(directory, there[i]);
		assert_true(fd >= 0);
		close(fd);
	}
	for (size_t i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++)
		assert_int_equal(http_path_open_by_steps(directory, not_there[i]), ERROR_NOT_FOUND);
	close(directory);
}

static void
open_errors(void **state)
{
	struct http_files *f;
	char error[256];

	(void)state;
	assert_int_equal(http_files_open(&f, "/nowhere/at/all", error), ERROR_SYSTEM);
	assert_string_equal(error, "cannot serve files from /nowhere/at/all: No such file or directory");
	assert_null(f);
	assert_int_equal(http_files_open(&f, "/etc/passwd", error), ERROR_SYSTEM);
	http_files_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(found),
		T(hidden),
		T(conditional),
		T(preconditions),
		T(packed_once),
		T(recently_changed_files_are_not_kept),
		T(not_modified_in_the_future),
		T(slow_reader),
		T(truncated),
		cmocka_unit_test(by_steps),
		cmocka_unit_test(open_errors),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
