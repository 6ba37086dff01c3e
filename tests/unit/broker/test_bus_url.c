/* URLs of a bus: their parts, and one clear error line without the password for each invalid URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "broker/bus.h"
#include "broker/bus_url.h"
#include "common/base/error.h"

#define TEN "/234567890"
#define LONG_PATH TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "/234567" /* 107 bytes, the kernel's limit */

#define HOST_TEN "a.34567890"
#define HOST_FIFTY HOST_TEN HOST_TEN HOST_TEN HOST_TEN HOST_TEN
#define LONG_HOST HOST_FIFTY HOST_FIFTY HOST_FIFTY HOST_FIFTY HOST_FIFTY "1234" /* 254 bytes */

static const char *
or_none(const char *s)
{
	return s != NULL ? s : "-";
}

/* The master's name and, where there is more to say than `host` says, all hosts. */
static void
add_hosts(char parts[256], const struct bus_url *u)
{
	if (u->master != NULL)
		sprintf(parts + strlen(parts), " of %s", u->master);
	if (u->cluster)
		strcat(parts, " cluster");
	if (u->master == NULL && !u->cluster && u->host_count < 2)
		return;
	for (unsigned i = 0; i < u->host_count; i++)
		sprintf(parts + strlen(parts), "%s%s:%u", i == 0 ? " (" : " ", u->hosts[i].name, u->hosts[i].port);
	strcat(parts, ")");
}

static void
valid_urls(void **state)
{
	static const struct {
		const char *url, *parts, *name;
	} cases[] = {
		{"redis://localhost", "localhost 6379 - - - 0", "localhost:6379"},
		{"redis://10.0.0.1:7000/", "10.0.0.1 7000 - - - 0", "10.0.0.1:7000"},
		{"redis://:p%40ss@h:1/15", "h 1 - - p@ss 15", "h:1"},
		{"redis://u:p:q@h", "h 6379 - u p:q 0", "h:6379"},
		{"redis://us%3aer:p%2fq@[2001:db8::1]:6380/2", "2001:db8::1 6380 - us:er p/q 2",
			"[2001:db8::1]:6380"},
		{"rediss://[::1]", "::1 6379 - - - 0 tls", "[::1]:6379"},
		{"redis://u:a@b@h", "h 6379 - u a@b 0", "h:6379"},
		{"redis://u:p@a,b:7,[::1]:8/3", "a 6379 - u p 3 (a:6379 b:7 ::1:8)", "a:6379"},
		{"redis+sentinel://:p@a,b:7/my%20master/2", "- 0 - - p 2 of my master (a:26379 b:7)", "my master"},
		{"rediss+sentinel://a/m", "- 0 - - - 0 tls of m (a:26379)", "m"},
		{"redis+sentinel://a/m/", "- 0 - - - 0 of m (a:26379)", "m"},
		{"redis+cluster://u:p@a,b:7,[::1]", "- 0 - u p 0 cluster (a:6379 b:7 ::1:6379)", "cluster"},
		{"rediss+cluster://a/0", "- 0 - - - 0 tls cluster (a:6379)", "cluster"},
		{"unix:///run/redis.sock", "- 0 /run/redis.sock - - 0", "/run/redis.sock"},
		{"unix:///run/a%20b?db=3&user=u&password=p%26", "- 0 /run/a b u p& 3", "/run/a b"},
		{"unix://" LONG_PATH, "- 0 " LONG_PATH " - - 0", LONG_PATH},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char error[BUS_ERROR_MAX], parts[256], name[BUS_URL_NAME_MAX];
		struct bus_url u;

		if (bus_url_parse(&u, cases[i].url, error) < 0)
			fail_msg("%s: %s", cases[i].url, error);
		snprintf(parts, sizeof parts, "%s %u %s %s %s %u%s%s", or_none(u.host), u.port, or_none(u.path),
			or_none(u.user), or_none(u.password), u.db, u.tls ? " tls" : "", u.hub ? " hub" : "");
		add_hosts(parts, &u);
		assert_string_equal(parts, cases[i].parts);
		bus_url_name(&u, name);
		assert_string_equal(name, cases[i].name);
		bus_url_fini(&u);
	}
}

static void
invalid_urls(void **state)
{
	static const char *const urls[] = {"", "redis", "redis:/h", "http://h", "redis://", "redis://:6379",
		"redis://h:0", "redis://h:65536", "redis://h:x", "redis://h/x", "redis://h/-1", "redis://h/99999999",
		"redis://u:%zz@h", "redis://u:secret%00@h", "redis://u:%4@h", "redis://[::1", "redis://[::1]x",
		"redis://h?x=1", "redis://h#x", "unix://run", "unix://", "unix:///p?x=1", "unix:///p?db=x",
		"hub:00abc", "redis://u:secret@", "unix://" LONG_PATH "x", "redis://a,", "redis://a,,b", "redis://,a",
		"redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel://a//1", "redis+sentinel://a/m/x",
		"redis+sentinel:///m", "redis+cluster://", "redis+cluster://a/1", "redis+cluster://a?x=1",
		"redis+sentinel://a/m?x=1", "redis://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "redis://" LONG_HOST};

	(void)state;
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		char error[BUS_ERROR_MAX] = "";
		struct bus_url u;

		if (bus_url_parse(&u, urls[i], error) != ERROR_ARGUMENT)
			fail_msg("taken: %s", urls[i]);
		assert_true(strlen(error) > 20);
		assert_null(strchr(error, '\n'));
		assert_null(strstr(error, "secret"));
	}
}

/* After a failure the next server takes over, and after the last the first. */
static void
servers_in_turn(void **state)
{
	char error[BUS_ERROR_MAX], name[BUS_URL_NAME_MAX];
	struct bus_url u;

	(void)state;
	assert_int_equal(bus_url_parse(&u, "redis://a,b:7", error), 0);
	bus_url_next(&u);
	bus_url_name(&u, name);
	assert_string_equal(name, "b:7");
	bus_url_next(&u);
	bus_url_name(&u, name);
	assert_string_equal(name, "a:6379");
	bus_url_fini(&u);
	assert_int_equal(bus_url_parse(&u, "redis+sentinel://a,b/m", error), 0);
	bus_url_next(&u); /* the sentinels name the server */
	assert_null(u.host);
	bus_url_use(&u, "c", 9);
	bus_url_name(&u, name);
	assert_string_equal(name, "c:9");
	bus_url_fini(&u);
	assert_int_equal(bus_url_parse(&u, "redis+cluster://a,b", error), 0);
	bus_url_next(&u); /* the members name the server */
	assert_null(u.host);
	bus_url_use(&u, "c", 9);
	bus_url_name(&u, name);
	assert_string_equal(name, "c:9");
	bus_url_fini(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_urls),
		cmocka_unit_test(invalid_urls),
		cmocka_unit_test(servers_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
