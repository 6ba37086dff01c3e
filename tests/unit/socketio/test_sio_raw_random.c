/*
 * Owners that call anything from anywhere: every callback of the raw entry does random things to random sockets. Each
 * owed call comes exactly once: ends of sockets, answers to questions, ends of streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_raw.h"
#include "tests/unit/socketio/fake_engine.h"

#define CLIENTS 6
#define KNOWN 64

static uint64_t seed;
static sio_socket *known[KNOWN]; /* asked for or accepted, and not closed or refused */
static unsigned known_count, depth, asked, answered, streams, counts, ends;
static const struct sio_owner owner;

static unsigned
below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void
forget(sio_socket *s)
{
	for (unsigned i = 0; i < known_count; i++) {
		if (known[i] != s)
			continue;
		known[i] = known[--known_count];
		return;
	}
	must(!"a socket that nobody had");
}

static void anything(void);

static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	(void)arg;
	must(error <= 0);
	(void)sio_raw_acked(answers);
	answered++;
	anything();
}

static void
sink_count(void *arg, unsigned receivers)
{
	(void)arg;
	(void)receivers;
	counts++;
}

static void
sink_answer(void *arg, struct sio_socket *s, const struct sio_packet *packet)
{
	(void)arg;
	must(sio_connected(s) && packet->argc <= SIO_ARGS_MAX);
}

static void
sink_end(void *arg)
{
	(void)arg;
	ends++;
	anything();
}

static void
to_one(sio_socket *s)
{
	static const struct sio_sink sink = {sink_count, sink_answer, sink_end};
	struct sio_content event = {.json = TEXT("[\"x\",1]")};
	struct sio_asker ask = {.fn = on_answers};
	struct text room = below(2) == 0 ? TEXT("a") : TEXT("b");
	struct sio_raw_to to = {.nsp = sio_socket_nsp(s), .who = {.rooms = &room, .rooms_count = below(2)}};

	switch (below(20)) {
	case 0:
		if (sio_raw_refuse(s, "no", TEXT("[1]")) == 0)
			forget(s);
		break;
	case 2:
		must(sio_raw_emit(s, 0, &event) == 0);
		break;
	case 3:
		asked += sio_raw_emit_ack(s, 0, below(2) * 30, &event, &ask) == 0;
		break;
	case 4:
		(void)sio_raw_join(s, &room, 1);
		break;
	case 5:
		sio_raw_leave(s, &room, 1);
		break;
	case 6:
		if (below(6) == 0)
			sio_disconnect(s, below(2) == 0);
		break;
	case 7:
		must(sio_raw_cast(&to, &event) == 0);
		break;
	case 8:
		asked += sio_raw_cast_ack(&to, &event, &ask) == 0;
		break;
	case 9:
		streams += sio_raw_cast_stream(&to, &event, &sink, NULL) == 0;
		break;
	case 10:
		if (below(20) == 0)
			must(sio_raw_cast_disconnect(&to, below(2) == 0) == 0);
		break;
	case 11:
		(void)sio_raw_ack(s, below(10), &event);
		break;
	default:
		(void)sio_raw_accept(s);
	}
}

static void
anything(void)
{
	if (depth > 3)
		return;
	depth++;
	for (unsigned n = below(3); n > 0 && known_count > 0; n--)
		to_one(known[below(known_count)]);
	depth--;
}

static void
on_connect(void *arg, sio_socket *s, struct text auth)
{
	(void)arg;
	(void)auth;
	must(known_count < KNOWN);
	known[known_count++] = s;
	sio_raw_set_owned(s, s);
	anything();
}

static bool
on_event(void *arg, sio_socket *s, const struct sio_raw_event *event)
{
	(void)arg;
	(void)event;
	must(sio_raw_owned(s) == s);
	anything();
	return below(2) == 0;
}

static void
on_closed(void *arg, sio_socket *s, const char *reason, bool session_closed)
{
	(void)arg;
	(void)session_closed;
	must((reason != NULL) == sio_connected(s));
	anything();
	forget(s);
}

static const struct sio_owner owner = {.on_connect = on_connect, .on_event = on_event, .on_closed = on_closed};

static void
step(void)
{
	static const char *const messages[] = {"0/other,", "2[\"e\"]", "2[\"e\",2]", "27[\"e\",1]", "30[1]", "31[]",
		"32[0]", "33[]", "2/other,[\"e\"]", "3/other,0[1]", "1/other,", "1"};
	unsigned which = below(CLIENTS);
	struct eio_session *s = &fake_engine.sessions[which];

	if (!s->used) {
		fake_receive(fake_open(which), false, "0", 1);
		return;
	}
	switch (below(30)) {
	case 0:
		fake_gone(s, EIO_TRANSPORT_CLOSE);
		break;
	case 1:
		fake_sleep(10);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		fake_turn();
		break;
	case 6:
		anything();
		break;
	default: {
		/* the first ones are packets of a client in "/", the last ones mostly end it */
		const char *message = messages[below(below(4) == 0 ? 12 : 8)];

		fake_receive(s, false, message, strlen(message));
	}
	}
}

static void
test_anything_from_anywhere(void **state)
{
	struct sio_options o = fake_options();
	unsigned all = 0;

	(void)state;
	o.max_refused_connects = 1000000;
	for (unsigned round = 1; round <= 200; round++) {
		seed = round;
		known_count = asked = answered = streams = counts = ends = 0;
		fake_start(&o);
		assert_int_equal(sio_raw_own(fake_io, TEXT("/"), &owner, NULL), 0);
		assert_int_equal(sio_raw_own(fake_io, TEXT("/other"), &owner, NULL), 0);
		for (unsigned i = 0; i < 1000; i++)
			step();
		depth = 4; /* from now on callbacks call nothing */
		fake_stop();
		depth = 0;
		assert_int_equal(known_count, 0);
		assert_int_equal(answered, asked);
		assert_int_equal(counts, streams);
		assert_int_equal(ends, streams);
		all += streams + asked;
	}
	assert_true(all > 10000); /* fewer calls mean that the probabilities are wrong: clients leave too early */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anything_from_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
