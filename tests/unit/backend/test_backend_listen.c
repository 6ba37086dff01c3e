/* How a backend connects: each row of the table in backend_listen.h, over a real Unix socket. */
#include "tests/unit/backend/link_rig.h"

#include <sys/un.h>

#include "node/backend/backend_listen.h"
#include "node/backend/backend_proof.h"

static char folder[] = "/tmp/sockeye-listen-XXXXXX", url[sizeof folder + 16];
static struct backend_addresses addresses;
static struct backend_listen *listening;

/* What the edge passed to a sibling. */
static struct {
	unsigned worker, calls;
	int result;
	struct buffer bytes;
	int fd;
} passed;

static int
pass(void *arg, struct conn *c, unsigned worker, struct text hello)
{
	struct text kept = conn_kept(c);

	(void)arg;
	passed.calls++;
	passed.worker = worker;
	if (passed.result != 0)
		return passed.result;
	buffer_add_text(&passed.bytes, hello);
	buffer_add_text(&passed.bytes, kept);
	passed.fd = dup(conn_fd(c));
	conn_close(c, REASON_FINISHED);
	return 0;
}

static void
listen_with(const char *secret)
{
	struct backend_listen_setup setup = {
		.edge = TEXT("e1"), .secret = text_from(secret), .cut_ms = 2000, .pass = pass};
	char error[OPTION_ERROR_MAX];

	assert_int_equal(backend_addresses_open(&addresses, url, NULL, error), 0);
	listening = backend_listen_new(&rig.loop, rig.links, &addresses, NULL, &setup);
}

static int
start(void **state)
{
	rig_start(state);
	memset(&passed, 0, sizeof passed);
	buffer_init(&passed.bytes, 1 << 20);
	listen_with("");
	return 0;
}

static int
start_with_secret(void **state)
{
	rig_start(state);
	memset(&passed, 0, sizeof passed);
	buffer_init(&passed.bytes, 1 << 20);
	listen_with("open sesame");
	return 0;
}

static int
stop(void **state)
{
	backend_listen_stop(listening);
	rig_advance(10000);
	assert_int_equal(backend_listen_count(listening), 0);
	backend_listen_free(listening);
	backend_addresses_remove(&addresses);
	buffer_fini(&passed.bytes);
	return rig_stop(state);
}

/* Connects to the unix socket at `path` and reads CHALLENGE. Returns its nonce, which is valid until the next call.
 */
static struct text
dial_at(struct peer *p, const char *path)
{
	static char nonce[BACKEND_NONCE];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct backend_frame f;
	struct text found;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	peer_init(p, fd);
	rig_turn();
	f = peer_expect(p, BACKEND_CHALLENGE);
	assert_int_equal(json_check(f.body, 8), 0);
	assert_text_equal(json_object_get(f.body, TEXT("edge")), TEXT("\"e1\""));
	found = json_object_get(f.body, TEXT("nonce"));
	assert_int_equal(found.n, BACKEND_NONCE + 2);
	memcpy(nonce, found.at + 1, BACKEND_NONCE);
	return text_of(nonce, BACKEND_NONCE);
}

static struct text
dial(struct peer *p)
{
	return dial_at(p, url + strlen("unix://"));
}

static void
say(struct peer *p, const char *hello)
{
	peer_send(p, BACKEND_HELLO, 0, text_from(hello));
}

/* HELLO for this worker, number 1. */
#define MINE(name) "{\"v\":[1],\"instance\":\"" name "\",\"worker\":1}"

static void
lets_a_backend_in(void **state)
{
	struct peer p;

	(void)state;
	dial(&p);
	assert_int_equal(backend_listen_count(listening), 1);
	say(&p, MINE("x1"));
	assert_heard("ready x1\n");
	peer_expect(&p, BACKEND_WELCOME);
	peer_expect(&p, BACKEND_PEERS);
	assert_int_equal(backend_listen_count(listening), 0);
	rig_advance(3 * PING_MS); /* HELLO's time limit is no longer armed */
	peer_expect(&p, BACKEND_PING);
	peer_close(&p);
	assert_heard("lost x1\n  closed\n");
}

/* Eight addresses of --backend and the one that --exec adds. */
static void
listens_at_as_many_addresses_as_can_be_opened(void **state)
{
	struct backend_listen_setup setup = {.edge = TEXT("e1"), .secret = TEXT_NONE, .cut_ms = 2000, .pass = pass};
	struct backend_addresses many;
	struct backend_listen *all;
	char error[OPTION_ERROR_MAX];
	struct buffer urls;
	struct peer p;

	(void)state;
	buffer_init(&urls, 4096);
	for (unsigned i = 0; i < BACKEND_OPENED_MAX; i++)
		buffer_printf(&urls, "%sunix://%s/%u", i > 0 ? "," : "", folder, i);
	buffer_add_byte(&urls, '\0');
	assert_int_equal(backend_addresses_open(&many, buffer_text(&urls).at, NULL, error), 0);
	assert_int_equal(many.count, BACKEND_ADDRESSES_MAX + 1);
	all = backend_listen_new(&rig.loop, rig.links, &many, NULL, &setup);
	for (unsigned i = 0; i < many.count; i++) {
		dial_at(&p, many.list[i].address.at);
		say(&p, MINE("x1"));
		peer_expect(&p, BACKEND_WELCOME);
		peer_close(&p);
		rig_turn();
	}
	backend_listen_stop(all);
	rig_turn();
	assert_int_equal(backend_listen_count(all), 0);
	backend_listen_free(all);
	backend_addresses_remove(&many);
	buffer_fini(&urls);
	buffer_reset(&rig.heard);
}

static void
accepts_frames_right_after_hello(void **state)
{
	struct peer p;

	(void)state;
	dial(&p);
	peer_put(&p, BACKEND_HELLO, 0, 0, 0, 0, TEXT(MINE("x1")));
	peer_send(&p, BACKEND_ACCEPT, 7, TEXT(""));
	assert_heard("ready x1\naccept 7 \n");
	peer_close(&p);
}

static void
hello_may_come_in_pieces(void **state)
{
	const struct backend_frame f = {.type = BACKEND_HELLO, .body = TEXT(MINE("x1"))};
	uint8_t head[BACKEND_HEAD];
	struct peer p;

	(void)state;
	dial(&p);
	backend_frame_head(head, &f);
	for (unsigned i = 0; i < BACKEND_HEAD; i++, rig_turn())
		peer_send_bytes(&p, head + i, 1);
	for (unsigned i = 0; i < f.body.n; i++, rig_turn())
		peer_send_bytes(&p, f.body.at + i, 1);
	assert_heard("ready x1\n");
	peer_close(&p);
}

static void
expect_refusal(struct peer *p, const char *why)
{
	peer_expect_bye(p, why);
	assert_int_equal(rig.heard.len, 0);
	peer_close(p);
	rig_advance(1000);
	assert_int_equal(backend_listen_count(listening), 0);
}

static void
refuses_an_invalid_hello(void **state)
{
	static const struct {
		uint8_t type;
		const char *body, *why;
	} wrong[] = {
		{BACKEND_HELLO, "{}", "protocol"},
		{BACKEND_HELLO, "hello", "protocol"},
		{BACKEND_PING, "", "protocol"},
		{BACKEND_EMIT, "[\"a\"]", "protocol"},
		{BACKEND_HELLO, "{\"v\":[2],\"instance\":\"x1\",\"worker\":1}", "version"},
		{BACKEND_HELLO, "{\"v\":[1],\"instance\":\"x1\",\"worker\":2}", "worker"},
		{BACKEND_HELLO, "{\"v\":[1],\"instance\":\"x1\",\"worker\":65535}", "worker"},
	};
	struct peer p;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		dial(&p);
		peer_send(&p, wrong[i].type, 0, text_from(wrong[i].body));
		expect_refusal(&p, wrong[i].why);
	}
	dial(&p);
	/* read as a head, these bytes give a length above the limit */
	peer_send_bytes(&p, "GET / HTTP/1.1\r\n\r\n", 18);
	rig_turn();
	expect_refusal(&p, "protocol");
	assert_int_equal(rig.loop.counters.value[COUNT_BACKEND_REFUSED], sizeof wrong / sizeof *wrong + 1);
}

static void
a_large_hello_fits_and_a_larger_one_does_not(void **state)
{
	static char json[BACKEND_HELLO_MAX + 1];
	struct backend_frame f = {.type = BACKEND_HELLO, .body = text_of(json, BACKEND_HELLO_MAX + 1)};
	uint8_t head[BACKEND_HEAD];
	struct peer p;

	(void)state;
	memset(json, ' ', sizeof json);
	memcpy(json, MINE("x1"), strlen(MINE("x1")));
	dial(&p);
	peer_send(&p, BACKEND_HELLO, 0, text_of(json, BACKEND_HELLO_MAX));
	assert_heard("ready x1\n");
	peer_close(&p);
	buffer_reset(&rig.heard);
	dial(&p);
	backend_frame_head(head, &f);
	peer_send_bytes(&p, head, sizeof head);
	rig_turn();
	expect_refusal(&p, "protocol");
}

static void
hello_has_a_time(void **state)
{
	struct peer p;

	(void)state;
	dial(&p);
	peer_send_bytes(&p, "\x20", 1);
	rig_advance(BACKEND_HELLO_MS - 1);
	peer_expect_nothing(&p);
	rig_advance(1);
	expect_refusal(&p, "timeout");
}

static void
a_peer_that_leaves_before_hello_is_forgotten(void **state)
{
	struct peer p;

	(void)state;
	dial(&p);
	peer_close(&p);
	assert_int_equal(backend_listen_count(listening), 0);
}

static void
asks_for_the_secret(void **state)
{
	char proof[BACKEND_PROOF], json[256];
	struct text nonce;
	struct peer p;

	(void)state;
	dial(&p);
	say(&p, MINE("x1"));
	expect_refusal(&p, "secret");

	nonce = dial(&p);
	backend_proof(TEXT("open barley"), nonce, TEXT("x1"), proof);
	snprintf(json, sizeof json, "{\"v\":[1],\"instance\":\"x1\",\"worker\":1,\"proof\":\"%.64s\"}", proof);
	say(&p, json);
	expect_refusal(&p, "secret");

	nonce = dial(&p);
	backend_proof(TEXT("open sesame"), nonce, TEXT("x1"), proof);
	snprintf(json, sizeof json, "{\"v\":[1],\"instance\":\"x1\",\"worker\":1,\"proof\":\"%.64s\"}", proof);
	say(&p, json);
	assert_heard("ready x1\n");
	peer_close(&p);
	buffer_reset(&rig.heard);

	dial(&p); /* a new nonce: an overheard proof is worthless */
	say(&p, json);
	expect_refusal(&p, "secret");

	dial(&p); /* the secret is checked before the connection is passed on */
	say(&p, "{\"v\":[1],\"instance\":\"x1\",\"worker\":0}");
	expect_refusal(&p, "secret");
	assert_int_equal(passed.calls, 0);
}

static void
a_connection_goes_to_the_requested_worker(void **state)
{
	struct backend_frame f;
	struct peer p;

	(void)state;
	dial(&p);
	peer_put(&p, BACKEND_HELLO, 0, 0, 0, 0, TEXT("{\"v\":[1],\"instance\":\"x1\",\"worker\":0}"));
	peer_send(&p, BACKEND_NSP, 0, TEXT("/early"));
	assert_int_equal(passed.calls, 1);
	assert_int_equal(passed.worker, 0);
	assert_int_equal(backend_listen_count(listening), 0);
	peer_expect_nothing(&p);
	/* all that the backend has sent is passed on */
	assert_true(backend_frame_read(&f, passed.bytes.data, passed.bytes.len, 4096) > 0);
	assert_int_equal(f.type, BACKEND_HELLO);
	assert_true(text_ends(buffer_text(&passed.bytes), TEXT("/early")));
	assert_int_equal(rig.loop.counters.value[COUNT_BACKEND_PASSED], 1);
	close(passed.fd);
	peer_close(&p);
}

static void
a_worker_that_accepts_no_links_is_full(void **state)
{
	struct peer p;

	(void)state;
	passed.result = EAGAIN;
	dial(&p);
	say(&p, "{\"v\":[1],\"instance\":\"x1\",\"worker\":0}");
	expect_refusal(&p, "full");
}

/* A connection that a sibling passes on: HELLO arrives again, CHALLENGE is not sent. */
static void
bring(struct peer *p, const char *hello, const char *behind)
{
	const struct backend_frame f = {.type = BACKEND_HELLO, .body = text_from(hello)};
	uint8_t head[BACKEND_HEAD];
	struct buffer bytes;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	peer_init(p, ends[1]);
	buffer_init(&bytes, 4096);
	backend_frame_head(head, &f);
	buffer_add(&bytes, head, sizeof head);
	buffer_add_text(&bytes, f.body);
	buffer_add_text(&bytes, text_from(behind));
	backend_listen_adopt(listening, ends[0], NULL, 0, buffer_text(&bytes));
	buffer_fini(&bytes);
	rig_turn();
}

static void
accepts_a_connection_from_a_sibling(void **state)
{
	struct peer p;

	(void)state;
	bring(&p, MINE("x1"), ""); /* without a proof, because the sibling has checked it */
	assert_heard("ready x1\n");
	peer_expect(&p, BACKEND_WELCOME);
	peer_close(&p);
	buffer_reset(&rig.heard);
	/* the connection is not passed on a second time */
	bring(&p, "{\"v\":[1],\"instance\":\"x1\",\"worker\":0}", "");
	expect_refusal(&p, "worker");
	assert_int_equal(passed.calls, 0);
}

static bool
has_ended(struct peer *p)
{
	peer_read(p);
	return p->ended;
}

/* The longest silent connection makes room for a new one, which may be a backend. */
static void
connections_without_hello_are_limited(void **state)
{
	static struct peer peers[BACKEND_GUESTS_MAX], more[2];

	(void)state;
	for (unsigned i = 0; i < BACKEND_GUESTS_MAX; i++)
		dial(&peers[i]);
	assert_int_equal(backend_listen_count(listening), BACKEND_GUESTS_MAX);
	dial(&more[0]);
	dial(&more[1]);
	assert_int_equal(backend_listen_count(listening), BACKEND_GUESTS_MAX);
	assert_true(has_ended(&peers[0]) && has_ended(&peers[1]));
	assert_false(has_ended(&peers[2]));
	say(&more[0], MINE("x1"));
	assert_heard("ready x1\n");
	for (unsigned i = 0; i < BACKEND_GUESTS_MAX; i++)
		peer_close(&peers[i]);
	peer_close(&more[0]);
	peer_close(&more[1]);
}

static void
an_instance_that_sent_nonsense_waits(void **state)
{
	struct peer p;

	(void)state;
	dial(&p);
	say(&p, MINE("x1"));
	peer_send(&p, BACKEND_HELLO, 0, TEXT(MINE("x1")));
	assert_heard("ready x1\nlost x1\n  protocol\n");
	peer_close(&p);
	dial(&p);
	say(&p, MINE("x1"));
	expect_refusal(&p, "protocol");
	dial(&p);
	say(&p, MINE("x1"));
	assert_heard("ready x1\n");
	peer_close(&p);
}

static void
a_stopping_worker_accepts_no_links(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct peer waits, link;
	int fd;

	(void)state;
	dial(&link);
	say(&link, MINE("x1"));
	dial(&waits);
	buffer_reset(&rig.heard);
	backend_listen_stop(listening);
	rig_turn();
	expect_refusal(&waits, "shutdown");
	assert_int_equal(backend_links_count(rig.links), 1); /* links stay */
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
	close(fd);
	bring(&waits, MINE("x2"), "");
	peer_read(&waits);
	assert_true(waits.ended);
	peer_close(&waits);
	peer_close(&link);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(url, sizeof url, "unix://%s/s", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

#define LISTEN_TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LISTEN_TEST(lets_a_backend_in),
		LISTEN_TEST(listens_at_as_many_addresses_as_can_be_opened),
		LISTEN_TEST(accepts_frames_right_after_hello),
		LISTEN_TEST(hello_may_come_in_pieces),
		LISTEN_TEST(refuses_an_invalid_hello),
		LISTEN_TEST(a_large_hello_fits_and_a_larger_one_does_not),
		LISTEN_TEST(hello_has_a_time),
		LISTEN_TEST(a_peer_that_leaves_before_hello_is_forgotten),
		cmocka_unit_test_setup_teardown(asks_for_the_secret, start_with_secret, stop),
		LISTEN_TEST(a_connection_goes_to_the_requested_worker),
		LISTEN_TEST(a_worker_that_accepts_no_links_is_full),
		LISTEN_TEST(accepts_a_connection_from_a_sibling),
		LISTEN_TEST(connections_without_hello_are_limited),
		LISTEN_TEST(an_instance_that_sent_nonsense_waits),
		LISTEN_TEST(a_stopping_worker_accepts_no_links),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
