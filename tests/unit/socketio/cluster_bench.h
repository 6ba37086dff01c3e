/*
 * A server with three connected clients, and the other nodes, which the test plays. It records what the server sends
 * to them and what the application hears. Include it in one file of a program.
 */
#ifndef TESTS_UNIT_SOCKETIO_CLUSTER_BENCH_H
#define TESTS_UNIT_SOCKETIO_CLUSTER_BENCH_H

#include "node/socketio/sio_core.h"
#include "node/socketio/sio_socket.h"
#include "tests/unit/socketio/fake_engine.h"
#include "tests/unit/socketio/fake_broker.h"

#define CLIENTS 3

static struct sio_socket *sockets[CLIENTS];
static char ids[CLIENTS][SIO_ID_LENGTH];
static unsigned connected;
static struct buffer heard; /* what the application's functions were called with */
static const struct broker_ops *ops;

#define HEARD(...) (buffer_printf(&heard, __VA_ARGS__), buffer_add_byte(&heard, '\n'))

static inline void
on_connection(sio_socket *s, void *arg)
{
	(void)arg;
	if (connected < CLIENTS) {
		memcpy(ids[connected], s->id, SIO_ID_LENGTH);
		sockets[connected++] = s;
	}
}

static inline void
start(enum bus_form_id form)
{
	struct sio_options o = fake_options();

	connected = 0;
	buffer_init(&heard, 1 << 20);
	fake_start(&o);
	fake_broker_start(form);
	ops = sio_core_broker_ops();
	sio_on_connection(sio_of(fake_io, "/"), on_connection, NULL);
	sio_core_set_broker(fake_io, &fake_broker);
	for (unsigned i = 0; i < CLIENTS; i++)
		fake_receive(fake_open(i), false, "0", 1);
	for (unsigned i = 0; i < CLIENTS; i++) {
		buffer_reset(&fake_engine.sessions[i].sent);
	}
	assert_int_equal(connected, CLIENTS);
}

static inline void
stop(void)
{
	fake_stop();
	fake_broker_stop();
	buffer_fini(&heard);
}

/* The text with each socket's id replaced by #0, #1, #2. */
static inline void
name_ids(struct text t, char *out, size_t room)
{
	size_t n = 0;

	while (t.n > 0 && n + 2 < room) {
		unsigned who = CLIENTS;

		for (unsigned i = 0; t.n >= SIO_ID_LENGTH && i < connected; i++) {
			if (memcmp(t.at, ids[i], SIO_ID_LENGTH) == 0)
				who = i;
		}
		if (who < CLIENTS) {
			out[n++] = '#';
			out[n++] = (char)('0' + who);
			t = text_of(t.at + SIO_ID_LENGTH, t.n - SIO_ID_LENGTH);
		} else {
			out[n++] = *t.at;
			t = text_of(t.at + 1, t.n - 1);
		}
	}
	out[n] = '\0';
}

static inline void
expect(struct buffer *b, const char *wanted)
{
	char found[4096];

	name_ids(buffer_text(b), found, sizeof found);
	assert_string_equal(found, wanted);
	buffer_reset(b);
}

#define EXPECT_OUT(wanted) expect(&fake_broker.log, wanted)
#define EXPECT_HEARD(wanted) expect(&heard, wanted)
#define EXPECT_SENT(i, wanted) expect(&fake_engine.sessions[i].sent, wanted)

static inline sio_nsp *
main_nsp(void)
{
	return sio_of(fake_io, "/");
}

static inline void
close_client(unsigned i)
{
	fake_gone(&fake_engine.sessions[i], EIO_TRANSPORT_CLOSE);
	fake_turn();
}

static inline void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	(void)io;
	buffer_printf(&heard, "%s %d silent %u missing %u:", (const char *)arg, error, sio_answers_silent(answers),
		sio_answers_missing(answers));
	for (unsigned i = 0; i < sio_answers_count(answers); i++) {
		sio_value value = sio_answer(answers, i);

		buffer_printf(&heard, " %.*s%s", value.json != NULL ? (int)value.n : 4,
			value.json != NULL ? value.json : "none", sio_type_of(value) == SIO_BINARY ? " binary" : "");
	}
	buffer_add_byte(&heard, '\n');
}

static inline void
other_answers(unsigned handle, const char *json, const struct attachments *a)
{
	struct broker_question *q = &fake_broker.questions[handle - 1];

	assert_true(fake_broker.waiting[handle - 1]);
	q->on_answer(q->arg, json != NULL ? text_from(json) : TEXT_NONE, a);
}

#endif
