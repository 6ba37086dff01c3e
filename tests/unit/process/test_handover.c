/* Requests that go to a sibling: the message, the socket that receives it, and the relay behind TLS. */
#include "node/process/process_tables.h"
#include "tests/unit/http/http_rig.h"

#include <netinet/in.h>

#include "common/io/log.h"
#include "node/process/handover.h"
#include "node/process/relay.h"

#define POST(path) "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n"

/* --------------------------------------------------------------- the codec */

static struct handover_guest
a_guest(bool secure, const char *bytes)
{
	struct handover_guest g = {.fd = -1, .secure = secure, .bytes = text_from(bytes)};
	struct sockaddr_in *in = (struct sockaddr_in *)&g.peer;

	in->sin_family = AF_INET;
	in->sin_port = htons(4711);
	in->sin_addr.s_addr = htonl(0xc0000201);
	g.peer_len = sizeof *in;
	return g;
}

static void
messages_are_read_as_they_were_written(void **state)
{
	(void)state;
	for (int secure = 0; secure < 2; secure++) {
		struct handover_guest g = a_guest(secure, "GET / HTTP/1.1\r\n\r\nrest"), got;
		uint8_t message[HANDOVER_HEAD + 64];

		handover_write(message, &g);
		memcpy(message + HANDOVER_HEAD, g.bytes.at, g.bytes.n);
		assert_int_equal(handover_read(message, HANDOVER_HEAD + g.bytes.n, &got), 0);
		assert_int_equal(got.secure, secure);
		assert_int_equal(got.peer_len, g.peer_len);
		assert_memory_equal(&got.peer, &g.peer, g.peer_len);
		assert_true(text_is(got.bytes, g.bytes));
	}
}

static void
a_malformed_message_is_refused(void **state)
{
	struct handover_guest g = a_guest(true, "0123456789"), got;
	uint8_t message[HANDOVER_HEAD + 11] = {0};

	(void)state;
	handover_write(message, &g);
	for (size_t n = 0; n <= sizeof message; n++)
		assert_int_equal(handover_read(message, n, &got), n == HANDOVER_HEAD + 10 ? 0 : ERROR_SYNTAX);
	/* magic, kind, secure, the address's length, the number of bytes */
	for (size_t at = 0; at < 20; at++) {
		message[at] ^= 0x40;
		assert_int_equal(handover_read(message, HANDOVER_HEAD + 10, &got), ERROR_SYNTAX);
		message[at] ^= 0x40;
	}
}

static void
a_guest_without_bytes_is_a_fresh_connection_and_not_secure(void **state)
{
	struct handover_guest g = a_guest(false, ""), got;
	uint8_t message[HANDOVER_HEAD];

	(void)state;
	handover_write(message, &g);
	assert_int_equal(handover_read(message, sizeof message, &got), 0);
	assert_true(handover_is_fresh(&got));
	g = a_guest(true, "");
	handover_write(message, &g);
	assert_int_equal(handover_read(message, sizeof message, &got), ERROR_SYNTAX);
}

/* ---------------------------------------------------------------- the door */

struct pair {
	struct rig *rig;
	struct doors doors;
	struct handover *ours, *siblings; /* slots 0 and 1 */
	struct handover_guest guest;
	struct buffer bytes; /* of the last guest */
	unsigned guests;
};

static struct pair pair;

static void
hand_over(void *arg, struct http_request *r)
{
	(void)arg;
	if (text_is(r->path, TEXT("/here")))
		http_reply(r, 200, "text/plain", TEXT("here"), false);
	else
		handover_request(pair.ours, r, 1);
}

static void
on_guest(void *arg, const struct handover_guest *g)
{
	(void)arg;
	pair.guests++;
	pair.guest = *g;
	buffer_reset(&pair.bytes);
	buffer_add_text(&pair.bytes, g->bytes);
}

static struct handover *
open_slot(unsigned slot)
{
	struct handover_setup setup = {
		.doors = &pair.doors, .slot = slot, .limits = &pair.rig->conn_limits, .on_guest = on_guest};

	return handover_new(&pair.rig->loop, &setup);
}

static struct rig *
pair_open(bool with_sibling)
{
	memset(&pair, 0, sizeof pair);
	buffer_init(&pair.bytes, 1 << 20);
	pair.rig = rig_new(hand_over);
	assert_int_equal(doors_open(&pair.doors, 2), 0);
	pair.ours = open_slot(0);
	if (with_sibling)
		pair.siblings = open_slot(1);
	return pair.rig;
}

static void
pair_close(void)
{
	rig_disconnect(pair.rig);
	handover_free(pair.ours);
	handover_free(pair.siblings);
	doors_close(&pair.doors);
	rig_free(pair.rig);
	buffer_fini(&pair.bytes);
	handover_free(NULL);
}

static uint64_t
count(unsigned which)
{
	return pair.rig->loop.counters.value[which];
}

/* The client continues with the process that now has the descriptor. */
static void
a_request_goes_with_its_connection(void **state)
{
	struct rig *g = pair_open(true);

	(void)state;
	rig_say(g, POST("/there") "bo");
	rig_until(g, pair.guests);
	assert_true(text_is(buffer_text(&pair.bytes), TEXT(POST("/there") "bo")));
	assert_false(pair.guest.secure);
	assert_int_equal(pair.guest.peer_len, 0); /* a Unix socket has no address */
	assert_int_equal(g->loop.connections, 0);
	assert_int_equal(g->loop.closed[REASON_HANDED_OVER], 1);
	assert_true(g->loop.poll_fd >= 0); /* the poll has removed the socket, although another process has it open */
	assert_int_equal(count(COUNT_HANDOVERS_SENT), 1);
	assert_int_equal(count(COUNT_HANDOVERS_TAKEN), 1);
	assert_true(fcntl(pair.guest.fd, F_GETFD) & FD_CLOEXEC);
	rig_say(g, "dy");
	char more[8];
	assert_int_equal(read(pair.guest.fd, more, sizeof more), 2);
	assert_int_equal(write(pair.guest.fd, "answer", 6), 6);
	rig_expect(g, "answer", 1);
	assert_false(g->client_eof);
	close(pair.guest.fd);
	rig_end(g);
	pair_close();
}

static void
the_replies_before_it_leave_first(void **state)
{
	struct rig *g = pair_open(true);

	(void)state;
	rig_say(g, "GET /here HTTP/1.1\r\nHost: h\r\n\r\n" POST("/there"));
	rig_until(g, pair.guests);
	assert_int_equal(write(pair.guest.fd, "there", 5), 5);
	close(pair.guest.fd);
	rig_end(g);
	assert_non_null(strstr(rig_got(g), "\r\n\r\nherethere"));
	pair_close();
}

static void
a_malformed_message_is_dropped(void **state)
{
	struct rig *g = pair_open(true);

	(void)state;
	log_set_level(LOG_ERROR);
	assert_int_equal(send(pair.doors.send[1], "nonsense", 8, 0), 8);
	rig_settle(g);
	assert_int_equal(pair.guests, 0);
	rig_say(g, POST("/there"));
	rig_until(g, pair.guests == 1);
	close(pair.guest.fd);
	pair_close();
}

/* Fills the sibling's socket with messages that it will drop. */
static unsigned
fill_door(void)
{
	static char junk[4096];
	unsigned n = 0;

	while (send(pair.doors.send[1], junk, sizeof junk, MSG_DONTWAIT) == sizeof junk)
		n++;
	/* the remaining space is filled with small ones */
	while (send(pair.doors.send[1], junk, 1, MSG_DONTWAIT) == 1)
		n++;
	assert_int_equal(errno, EAGAIN);
	return n;
}

static void
before_a_full_door_requests_wait(void **state)
{
	struct rig *g = pair_open(false);

	(void)state;
	log_set_level(LOG_ERROR);
	fill_door();
	rig_say(g, POST("/there") "body");
	rig_settle(g);
	assert_int_equal(count(COUNT_HANDOVERS_SENT), 0);
	assert_int_equal(g->loop.connections, 1);
	pair.siblings = open_slot(1);
	rig_until(g, pair.guests);
	assert_true(text_is(buffer_text(&pair.bytes), TEXT(POST("/there") "body")));
	close(pair.guest.fd);
	pair_close();
}

static void
a_sibling_that_does_not_read_is_given_up(void **state)
{
	struct rig *g = pair_open(false);

	(void)state;
	log_set_level(LOG_ERROR);
	fill_door();
	rig_say(g, POST("/there") "body");
	rig_end(g); /* after WAIT_MS */
	assert_int_equal(rig_count(g, "HTTP/1.1 503 "), 1);
	assert_int_equal(rig_count(g, "Retry-After: 1\r\n"), 1);
	assert_int_equal(rig_count(g, "Connection: close\r\n"), 1);
	assert_int_equal(count(COUNT_HANDOVERS_REFUSED), 1);
	rig_disconnect(g);

	/* a client that disconnects while it waits */
	rig_connect(g);
	rig_say(g, POST("/there"));
	rig_settle(g);
	assert_int_equal(g->loop.connections, 1);
	pair_close();
}

/* ------------------------------------------------------------------ relays */

static size_t
relay_test_data(struct conn *c, uint8_t *data, size_t n)
{
	(void)c, (void)data, (void)n;
	return 0;
}

static const struct conn_ops no_owner = {.on_data = relay_test_data, .on_closed = rig_nobody_closed};

struct relayed {
	struct conn *outer;
	int client, sibling;
};

static struct relayed
relay_open(struct rig *g)
{
	struct relayed r;
	int a[2], b[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, b), 0);
	r.outer = conn_new(&g->loop, a[0], NULL, 0, NULL, &g->conn_limits, &no_owner, NULL);
	r.client = a[1];
	r.sibling = b[1];
	relay_start(r.outer, b[0], &g->conn_limits, NULL);
	return r;
}

/* Writes and reads at both ends until `total` bytes have passed; the reader starts once `lag` bytes wait. */
static void
pump(struct rig *g, int from, int to, size_t total)
{
	static uint8_t piece[65536], got[65536];
	size_t sent = 0, received = 0;

	while (received < total) {
		size_t want = total - sent < sizeof piece ? total - sent : sizeof piece;
		ssize_t n;

		for (size_t i = 0; i < want; i++)
			piece[i] = (uint8_t)((sent + i) % 251);
		n = want ? write(from, piece, want) : 0;
		if (n > 0)
			sent += (size_t)n;
		else if (n < 0)
			assert_int_equal(errno, EAGAIN);
		ev_run(g->ev, EVRUN_NOWAIT);
		if (n > 0)
			continue; /* the reader is slow: at first all buffers fill up */
		n = read(to, got, sizeof got);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(got[i], (received + (size_t)i) % 251);
		if (n > 0)
			received += (size_t)n;
	}
	assert_int_equal(sent, total);
}

static void
a_relay_passes_bytes_both_ways_with_back_pressure(void **state)
{
	struct rig *g = pair_open(false);
	struct relayed r = relay_open(g);

	(void)state;
	pump(g, r.client, r.sibling, 8 << 20);
	pump(g, r.sibling, r.client, 8 << 20);
	assert_int_equal(count(COUNT_RELAY_BYTES), 16 << 20);
	assert_int_equal(g->loop.closed[REASON_SLOW_READER], 0);
	assert_int_equal(count(COUNT_RELAYS_OPENED), 1);
	assert_int_equal(count(COUNT_RELAYS_CLOSED), 0);
	close(r.client);
	rig_until(g, read(r.sibling, &(char){0}, 1) == 0); /* the end of file is relayed */
	close(r.sibling);
	rig_until(g, count(COUNT_RELAYS_CLOSED) == 1);
	pair_close();
}

/* The client half-closes and still reads the answer. */
static void
a_relay_knows_half_closed_connections(void **state)
{
	struct rig *g = pair_open(false);
	struct relayed r = relay_open(g);
	char got[16];

	(void)state;
	assert_int_equal(write(r.client, "ask", 3), 3);
	shutdown(r.client, SHUT_WR);
	rig_until(g, read(r.sibling, got, 3) == 3);
	rig_until(g, read(r.sibling, got, 1) == 0);
	assert_int_equal(write(r.sibling, "answer", 6), 6);
	rig_until(g, read(r.client, got, sizeof got) == 6);
	close(r.sibling);
	rig_until(g, read(r.client, got, 1) == 0);
	close(r.client);
	rig_until(g, count(COUNT_RELAYS_CLOSED) == 1);
	pair_close();
}

/* The last bytes of the sibling arrive although it closes at once. */
static void
a_relay_delivers_the_last_words(void **state)
{
	struct rig *g = pair_open(false);
	struct relayed r = relay_open(g);
	size_t total = 0;
	static char words[65536];
	ssize_t n;

	(void)state;
	while ((n = write(r.sibling, words, sizeof words)) > 0) {
		total += (size_t)n;
		ev_run(g->ev, EVRUN_NOWAIT);
	}
	close(r.sibling);
	while ((n = read(r.client, words, sizeof words)) != 0) {
		if (n > 0)
			total -= (size_t)n;
		ev_run(g->ev, EVRUN_NOWAIT);
	}
	assert_int_equal(total, 0);
	close(r.client);
	rig_until(g, count(COUNT_RELAYS_CLOSED) == 1);
	pair_close();
}

static void
workers_of_two_programs_have_different_numbers(void **state)
{
	struct doors old, fresh, newest;
	int sends[2][2], strays;

	(void)state;
	assert_int_equal(doors_open(&old, 2), 0);
	assert_int_equal(doors_find(&old, 1), 1);
	assert_int_equal(doors_find(&old, 2), -1);
	for (unsigned i = 0; i < 2; i++)
		sends[0][i] = dup(old.send[i]);
	strays = dup(old.successor_receive);
	assert_int_equal(doors_open(&fresh, 3), 0);
	doors_take_old(&fresh, old.first, sends[0], 2, strays);
	assert_int_equal(fresh.first, DOORS_MAX);
	assert_int_equal(doors_find(&fresh, DOORS_MAX + 2), 2); /* its own doors */
	assert_int_equal(doors_find(&fresh, 0), 3);		/* the doors of the old set follow */
	assert_int_equal(doors_find(&fresh, 1), 4);
	assert_int_equal(doors_find(&fresh, 2), -1);
	assert_int_equal(doors_find(&fresh, DOORS_MAX + 3), -1);
	assert_int_equal(doors_successor(&fresh), 5);
	for (unsigned i = 0; i < 2; i++)
		sends[1][i] = dup(fresh.send[i]);
	assert_int_equal(doors_open(&newest, 2), 0);
	doors_take_old(&newest, fresh.first, sends[1], 2, dup(fresh.successor_receive));
	assert_int_equal(newest.first, 0);
	doors_close(&old);
	doors_close(&fresh);
	doors_close(&newest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_read_as_they_were_written),
		cmocka_unit_test(a_malformed_message_is_refused),
		cmocka_unit_test(a_guest_without_bytes_is_a_fresh_connection_and_not_secure),
		cmocka_unit_test(a_request_goes_with_its_connection),
		cmocka_unit_test(the_replies_before_it_leave_first),
		cmocka_unit_test(a_malformed_message_is_dropped),
		cmocka_unit_test(before_a_full_door_requests_wait),
		cmocka_unit_test(a_sibling_that_does_not_read_is_given_up),
		cmocka_unit_test(a_relay_passes_bytes_both_ways_with_back_pressure),
		cmocka_unit_test(a_relay_knows_half_closed_connections),
		cmocka_unit_test(a_relay_delivers_the_last_words),
		cmocka_unit_test(workers_of_two_programs_have_different_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
