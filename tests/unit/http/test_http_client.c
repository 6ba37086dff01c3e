/*
 * Which client a request comes from, without proxies and behind one or several. The rows of X-Forwarded-For without a
 * remark were observed at proxy-addr of npm, on which Express' "trust proxy" is built.
 */
#include <arpa/inet.h>
#include <string.h>

#include "common/io/log.h"
#include "node/http/http_client.h"
#include "node/http/http_trust.h"
#include "tests/unit/http/http_rig.h"

#define FOR "X-Forwarded-For: "
#define PROTO "X-Forwarded-Proto: "
#define HOST "X-Forwarded-Host: "
#define FORWARDED "Forwarded: "
#define END "\r\n"

#define LIST(n) FOR "9.9.9.9, 8.8.8.8" END FOR "10.0.0." n END

struct row {
	const char *trust, *peer, *fields;
	const char *address;
	bool secure;
	const char *host; /* NULL: the value of the Host field */
};

static const struct row rows[] = {
	/* no proxy is trusted */
	{NULL, "10.0.0.1", FOR "1.2.3.4" END PROTO "https" END HOST "p" END, "10.0.0.1", false, NULL},
	{"false", "10.0.0.1", FORWARDED "for=1.2.3.4;proto=https;host=p" END, "10.0.0.1", false, NULL},
	{"0", "10.0.0.1", FOR "1.2.3.4" END, "10.0.0.1", false, NULL},
	/* the nearest proxy is trusted */
	{"1", "10.0.0.1", "", "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "1.2.3.4" END PROTO "https" END HOST "p" END, "1.2.3.4", true, "p"},
	{"1", "10.0.0.1", FOR "9.9.9.9, 1.2.3.4" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "9.9.9.9" END FOR "1.2.3.4" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "1.2.3.4" END FOR END, "1.2.3.4", false, NULL},
	/* two proxies are trusted, and more hops than exist */
	{"2", "10.0.0.1", LIST("2"), "8.8.8.8", false, NULL},
	{"3", "10.0.0.1", LIST("2"), "9.9.9.9", false, NULL},
	{"7", "10.0.0.1", LIST("2"), "9.9.9.9", false, NULL},
	{"true", "10.0.0.1", LIST("2"), "9.9.9.9", false, NULL},
	{"TRUE", "10.0.0.1", "", "10.0.0.1", false, NULL},
	/* networks are trusted */
	{"10.0.0.0/8", "10.0.0.1", LIST("2"), "8.8.8.8", false, NULL},
	{"10.0.0.0/8", "11.0.0.1", LIST("2") PROTO "https" END HOST "p" END, "11.0.0.1", false, NULL},
	{"10.0.0.1", "10.0.0.1", LIST("2"), "10.0.0.2", false, NULL},
	{"10.0.0.1, 10.0.0.2,8.8.8.8", "10.0.0.1", LIST("2"), "9.9.9.9", false, NULL},
	{"uniquelocal", "10.0.0.1", LIST("2"), "8.8.8.8", false, NULL},
	{"uniquelocal", "10.0.0.1", FOR "1.2.3.4, fd00::1, 172.16.0.9, 192.168.1.1" END, "1.2.3.4", false, NULL},
	{"loopback", "10.0.0.1", LIST("2"), "10.0.0.1", false, NULL},
	{"loopback, linklocal, uniquelocal", "::1", FOR "1.2.3.4, fe80::7, 10.1.1.1" END, "1.2.3.4", false, NULL},
	{"loopback", "127.0.0.1", FOR "10.0.0.1" END, "10.0.0.1", false, NULL},
	{"loopback", "::ffff:127.0.0.9", FOR "1.2.3.4" END, "1.2.3.4", false, NULL},
	{"fd00::/8", "fd00::1", FOR "2001:db8::1" END, "2001:db8::1", false, NULL},
	{"10.0.0.0/8", "10.0.0.1", FOR "10.0.0.3, 10.0.0.2" END, "10.0.0.3", false, NULL},
	/* notations of entries; proxy-addr returns them unchanged */
	{"1", "10.0.0.1", FOR "1.2.3.4:17085" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "[2001:db8::1]:443" END, "2001:db8::1", false, NULL},
	{"1", "10.0.0.1", FOR "[2001:db8::1]" END, "2001:db8::1", false, NULL},
	{"1", "10.0.0.1", FOR "\"1.2.3.4:80\"" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "\"[2001:db8::1]:443\"" END, "2001:db8::1", false, NULL},
	{"1", "10.0.0.1", FOR "1.2.3.4," END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "9.9.9.9 ,, 1.2.3.4 , ," END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "::ffff:1.2.3.4" END, "::ffff:1.2.3.4", false, NULL},
	{"2", "10.0.0.1", FOR "9.9.9.9, 1.2.3.4:5, \"[fd00::1]:6\"" END, "1.2.3.4", false, NULL},
	{"fd00::/8, 10.0.0.0/8", "10.0.0.1", FOR "1.2.3.4:5, [fd00::1]:6" END, "1.2.3.4", false, NULL},
	/* an entry that is not an address is skipped, and does not count as a hop */
	{"1", "10.0.0.1", FOR "1.2.3.4, what" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "9.9.9.9, 1.2.3.4, unix:, 1.2.3" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "unknown" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "1.2.3.4:x" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "1.2.3.4:123456" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "1.2.3.4:65535" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "1.2.3.4:65536" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "[2001:db8::1]:99999" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "[1.2.3.4]:80" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "[2001:db8::1" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "[2001:db8::1]x" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "[]:80" END, "10.0.0.1", false, NULL},
	{"1", "10.0.0.1", FOR "\"" END, "10.0.0.1", false, NULL},
	{"10.0.0.0/8", "10.0.0.1", FOR "9.9.9.9, 1.2.3.4, what, 10.0.0.2" END, "1.2.3.4", false, NULL},
	/* an unclosed quotation mark of the client does not swallow what a proxy appends */
	{"1", "10.0.0.1", FOR "\"9.9.9.9, 1.2.3.4" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FOR "9.9.9.9\\\", 1.2.3.4" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FORWARDED "for=\"9.9.9.9, for=1.2.3.4" END, "1.2.3.4", false, NULL},
	{"1", "10.0.0.1", FORWARDED "for=\"9.9.9.9\\, for=1.2.3.4;proto=https" END, "1.2.3.4", true, NULL},
	/*
	 * scheme and host belong to the hop of the address; otherwise the first entry counts, since many proxies
	 * write only one
	 */
	{"1", "10.0.0.1", FOR "9.9.9.9, 1.2.3.4" END PROTO "https, http" END HOST "evil, p" END, "1.2.3.4", false,
		"p"},
	{"1", "10.0.0.1", PROTO "http, https" END, "10.0.0.1", true, NULL},
	{"2", "10.0.0.1", LIST("2") PROTO "https" END HOST "p" END, "8.8.8.8", true, "p"},
	{"2", "10.0.0.1", LIST("2") PROTO "http, https, http" END HOST "evil, p, inner" END, "8.8.8.8", true, "p"},
	{"2", "10.0.0.1", LIST("2") PROTO "http" END PROTO "https,http" END, "8.8.8.8", true, NULL},
	{"true", "10.0.0.1", LIST("2") PROTO "https, http, http" END, "9.9.9.9", true, NULL},
	{"1", "10.0.0.1", PROTO "HTTPS" END, "10.0.0.1", true, NULL},
	{"1", "10.0.0.1", PROTO "wss" END, "10.0.0.1", true, NULL},
	{"1", "10.0.0.1", PROTO "ws" END, "10.0.0.1", false, NULL},
	/* RFC 7239 */
	{"1", "10.0.0.1", FORWARDED "for=1.2.3.4;proto=https;by=10.0.0.1;host=p:8080" END, "1.2.3.4", true, "p:8080"},
	{"1", "10.0.0.1", FORWARDED "For=\"[2001:db8:cafe::17]:4711\"; Proto=\"https\"" END, "2001:db8:cafe::17",
		true, NULL},
	{"1", "10.0.0.1", FORWARDED "for=9.9.9.9;host=evil, for=1.2.3.4" END, "1.2.3.4", false, NULL},
	{"2", "10.0.0.1", FORWARDED "for=9.9.9.9;host=evil" END FORWARDED "for=1.2.3.4;host=p, for=10.0.0.2" END,
		"1.2.3.4", false, "p"},
	{"10.0.0.0/8", "10.0.0.1", FORWARDED "for=9.9.9.9, for=1.2.3.4:1;proto=https, for=\"10.0.0.2:2\"" END,
		"1.2.3.4", true, NULL},
	{"true", "10.0.0.1", FORWARDED "for=9.9.9.9, for=1.2.3.4" END, "9.9.9.9", false, NULL},
	{"1", "10.0.0.1", FORWARDED "by=\"a;b,c\";for=1.2.3.4;;host=\"p\"" END, "1.2.3.4", false, "p"},
	/* a hop that hides its client still counts as a hop */
	{"1", "10.0.0.1", FORWARDED "for=9.9.9.9, for=unknown;proto=https" END, "10.0.0.1", true, NULL},
	{"1", "10.0.0.1", FORWARDED "for=9.9.9.9;host=evil, proto=https" END, "10.0.0.1", true, NULL},
	{"2", "10.0.0.1", FORWARDED "for=1.2.3.4, for=_hidden" END, "1.2.3.4", false, NULL},
	{"10.0.0.0/8", "10.0.0.1", FORWARDED "for=9.9.9.9, for=_hidden, for=10.0.0.2" END, "10.0.0.2", false, NULL},
	{"1", "10.0.0.1", FORWARDED "for=9.9.9.9, for=1.2.3.4.5" END, "10.0.0.1", false, NULL},
	/* only one family of fields counts: a proxy that writes X-Forwarded-* passes Forwarded on unchanged */
	{"1", "10.0.0.1", FORWARDED "for=9.9.9.9;host=evil;proto=https" END FOR "1.2.3.4" END, "1.2.3.4", false,
		NULL},
	{"1", "10.0.0.1", FORWARDED "for=9.9.9.9;host=evil" END PROTO "https" END, "10.0.0.1", true, NULL},
	/* a Unix socket has no address */
	{"1", NULL, FOR "1.2.3.4" END, "1.2.3.4", false, NULL},
	{"loopback", NULL, FOR "1.2.3.4" END, "", false, NULL},
};

static void
on_request(void *arg, struct http_request *r)
{
	char room[CONN_ADDRESS_MAX];
	struct text address = http_client_address(r, room), host = http_client_host(r);
	struct buffer line;

	(void)arg;
	buffer_init(&line, 4096);
	buffer_printf(&line, "|%.*s|%s|%.*s|end", (int)address.n, address.at,
		http_client_secure(r) ? "https" : "http", (int)host.n, host.at);
	http_reply(r, 200, NULL, buffer_text(&line), false);
	buffer_fini(&line);
}

static void
set_peer(struct rig *g, const char *address, struct sockaddr_storage *room)
{
	struct sockaddr_in *four = (struct sockaddr_in *)room;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)room;

	memset(room, 0, sizeof *room);
	if (!address)
		return;
	g->peer = (struct sockaddr *)room;
	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		g->peer_len = sizeof *four;
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &six->sin6_addr), 1);
		six->sin6_family = AF_INET6;
		g->peer_len = sizeof *six;
	}
}

/* Sends the fields from this peer to a server with this trust setting. */
static struct rig *
ask(const char *trust, const char *peer, const char *fields, struct http_trust **made)
{
	struct rig *g = rig_new(on_request);
	struct sockaddr_storage room;
	char error[HTTP_TRUST_ERROR_MAX];
	struct buffer head;

	assert_int_equal(http_trust_new(made, trust, error), 0);
	rig_disconnect(g);
	g->server.trust = *made;
	set_peer(g, peer, &room);
	rig_connect(g);
	buffer_init(&head, 8192);
	buffer_printf(&head, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
	rig_send(g, (const char *)head.data, head.len);
	rig_expect(g, "|end", 1);
	buffer_fini(&head);
	return g;
}

static void
test_clients(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		struct http_trust *trust;
		struct rig *g = ask(row->trust, row->peer, row->fields, &trust);
		char wanted[256];

		snprintf(wanted, sizeof wanted, "|%s|%s|%s|", row->address, row->secure ? "https" : "http",
			row->host ? row->host : "h");
		if (rig_count(g, wanted) != 1)
			fail_msg("row %zu, %s, %s: %s, not %s", i, row->trust ? row->trust : "nobody", row->fields,
				rig_got(g), wanted);
		rig_free(g);
		http_trust_free(trust);
	}
}

static void
test_settings(void **state)
{
	static const struct {
		const char *setting, *says;
	} bad[] = {
		{"yes", "option --trust-proxy: \"yes\" is not an address"},
		{"-1", "\"-1\" is not an address"},
		{"1.5", "\"1.5\" is not an address"},
		{"99999999999999999999", "is not an address"},
		{"loopback,", "ends with a comma"},
		{"loopback,,10.0.0.0/8", "\"\" is an empty item"},
		{",", "ends with a comma"},
		{"Loopback", "is not an address"},
		{"10.0.0.0/0", "\"10.0.0.0/0\" has an invalid prefix"},
		{"10.0.0.0/33", "has an invalid prefix"},
		{"fc00::/129", "has an invalid prefix"},
		{"::ffff:10.0.0.0/8", "96 to 128 for IPv4 as ::ffff:10.0.0.0"},
		{"loopback 10.0.0.1", "is not an address"},
		{"loopback, 2", "\"2\" is not an address"},
		{"proxy.example", "is not an address"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct http_trust *trust;
		char error[HTTP_TRUST_ERROR_MAX] = "";

		if (http_trust_new(&trust, bad[i].setting, error) != ERROR_ARGUMENT || trust != NULL ||
			strstr(error, bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].setting, error);
	}
}

static char logged[4096];

static void
keep_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level;
	snprintf(logged, sizeof logged, "%.*s", (int)n, line);
}

/* At most one line per second says what was wrong and who wrote it. Hidden hops and empty entries are not logged. */
static void
test_log(void **state)
{
	static const struct {
		const char *fields, *says;
	} lines[] = {
		{FOR "1.2.3.4, what" END, "event=forwarded_entry error=\"not an address\" field=X-Forwarded-For "
					  "entry=what proxy=10.0.0.1"},
		{FORWARDED "for=1.2.3" END, "field=Forwarded entry=1.2.3 proxy=10.0.0.1"},
		{FOR "1.2.3.4,," END, NULL},
		{FORWARDED "for=unknown, for=_hidden, proto=https" END, NULL},
	};
	struct http_trust *trust;
	struct rig *g;

	(void)state;
	log_set_sink(keep_line, NULL);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		logged[0] = '\0';
		g = ask("true", "10.0.0.1", lines[i].fields, &trust);
		if (lines[i].says ? !strstr(logged, lines[i].says) : logged[0] != '\0')
			fail_msg("%s: %s", lines[i].fields, logged);
		rig_free(g);
		http_trust_free(trust);
	}
	logged[0] = '\0';
	g = ask("false", "10.0.0.1", FOR "what" END, &trust);
	assert_int_equal(logged[0], '\0');
	rig_free(g);
	log_set_sink(NULL, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
