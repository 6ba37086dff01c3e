/* The bus against a real Redis: links that are cut, users without permissions, replicas, Unix sockets. */
#include "tests/unit/broker/bus_server.h"

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

/* The link for publishing is cut again and again. Messages go on arriving by the other link, complete and in order.
 */
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
	/* a new subscriber receives messages too */
	command(&r, "CLIENT KILL USER app TYPE normal\r\n");
	RUN_UNTIL(downs(&a) == 6);
	listen_to(&a, &late, "late", false);
	RUN_UNTIL(late.s.confirmed);
	RUN_UNTIL(ups(&a) == 7);
	publish(&b, "late", "x");
	RUN_UNTIL(late.messages == 1);
	/* vice versa: no published message is lost */
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

/* A server that cuts connections after a second of silence, less than the pause between checks, cuts only once. */
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

/* The user may subscribe but not publish: the bus stays down and logs why. */
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

/*
 * The answers show refused publishes: messages that would vanish are kept, and only those under way at the first
 * refusal are lost.
 */
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
	RUN_UNTIL(times_logged("publishing refused") >= 3); /* the bus tries it again */
	assert_int_equal(l.messages, 0);
	command(&r, "ACL SETUSER app +publish\r\n");
	RUN_UNTIL(l.messages == 500);
	bus_stats(a.bus, &stats);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(stats.queue_bytes, 0);
	/* only one channel is forbidden, not the one of the message to itself: the bus comes up, and goes down again
	 */
	command(&r, "ACL SETUSER app resetchannels &socket.io*\r\n");
	RUN_UNTIL(ups(&a) >= 2);
	log_lines_forget();
	publish(&a, "c", "lost");
	RUN_UNTIL(times_logged("publishing refused") >= 1);
	publish(&a, "c", "1");
	publish(&a, "c", "2");
	RUN_UNTIL(times_logged("publishing refused") >= 3);
	command(&r, "ACL SETUSER app allchannels\r\n");
	RUN_UNTIL(l.messages == 502);
	assert_true(text_ends(buffer_text(&l.got), TEXT("k 1 2 ")));
	listen_no_more(&b, &l);
	bus_end(&a);
	bus_end(&b);
	redis_stop(&r);
}

/*
 * A message published at a replica reaches only the replica's own subscribers, so the bus looks healthy but is half
 * deaf.
 */
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
	RUN_UNTIL(downs(&a) == 1); /* noticed while the bus is up */
	assert_true(logged("the server is a replica"));
	RUN_UNTIL(times_logged("the server is a replica,") >= 3); /* noticed at each login */
	assert_int_equal(ups(&a), 1);
	command(&r, "REPLICAOF NO ONE\r\n");
	RUN_UNTIL(ups(&a) == 2);
	bus_end(&a);
	redis_stop(&r);
	redis_stop(&master);
}

/* Redis users created by an older version of docs/cluster.md may not ask for the role. */
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
	assert_int_equal(times_logged("cannot tell whether the server is a replica"), 1);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
