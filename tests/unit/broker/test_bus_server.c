/* The bus against servers that lie, refuse, forbid or cut: one of a few lines in the same loop, and a real Redis. */
#include "tests/unit/broker/broker_bench.h"

#include "broker/hub_command.h"
#include "common/base/error.h"
#include "common/io/listener.h"
#include "common/io/log.h"

/* -------------------------------------------------------------------- log */

static struct buffer lines;

static void
on_line(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg;
	(void)level;
	buffer_add(&lines, line, n);
}

static bool
logged(const char *what)
{
	return lines.len > 0 && memmem(lines.data, lines.len, what, strlen(what)) != NULL;
}

static unsigned
count_of(const char *what)
{
	unsigned n = 0;

	for (size_t at = 0; at + strlen(what) <= lines.len; at++)
		n += memcmp(lines.data + at, what, strlen(what)) == 0;
	return n;
}

/* ---------------------------------------------------------- a small server */

/* Serves one bus: as Redis would, but for what the test sets. */
static struct server {
	struct listener *listener;
	char url[64];
	struct conn *commands, *subscriptions; /* the last that did so */
	unsigned open, subscribed, published;
	const char *greeting; /* said at once, then the end */
	const char *auth;     /* the answer to AUTH */
	const char *role;     /* to INFO */
	bool silent;	      /* confirms no subscription */
	bool deaf;	      /* takes publishes, and passes nothing on */
} server;

static const struct conn_limits server_limits = {
	.max_queue = 64 << 20, .max_kept = 32 * 1024, .stall_ms = 20000, .linger_ms = 20000};

static __attribute__((format(printf, 2, 3))) void
say(struct conn *c, const char *format, ...)
{
	char out[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out, sizeof out, format, args);
	va_end(args);
	assert_in_range(n, 0, sizeof out - 1);
	conn_send_copy(c, out, (size_t)n);
}

static void
serve(struct conn *c, const struct hub_command *command)
{
	const struct text *args = command->args;

	if (text_is(args[0], TEXT("AUTH"))) {
		say(c, "%s", server.auth);
	} else if (text_is(args[0], TEXT("SUBSCRIBE"))) {
		server.subscriptions = c;
		server.subscribed++;
		if (!server.silent)
			say(c, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%.*s\r\n:1\r\n", args[1].n, (int)args[1].n,
				args[1].at);
	} else if (text_is(args[0], TEXT("INFO"))) {
		say(c, "%s", server.role);
	} else if (text_is(args[0], TEXT("PUBLISH"))) {
		server.commands = c;
		server.published++;
		say(c, ":1\r\n");
		if (server.deaf)
			return;
		say(server.subscriptions, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%.*s\r\n$%zu\r\n%.*s\r\n", args[1].n,
			(int)args[1].n, args[1].at, args[2].n, (int)args[2].n, args[2].at);
	}
}

static size_t
server_data(struct conn *c, uint8_t *data, size_t n)
{
	static struct hub_command command;
	size_t at = 0;

	for (;;) {
		uint64_t needed;
		int64_t taken = hub_command_parse(&command, text_of((char *)data + at, n - at), 1 << 20, &needed);

		assert_true(taken >= 0);
		if (taken == 0)
			return at;
		at += (size_t)taken;
		serve(c, &command);
	}
}

static void
server_closed(struct conn *c, unsigned reason)
{
	(void)reason;
	server.open--;
	if (server.commands == c)
		server.commands = NULL;
	if (server.subscriptions == c)
		server.subscriptions = NULL;
}

static void
server_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	static const struct conn_ops ops = {.on_data = server_data, .on_closed = server_closed};
	struct conn *c = conn_new(&bench.loop, fd, peer, peer_len, NULL, &server_limits, &ops, NULL);

	(void)arg;
	server.open++;
	if (server.greeting != NULL) {
		say(c, "%s", server.greeting);
		conn_finish(c, REASON_FINISHED);
	}
}

static int
start(void **state)
{
	struct listener_options o = {.host = "127.0.0.1"};
	char error[256];

	buffer_init(&lines, 16 << 20);
	log_set_sink(on_line, NULL);
	bench_start(state);
	memset(&server, 0, sizeof server);
	server.auth = "+OK\r\n";
	server.role = "$11\r\nrole:master\r\n";
	if (listener_open(&server.listener, &bench.loop, &o, server_accept, NULL, error) < 0)
		fail_msg("%s", error);
	snprintf(server.url, sizeof server.url, "redis://127.0.0.1:%u", listener_port(server.listener));
	return 0;
}

static int
stop(void **state)
{
	RUN_UNTIL(server.open == 0);
	listener_free(server.listener);
	log_set_sink(NULL, NULL);
	buffer_fini(&lines);
	return bench_stop(state);
}

/* ------------------------------------------------------------------- tests */

/* Counted, and no more than a new connection. */
static void
malformed_bytes_end_the_connection(void **state)
{
	static const struct {
		bool subscriptions;
		struct text bytes;
	} cases[] = {
		{false, TEXT("hello\r\n")},
		{false, TEXT(":5\r\n:6\r\n")}, /* one may be taken for the answer that is on its way */
		{false, TEXT("+OK\r\n")},
		{false, TEXT("$3\r\nabc\r\n")},
		{false, TEXT("*1000000000\r\n")},
		{false, TEXT("*2\r\n*1\r\n:1\r\n:1\r\n")},
		{false, TEXT("\0\0\0\0")},
		{true, TEXT(":1\r\n")},
		{true, TEXT("*0\r\n")},
		{true, TEXT("*-1\r\n")},
		{true, TEXT("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$99999999999\r\n")},
		{true, TEXT("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nxyz")},
		{true, TEXT(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bus_stats stats;
		struct bus_bench a;
		struct listener l;

		bus_start(&a, server.url, 1000);
		listen_to(&a, &l, "c", false);
		RUN_UNTIL(ups(&a) == 1);
		conn_send_copy(cases[i].subscriptions ? server.subscriptions : server.commands, cases[i].bytes.at,
			cases[i].bytes.n);
		RUN_UNTIL(downs(&a) == 1);
		bus_stats(a.bus, &stats);
		assert_int_equal(stats.malformed, 1);
		publish(&a, "c", "x");
		RUN_UNTIL(ups(&a) == 2 && l.messages == 1);
		assert_heard(&l, "x ");
		listen_no_more(&a, &l);
		bus_end(&a);
		RUN_UNTIL(server.open == 0);
	}
}

/* Messages for nobody, confirmations of nothing, nils: odd, and harmless. */
static void
odd_messages_are_passed_over(void **state)
{
	static const char odd[] = "*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$1\r\nx\r\n"
				  "*3\r\n$7\r\nmessage\r\n$-1\r\n$1\r\nx\r\n"
				  "*4\r\n$8\r\npmessage\r\n$0\r\n\r\n$1\r\nc\r\n$1\r\nx\r\n"
				  "*4\r\n$8\r\npmessage\r\n$3\r\na\\*\r\n$1\r\nc\r\n$1\r\nx\r\n"
				  "*3\r\n$9\r\nsubscribe\r\n$1\r\nz\r\n:1\r\n"
				  "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n"
				  "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
				  "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nend\r\n";
	struct bus_bench a;
	struct listener l;

	(void)state;
	bus_start(&a, server.url, 1000);
	listen_to(&a, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1);
	conn_send_copy(server.subscriptions, odd, sizeof odd - 1);
	RUN_UNTIL(l.messages == 1);
	assert_heard(&l, "end ");
	assert_int_equal(downs(&a), 0);
	listen_no_more(&a, &l);
	bus_end(&a);
}

/* What the server says is in the log with advice, and never the password, though some servers repeat it. */
static void
refusals_are_explained_without_the_password(void **state)
{
	static const struct {
		const char *greeting, *auth, *logged, *advice;
	} cases[] = {
		{"-ERR max number of clients reached\r\n", NULL, "max number of clients", "raise maxclients"},
		{"-DENIED Redis is running in protected mode\r\n", NULL, "protected mode", "give it a password"},
		{NULL, "-WRONGPASS invalid username-password pair or user is disabled.\r\n", "login refused",
			"check user and password"},
		{NULL, "-ERR unknown command 'AUTH', with args beginning with: 'app' 's3cret!' \r\n",
			"unknown command 'AUTH'", "is this a Redis server"},
		{NULL, "-ERR unknown command 'AUTH', with args beginning with: 'app' 's3cr\r\n",
			"unknown command 'AUTH'", "is this a Redis server"},
		{NULL, "-ERR no user s3cret! here\r\n", "an error that contains the password", ""},
		{NULL, "-\r\n", "no reason given", ""},
		{NULL, "-LOADING Redis is loading the dataset in memory\r\n", "LOADING", "until it is done"},
	};
	char url[256];

	(void)state;
	snprintf(url, sizeof url, "redis://app:s3cret!@%s", server.url + strlen("redis://"));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bus_bench a;
		struct bus_stats stats;

		buffer_reset(&lines);
		server.greeting = cases[i].greeting;
		server.auth = cases[i].auth;
		bus_start(&a, url, 1000);
		RUN_UNTIL(logged("state=down"));
		if (!logged(cases[i].logged) || !logged(cases[i].advice))
			fail_msg("%zu: %.*s", i, (int)lines.len, lines.data);
		assert_false(logged("s3cr"));
		bus_stats(a.bus, &stats);
		assert_int_equal(stats.malformed, 0);
		server.greeting = NULL;
		server.auth = "+OK\r\n";
		RUN_UNTIL(ups(&a) == 1); /* tried again all the while */
		bus_end(&a);
		RUN_UNTIL(server.open == 0);
	}
}

/* Of thousands of subscriptions, a few hundred are on their way at a time; the server that stays silent is left. */
static void
subscriptions_are_renewed_a_window_at_a_time(void **state)
{
	enum { MANY = 3000 };
	static struct listener l[MANY];
	static char names[MANY][8];
	struct bus_bench a;

	(void)state;
	server.silent = true;
	bus_start(&a, server.url, 1000);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "c%u", i);
		listen_to(&a, &l[i], names[i], false);
	}
	RUN_UNTIL(server.subscribed > 0);
	RUN_UNTIL(logged("timed out waiting for an answer"));
	assert_in_range(server.subscribed, 100, 600);
	/* removed while they wait for their turn, and while nothing is connected */
	for (unsigned i = 0; i < MANY; i += 3)
		listen_no_more(&a, &l[i]);
	RUN_UNTIL(server.open == 0);
	server.subscribed = 0;
	server.silent = false;
	RUN_UNTIL(ups(&a) == 1);
	assert_int_equal(server.subscribed, MANY - MANY / 3 + 1);
	server.subscribed = 0;
	for (unsigned i = 0; i < MANY; i += 3)
		listen_to(&a, &l[i], names[i], false);
	for (unsigned i = 0; i < MANY; i += 3)
		listen_no_more(&a, &l[i]);
	for (unsigned i = 0; i < MANY; i += 3)
		listen_to(&a, &l[i], names[i], false);
	publish(&a, names[MANY - 3], "mine");
	RUN_UNTIL(l[MANY - 3].messages == 1);
	for (unsigned i = 0; i < MANY; i++)
		listen_no_more(&a, &l[i]);
	bus_end(&a);
}

/* That publishes are answered says nothing about messages: the silence is seen by the next one to oneself. */
static void
a_link_that_goes_silent_under_traffic_is_noticed(void **state)
{
	struct bus_bench a;
	struct bus_stats stats;
	uint64_t began;

	(void)state;
	bus_start(&a, server.url, 1 << 20); /* checks each 200 ms, waits 1000 */
	RUN_UNTIL(ups(&a) == 1);
	server.deaf = true;
	began = bench_clock();
	while (downs(&a) == 0) {
		if (bench_clock() > began + 5000)
			fail_msg("not noticed");
		publish(&a, "c", "x");
		loop_finish_turn(&bench.loop);
		ev_run(bench.ev, EVRUN_NOWAIT);
		usleep(1000); /* traffic all the time */
	}
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.alarms, 1);
	server.deaf = false;
	RUN_UNTIL(ups(&a) == 2);
	bus_end(&a);
}

/* A bus that comes up and is cut at once is not tried without pause. */
static void
an_unstable_server_is_retried_with_growing_pauses(void **state)
{
	struct bus_bench a;
	uint64_t began;

	(void)state;
	bus_start(&a, server.url, 1000);
	began = bench_clock();
	for (unsigned i = 1; i <= 5; i++) {
		RUN_UNTIL(ups(&a) == i);
		conn_close(server.commands, REASON_FINISHED);
		RUN_UNTIL(downs(&a) == i);
	}
	RUN_UNTIL(ups(&a) == 6);
	/* at least half of 100, 200, 400, 800 and 1600 ms */
	assert_true(bench_clock() - began >= 1500);
	bus_end(&a);
}

static struct bus_bench *asking;

static void
ask_again(struct bus_count *c, int64_t result)
{
	assert_int_equal(result, ERROR_CLOSED);
	bus_count(asking->bus, c, TEXT("x"));
}

/* Ends in every state, with a count that is asked for again and again. */
static void
the_bus_closes_in_any_state(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		struct bus_count count;
		struct bus_bench a;

		bus_start(&a, server.url, 1000);
		asking = &a;
		bus_count_init(&count, ask_again);
		publish(&a, "c", "x");
		bus_count(a.bus, &count, TEXT("x"));
		for (unsigned i = 0; i < turns && ups(&a) == 0; i++) {
			ev_run(bench.ev, EVRUN_ONCE);
			loop_finish_turn(&bench.loop);
		}
		bus_count_cancel(&count);
		bus_end(&a);
	}
}

/* -------------------------------------------------------------- real Redis */

/* Sends one inline command and waits for the answer's first byte. */
static void
command(const struct redis_bench *r, const char *line)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(r->port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char first = '-';

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	peer_write(fd, line);
	assert_int_equal(recv(fd, &first, 1, 0), 1);
	if (first == '-')
		fail_msg("refused: %s", line);
	close(fd);
}

static void
killed_connections_are_made_anew(void **state)
{
	static const char *const kills[] = {"CLIENT KILL TYPE pubsub\r\n", "CLIENT KILL TYPE normal SKIPME yes\r\n"};
	struct redis_bench r = {.port = 0};
	struct bus_bench a, b;
	struct listener exact, prefix;

	(void)state;
	redis_start(&r, NULL);
	bus_start(&a, r.url, 1 << 20);
	bus_start(&b, r.url, 1 << 20);
	listen_to(&a, &exact, "one", false);
	listen_to(&a, &prefix, "many#", true);
	RUN_UNTIL(ups(&a) == 1 && ups(&b) == 1);
	for (unsigned i = 0; i < 4; i++) {
		command(&r, kills[i % 2]);
		RUN_UNTIL(downs(&a) == i + 1 && downs(&b) == i + 1);
		RUN_UNTIL(ups(&a) == i + 2 && ups(&b) == i + 2);
		publish(&b, "one", "1");
		publish(&b, "many#x", "2");
		RUN_UNTIL(exact.messages == i + 1 && prefix.messages == i + 1);
		assert_heard(&exact, "1 ");
		assert_heard(&prefix, "2 ");
	}
	listen_no_more(&a, &exact);
	listen_no_more(&a, &prefix);
	bus_end(&a);
	bus_end(&b);
	redis_stop(&r);
}

/* The link for publishing is cut again and again: messages go on coming in by the other one, all and in order. */
static void
a_link_that_is_cut_does_not_touch_the_other(void **state)
{
	static const char *const more[] = {"--user", "app", "on", ">secret", "~*", "&*", "+@all", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench a, b;
	struct bus_stats stats;
	struct listener l, mine, late;
	unsigned sent = 0, said = 0;
	char url[64];

	(void)state;
	redis_start(&r, more);
	snprintf(url, sizeof url, "redis://app:secret@127.0.0.1:%u", r.port);
	bus_start(&a, url, 1 << 20);
	bus_start(&b, r.url, 1 << 20);
	listen_to(&a, &l, "c", false);
	listen_to(&b, &mine, "mine", false);
	RUN_UNTIL(ups(&a) == 1 && ups(&b) == 1);
	for (unsigned i = 1; i <= 5; i++) {
		command(&r, "CLIENT KILL USER app TYPE normal\r\n");
		while (downs(&a) < i || ups(&a) < i + 1) {
			publish(&b, "c", "x");
			sent++;
			loop_finish_turn(&bench.loop);
			ev_run(bench.ev, EVRUN_NOWAIT);
			usleep(1000);
			if (downs(&a) == i && said < i) { /* waits, and is sent once */
				said = i;
				publish(&a, "mine", "m");
			}
		}
		RUN_UNTIL(mine.got.len == 2 * i);
	}
	RUN_UNTIL(l.messages == sent);
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.connects, 2 + 5);
	/* one who subscribes meanwhile is heard too */
	command(&r, "CLIENT KILL USER app TYPE normal\r\n");
	RUN_UNTIL(downs(&a) == 6);
	listen_to(&a, &late, "late", false);
	RUN_UNTIL(late.s.confirmed);
	RUN_UNTIL(ups(&a) == 7);
	publish(&b, "late", "x");
	RUN_UNTIL(late.messages == 1);
	/* and the other way about: nothing that is published is lost */
	command(&r, "CLIENT KILL USER app TYPE pubsub\r\n");
	RUN_UNTIL(downs(&a) == 7);
	mine.got.len = 0;
	publish(&a, "mine", "m");
	RUN_UNTIL(ups(&a) == 8 && mine.got.len == 2);
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.connects, 2 + 5 + 2);
	listen_no_more(&a, &l);
	listen_no_more(&a, &late);
	listen_no_more(&b, &mine);
	bus_end(&a);
	bus_end(&b);
	redis_stop(&r);
}

/* A server that cuts what is idle for a second, below the pause between checks, cuts once. */
static void
idle_connections_are_kept_alive(void **state)
{
	static const char *const more[] = {"--timeout", "1", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench a;
	uint64_t ends;

	(void)state;
	redis_start(&r, more);
	bus_start_checking(&a, r.url, 5000);
	RUN_UNTIL(ups(&a) == 1);
	RUN_UNTIL(downs(&a) == 1 && ups(&a) == 2);
	ends = bench_clock() + 4000;
	RUN_UNTIL(bench_clock() > ends);
	assert_int_equal(downs(&a), 1);
	bus_end(&a);
	redis_stop(&r);
}

static void
a_unix_socket_with_a_user_and_a_database(void **state)
{
	char path[64], url[160];
	const char *more[] = {"--unixsocket", path, "--user", "app", "on", ">p&q=r", "~*", "&*", "+@all", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench a;
	struct listener l;

	(void)state;
	snprintf(path, sizeof path, "/tmp/sockeye-bus-%d.sock", (int)getpid());
	redis_start(&r, more);
	snprintf(url, sizeof url, "unix://%s?db=7&user=app&password=p%%26q%%3Dr", path);
	bus_start(&a, url, 1000);
	listen_to(&a, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1);
	publish(&a, "c", "hello");
	RUN_UNTIL(l.messages == 1);
	assert_true(logged(path));
	assert_false(logged("p&q=r"));
	listen_no_more(&a, &l);
	bus_end(&a);
	redis_stop(&r);
	unlink(path);
}

/* It may subscribe, but not publish: the bus is not up, and says why. */
static void
a_user_who_may_not_publish(void **state)
{
	static const char *const more[] = {"--user", "app", "on", ">secret", "~*", "&*", "+@all", "-publish", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench a;
	char url[64];

	(void)state;
	redis_start(&r, more);
	snprintf(url, sizeof url, "redis://app:secret@127.0.0.1:%u", r.port);
	bus_start(&a, url, 1000);
	RUN_UNTIL(logged("publishing refused: NOPERM"));
	assert_true(logged("allow this user"));
	assert_false(logged("secret"));
	assert_int_equal(ups(&a), 0);
	bus_end(&a);
	redis_stop(&r);
}

/* Its answers tell: what would vanish is kept, and only what was on its way the first time is lost. */
static void
publishes_that_are_refused_later_are_kept(void **state)
{
	static const char *const more[] = {"--user", "app", "on", ">secret", "~*", "&*", "+@all", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench a, b;
	struct bus_stats stats;
	struct listener l;
	char url[64];

	(void)state;
	redis_start(&r, more);
	snprintf(url, sizeof url, "redis://app:secret@127.0.0.1:%u", r.port);
	bus_start(&a, url, 1 << 20);
	bus_start(&b, r.url, 1 << 20);
	listen_to(&b, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1 && ups(&b) == 1);
	command(&r, "ACL SETUSER app -publish\r\n");
	publish(&a, "c", "lost");
	RUN_UNTIL(downs(&a) == 1);
	assert_true(logged("publishing refused: NOPERM"));
	for (unsigned i = 0; i < 500; i++)
		publish(&a, "c", "k");
	RUN_UNTIL(count_of("publishing refused") >= 3); /* it is tried again */
	assert_int_equal(l.messages, 0);
	command(&r, "ACL SETUSER app +publish\r\n");
	RUN_UNTIL(l.messages == 500);
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(stats.queue_bytes, 0);
	/* only one channel is forbidden, and not that of the message to oneself: it comes up, and goes down again */
	command(&r, "ACL SETUSER app resetchannels &socket.io*\r\n");
	RUN_UNTIL(ups(&a) >= 2);
	lines.len = 0;
	publish(&a, "c", "lost");
	RUN_UNTIL(count_of("publishing refused") >= 1);
	publish(&a, "c", "1");
	publish(&a, "c", "2");
	RUN_UNTIL(count_of("publishing refused") >= 3);
	command(&r, "ACL SETUSER app allchannels\r\n");
	RUN_UNTIL(l.messages == 502);
	assert_true(text_ends(buffer_text(&l.got), TEXT("k 1 2 ")));
	listen_no_more(&b, &l);
	bus_end(&a);
	bus_end(&b);
	redis_stop(&r);
}

/* What is published at a replica reaches its own subscribers only: it looks well, and is half deaf. */
static void
a_replica_is_down(void **state)
{
	struct redis_bench r = {.port = 0}, master = {.port = 0};
	struct bus_bench a;
	char line[64];

	(void)state;
	redis_start(&master, NULL);
	redis_start(&r, NULL);
	bus_start(&a, r.url, 1000);
	RUN_UNTIL(ups(&a) == 1);
	snprintf(line, sizeof line, "REPLICAOF 127.0.0.1 %u\r\n", master.port);
	command(&r, line);
	RUN_UNTIL(downs(&a) == 1); /* while up */
	assert_true(logged("the server is a replica"));
	RUN_UNTIL(count_of("the server is a replica,") >= 3); /* and at each login */
	assert_int_equal(ups(&a), 1);
	command(&r, "REPLICAOF NO ONE\r\n");
	RUN_UNTIL(ups(&a) == 2);
	bus_end(&a);
	redis_stop(&r);
	redis_stop(&master);
}

/* Redis users created by an older version of docs/cluster.md may not ask. */
static void
a_server_that_hides_its_role_is_believed(void **state)
{
	static const char *const more[] = {"--user", "app", "on", ">secret", "~*", "&*", "+@all", "-info", NULL};
	struct redis_bench r = {.port = 0};
	struct bus_bench a;
	uint64_t ends;
	char url[64];

	(void)state;
	redis_start(&r, more);
	snprintf(url, sizeof url, "redis://app:secret@127.0.0.1:%u", r.port);
	bus_start(&a, url, 1000);
	RUN_UNTIL(ups(&a) == 1);
	assert_true(logged("cannot tell whether the server is a replica"));
	ends = bench_clock() + 700; /* some checks later */
	RUN_UNTIL(bench_clock() > ends);
	assert_int_equal(count_of("cannot tell whether the server is a replica"), 1);
	assert_int_equal(downs(&a), 0);
	bus_end(&a);
	redis_stop(&r);
}

static void
what_was_published_before_the_end_arrives(void **state)
{
	struct redis_bench r = {.port = 0};
	struct bus_bench a, b;
	struct listener l;

	(void)state;
	redis_start(&r, NULL);
	bus_start_with(&a, r.url, 1 << 30, 30000);
	bus_start_with(&b, r.url, 1 << 30, 30000);
	listen_to(&b, &l, "c", false);
	RUN_UNTIL(ups(&a) == 1 && ups(&b) == 1);
	for (unsigned i = 0; i < 50000; i++) /* more than the connection holds */
		publish(&a, "c", "0123456789012345678901234567890123456789");
	bus_close(a.bus, 30000, on_bus_closed, &a); /* time enough on a loaded machine */
	RUN_UNTIL(a.closings == 1 && l.messages == 50000);
	listen_no_more(&b, &l);
	bus_end(&b);
	redis_stop(&r);
}

#define SERVER_CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_CASE(malformed_bytes_end_the_connection),
		SERVER_CASE(odd_messages_are_passed_over),
		SERVER_CASE(refusals_are_explained_without_the_password),
		SERVER_CASE(subscriptions_are_renewed_a_window_at_a_time),
		SERVER_CASE(a_link_that_goes_silent_under_traffic_is_noticed),
		SERVER_CASE(an_unstable_server_is_retried_with_growing_pauses),
		SERVER_CASE(the_bus_closes_in_any_state),
		SERVER_CASE(killed_connections_are_made_anew),
		SERVER_CASE(a_link_that_is_cut_does_not_touch_the_other),
		SERVER_CASE(idle_connections_are_kept_alive),
		SERVER_CASE(a_unix_socket_with_a_user_and_a_database),
		SERVER_CASE(a_user_who_may_not_publish),
		SERVER_CASE(publishes_that_are_refused_later_are_kept),
		SERVER_CASE(a_replica_is_down),
		SERVER_CASE(a_server_that_hides_its_role_is_believed),
		SERVER_CASE(what_was_published_before_the_end_arrives),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
