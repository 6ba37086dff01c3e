/* CORS. Each row was observed at the cors package of Node.js; 299 means that handling went on. */
#include "tests/unit/http/http_rig.h"

#include "node/http/http_cors.h"

static const char *const origins[] = {
	"*",
	"*",
	"http://a.example",
	"http://a.example",
	"http://a.example, http://b.example",
	"true",
	"true",
	"*",
	"http://a.example,http://b.example",
	"http://a.example",
};

#define CONFIGS (sizeof origins / sizeof *origins)

/* main() sets their origins. */
static struct http_cors configs[CONFIGS] = {
	{.methods = NULL},
	{.options_success_status = 204},
	{.methods = NULL},
	{.credentials = true},
	{.methods = NULL},
	{.methods = NULL},
	{.credentials = true, .exposed_headers = "X-One,X-Two", .max_age = "600"},
	{.methods = "GET,POST", .allowed_headers = "X-Mine,Content-Type", .exposed_headers = "X-Out", .max_age = "0"},
	{.allowed_headers = "X-Mine", .options_success_status = 200},
	{.preflight_continue = true, .methods = "GET"},
};

static const char *const names[] = {"Access-Control-Allow-Origin", "Vary", "Access-Control-Allow-Credentials",
	"Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age",
	"Access-Control-Expose-Headers"};
#define NAMES (sizeof names / sizeof *names)

static const struct {
	unsigned config;
	const char *method, *origin, *asked;
	int status;
	const char *fields[NAMES]; /* NULL: the field is absent */
} rows[] = {
	{0, "GET", NULL, NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{0, "GET", "http://a.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{0, "GET", "http://b.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{0, "POST", "http://c.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{0, "OPTIONS", "http://b.example", NULL, 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL, NULL}},
	{0, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			"X-Asked, authorization", NULL, NULL}},
	{0, "OPTIONS", "http://c.example", "x", 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", "x", NULL, NULL}},
	{0, "OPTIONS", NULL, NULL, 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL, NULL}},
	{1, "GET", NULL, NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{1, "GET", "http://a.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{1, "GET", "http://b.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{1, "POST", "http://c.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, NULL}},
	{1, "OPTIONS", "http://b.example", NULL, 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL, NULL}},
	{1, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			"X-Asked, authorization", NULL, NULL}},
	{1, "OPTIONS", "http://c.example", "x", 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", "x", NULL, NULL}},
	{1, "OPTIONS", NULL, NULL, 204,
		{"*", "Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL, NULL}},
	{2, "GET", NULL, NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{2, "GET", "http://a.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{2, "GET", "http://b.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{2, "POST", "http://c.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{2, "OPTIONS", "http://b.example", NULL, 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			NULL, NULL, NULL}},
	{2, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			"X-Asked, authorization", NULL, NULL}},
	{2, "OPTIONS", "http://c.example", "x", 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			"x", NULL, NULL}},
	{2, "OPTIONS", NULL, NULL, 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			NULL, NULL, NULL}},
	{3, "GET", NULL, NULL, 299, {"http://a.example", "Origin", "true", NULL, NULL, NULL, NULL}},
	{3, "GET", "http://a.example", NULL, 299, {"http://a.example", "Origin", "true", NULL, NULL, NULL, NULL}},
	{3, "GET", "http://b.example", NULL, 299, {"http://a.example", "Origin", "true", NULL, NULL, NULL, NULL}},
	{3, "POST", "http://c.example", NULL, 299, {"http://a.example", "Origin", "true", NULL, NULL, NULL, NULL}},
	{3, "OPTIONS", "http://b.example", NULL, 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", "true",
			"GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL, NULL}},
	{3, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", "true",
			"GET,HEAD,PUT,PATCH,POST,DELETE", "X-Asked, authorization", NULL, NULL}},
	{3, "OPTIONS", "http://c.example", "x", 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", "true",
			"GET,HEAD,PUT,PATCH,POST,DELETE", "x", NULL, NULL}},
	{3, "OPTIONS", NULL, NULL, 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", "true",
			"GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL, NULL}},
	{4, "GET", NULL, NULL, 299, {NULL, "Origin", NULL, NULL, NULL, NULL, NULL}},
	{4, "GET", "http://a.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{4, "GET", "http://b.example", NULL, 299, {"http://b.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{4, "POST", "http://c.example", NULL, 299, {NULL, "Origin", NULL, NULL, NULL, NULL, NULL}},
	{4, "OPTIONS", "http://b.example", NULL, 204,
		{"http://b.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			NULL, NULL, NULL}},
	{4, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			"X-Asked, authorization", NULL, NULL}},
	{4, "OPTIONS", "http://c.example", "x", 204,
		{NULL, "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", "x", NULL,
			NULL}},
	{4, "OPTIONS", NULL, NULL, 204,
		{NULL, "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL,
			NULL}},
	{5, "GET", NULL, NULL, 299, {NULL, "Origin", NULL, NULL, NULL, NULL, NULL}},
	{5, "GET", "http://a.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{5, "GET", "http://b.example", NULL, 299, {"http://b.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{5, "POST", "http://c.example", NULL, 299, {"http://c.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{5, "OPTIONS", "http://b.example", NULL, 204,
		{"http://b.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			NULL, NULL, NULL}},
	{5, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			"X-Asked, authorization", NULL, NULL}},
	{5, "OPTIONS", "http://c.example", "x", 204,
		{"http://c.example", "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE",
			"x", NULL, NULL}},
	{5, "OPTIONS", NULL, NULL, 204,
		{NULL, "Origin, Access-Control-Request-Headers", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", NULL, NULL,
			NULL}},
	{6, "GET", NULL, NULL, 299, {NULL, "Origin", "true", NULL, NULL, NULL, "X-One,X-Two"}},
	{6, "GET", "http://a.example", NULL, 299,
		{"http://a.example", "Origin", "true", NULL, NULL, NULL, "X-One,X-Two"}},
	{6, "GET", "http://b.example", NULL, 299,
		{"http://b.example", "Origin", "true", NULL, NULL, NULL, "X-One,X-Two"}},
	{6, "POST", "http://c.example", NULL, 299,
		{"http://c.example", "Origin", "true", NULL, NULL, NULL, "X-One,X-Two"}},
	{6, "OPTIONS", "http://b.example", NULL, 204,
		{"http://b.example", "Origin, Access-Control-Request-Headers", "true",
			"GET,HEAD,PUT,PATCH,POST,DELETE", NULL, "600", "X-One,X-Two"}},
	{6, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"http://a.example", "Origin, Access-Control-Request-Headers", "true",
			"GET,HEAD,PUT,PATCH,POST,DELETE", "X-Asked, authorization", "600", "X-One,X-Two"}},
	{6, "OPTIONS", "http://c.example", "x", 204,
		{"http://c.example", "Origin, Access-Control-Request-Headers", "true",
			"GET,HEAD,PUT,PATCH,POST,DELETE", "x", "600", "X-One,X-Two"}},
	{6, "OPTIONS", NULL, NULL, 204,
		{NULL, "Origin, Access-Control-Request-Headers", "true", "GET,HEAD,PUT,PATCH,POST,DELETE", NULL,
			"600", "X-One,X-Two"}},
	{7, "GET", NULL, NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, "X-Out"}},
	{7, "GET", "http://a.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, "X-Out"}},
	{7, "GET", "http://b.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, "X-Out"}},
	{7, "POST", "http://c.example", NULL, 299, {"*", NULL, NULL, NULL, NULL, NULL, "X-Out"}},
	{7, "OPTIONS", "http://b.example", NULL, 204,
		{"*", NULL, NULL, "GET,POST", "X-Mine,Content-Type", "0", "X-Out"}},
	{7, "OPTIONS", "http://a.example", "X-Asked, authorization", 204,
		{"*", NULL, NULL, "GET,POST", "X-Mine,Content-Type", "0", "X-Out"}},
	{7, "OPTIONS", "http://c.example", "x", 204,
		{"*", NULL, NULL, "GET,POST", "X-Mine,Content-Type", "0", "X-Out"}},
	{7, "OPTIONS", NULL, NULL, 204, {"*", NULL, NULL, "GET,POST", "X-Mine,Content-Type", "0", "X-Out"}},
	{8, "GET", NULL, NULL, 299, {NULL, "Origin", NULL, NULL, NULL, NULL, NULL}},
	{8, "GET", "http://a.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{8, "GET", "http://b.example", NULL, 299, {"http://b.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{8, "POST", "http://c.example", NULL, 299, {NULL, "Origin", NULL, NULL, NULL, NULL, NULL}},
	{8, "OPTIONS", "http://b.example", NULL, 200,
		{"http://b.example", "Origin", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", "X-Mine", NULL, NULL}},
	{8, "OPTIONS", "http://a.example", "X-Asked, authorization", 200,
		{"http://a.example", "Origin", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", "X-Mine", NULL, NULL}},
	{8, "OPTIONS", "http://c.example", "x", 200,
		{NULL, "Origin", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", "X-Mine", NULL, NULL}},
	{8, "OPTIONS", NULL, NULL, 200,
		{NULL, "Origin", NULL, "GET,HEAD,PUT,PATCH,POST,DELETE", "X-Mine", NULL, NULL}},
	{9, "GET", NULL, NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{9, "GET", "http://a.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{9, "GET", "http://b.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{9, "POST", "http://c.example", NULL, 299, {"http://a.example", "Origin", NULL, NULL, NULL, NULL, NULL}},
	{9, "OPTIONS", "http://b.example", NULL, 299,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET", NULL, NULL, NULL}},
	{9, "OPTIONS", "http://a.example", "X-Asked, authorization", 299,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET", "X-Asked, authorization",
			NULL, NULL}},
	{9, "OPTIONS", "http://c.example", "x", 299,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET", "x", NULL, NULL}},
	{9, "OPTIONS", NULL, NULL, 299,
		{"http://a.example", "Origin, Access-Control-Request-Headers", NULL, "GET", NULL, NULL, NULL}},
};

static const struct http_cors *cors;

static void
on_request(void *arg, struct http_request *r)
{
	(void)arg;
	if (!http_cors_apply(cors, r))
		http_reply(r, 299, NULL, TEXT("ok"), false);
}

static struct rig *
ask(const char *method, const char *origin, const char *asked)
{
	struct rig *g = rig_new(on_request);
	struct buffer head;

	buffer_init(&head, 4096);
	buffer_printf(&head, "%s /socket.io/ HTTP/1.1\r\nHost: h\r\n", method);
	if (origin)
		buffer_printf(&head, "Origin: %s\r\n", origin);
	if (asked)
		buffer_printf(&head, "Access-Control-Request-Headers: %s\r\n", asked);
	buffer_printf(&head, "Connection: close\r\n\r\n");
	rig_send(g, head.data, head.len);
	buffer_fini(&head);
	rig_end(g);
	return g;
}

static void
test_as_the_original(void **state)
{
	char line[256];
	size_t i, f;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rig *g;

		cors = &configs[rows[i].config];
		g = ask(rows[i].method, rows[i].origin, rows[i].asked);
		snprintf(line, sizeof line, "HTTP/1.1 %d ", rows[i].status);
		if (rig_count(g, line) != 1)
			fail_msg("row %zu: not %d: %s", i, rows[i].status, rig_got(g));
		for (f = 0; f < NAMES; f++) {
			snprintf(line, sizeof line, "\r\n%s: ", names[f]);
			if (rig_count(g, line) != (rows[i].fields[f] ? 1 : 0))
				fail_msg("row %zu: %s: %s", i, names[f], rig_got(g));
			if (!rows[i].fields[f])
				continue;
			snprintf(line, sizeof line, "\r\n%s: %s\r\n", names[f], rows[i].fields[f]);
			if (rig_count(g, line) != 1)
				fail_msg("row %zu: %s: %s", i, names[f], rig_got(g));
		}
		rig_free(g);
	}
}

static void
test_off(void **state)
{
	static const struct http_cors off = {.credentials = true};
	struct rig *g;

	(void)state;
	cors = &off;
	g = ask("OPTIONS", "http://a.example", "x");
	assert_int_equal(rig_count(g, "HTTP/1.1 299 "), 1);
	assert_int_equal(rig_count(g, "Access-Control"), 0);
	assert_int_equal(rig_count(g, "Vary"), 0);
	rig_free(g);
}

/* Whether a GET from this origin is answered with the origin under this setting. Vary names Origin in any case. */
static bool
reflected(const char *setting, const char *origin)
{
	struct http_origins *parsed;
	struct http_cors config = {.credentials = true};
	char error[HTTP_ORIGIN_ERROR_MAX], line[256];
	struct rig *g;
	bool allowed;

	assert_int_equal(http_origins_new(&parsed, setting, error), 0);
	config.origins = parsed;
	cors = &config;
	g = ask("GET", origin, NULL);
	snprintf(line, sizeof line, "Access-Control-Allow-Origin: %s\r\n", origin ? origin : "");
	allowed = rig_count(g, line) == 1;
	assert_int_equal(rig_count(g, "Access-Control-Allow-Origin"), allowed ? 1 : 0);
	assert_int_equal(rig_count(g, "Vary: Origin\r\n"), 1);
	rig_free(g);
	http_origins_free(parsed);
	return allowed;
}

/* Entries of a list match whole origins, case-sensitively, not prefixes. */
static void
test_list_is_exact(void **state)
{
	static const char *const foreign[] = {"http://a.example.evil", "http://a.exampl", "HTTP://A.EXAMPLE", "null",
		NULL, "http://a.example,http://b.example"};

	(void)state;
	assert_true(reflected("http://a.example,http://b.example", "http://b.example"));
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		assert_false(reflected("http://a.example,http://b.example", foreign[i]));
}

/* As with a RegExp in the cors package: a matching origin is reflected, and Vary is always present. */
static void
test_patterns_reflect(void **state)
{
	(void)state;
	assert_true(reflected("https://*.a.example", "https://x.a.example"));
	assert_false(reflected("https://*.a.example", "https://a.example"));
	assert_false(reflected("https://*.a.example", NULL));
	assert_true(reflected("/a\\.example$/", "https://x.a.example"));
	assert_false(reflected("/a\\.example$/", "https://a.example.evil"));
	assert_true(reflected("https://b.example, /^https:..[a,b]\\.example$/i", "https://A.example"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_original),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_list_is_exact),
		cmocka_unit_test(test_patterns_reflect),
	};
	struct http_origins *made[CONFIGS];
	char error[HTTP_ORIGIN_ERROR_MAX];
	int failed;

	for (size_t i = 0; i < CONFIGS; i++) {
		if (http_origins_new(&made[i], origins[i], error) < 0)
			return 1;
		configs[i].origins = made[i];
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < CONFIGS; i++)
		http_origins_free(made[i]);
	return failed;
}
