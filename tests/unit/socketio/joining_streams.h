/*
 * A client in streams mode, with connection state recovery, that joins rooms with their history. The test plays the
 * store of the history, the stream and Redis. One file of a program includes this header.
 */
#ifndef TESTS_UNIT_SOCKETIO_JOINING_STREAMS_H
#define TESTS_UNIT_SOCKETIO_JOINING_STREAMS_H

#define FAKE_STREAM
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/socketio/fake_broker.h"
#include "tests/unit/socketio/fake_history.h"
#include "tests/unit/socketio/fake_stream.h"

static struct recovering client;
static unsigned read_count; /* of client.got */

static inline void
change(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->history = (char *)"room*=100";
}

/* Returns the number of the entry with the id ms-0. */
static inline uint64_t
at(uint64_t ms)
{
	return stream_number_of((struct wire_stream_id){ms, 0});
}

static inline int
start(void **state)
{
	(void)state;
	memset(&client, 0, sizeof client);
	read_count = 0;
	recovering_start(change);
	fake_broker_start(BUS_FORM_STREAMS);
	fake_stream_start();
	fake_stream.up = true;
	fake_stream.position = at(5);
	sio_core_set_broker(fake_io, &fake_broker);
	store_start();
	recovering_return(&client);
	assert_true(client.connected);
	return 0;
}

static inline int
stop(void **state)
{
	(void)state;
	sio_core_set_history(fake_io, NULL);
	sio_core_set_broker(fake_io, NULL);
	recovering_stop();
	fake_stream_stop();
	fake_broker_stop();
	store_stop();
	return 0;
}

static inline sio_nsp *
nsp(void)
{
	return sio_of(fake_io, "/");
}

/* This worker reads back its entry with this number; its id is ms-0. */
static inline void
read_own(uint64_t number, uint64_t ms)
{
	sio_core_broker_ops()->on_own(nsp(), number, at(ms));
	fake_stream.position = at(ms);
	fake_turn();
}

/* This worker reads an event of another server, whose mark is (PEER, number). */
static inline void
hear(uint64_t number, int n, uint64_t ms)
{
	struct text name = TEXT("room");
	struct wire_target to = {.rooms = &name, .room_count = 1, .mark = {PEER, number}};
	char json[32];

	snprintf(json, sizeof json, "[\"e\",%d]", n);
	sio_core_broker_ops()->on_number(nsp(), at(ms));
	sio_core_broker_ops()->on_broadcast(nsp(), &to, text_from(json), NULL);
	sio_core_broker_ops()->on_number(nsp(), 0);
	fake_stream.position = at(ms);
	fake_turn();
}

/* The numbers that the client has got since the last call. */
static inline const char *
got(void)
{
	static char numbers[8192];
	size_t n = 0;

	recovering_read(&client);
	numbers[0] = '\0';
	for (; read_count < client.count; read_count++)
		n += (size_t)snprintf(
			numbers + n, sizeof numbers - n, "%s%d", n > 0 ? " " : "", client.got[read_count]);
	return numbers;
}

#endif
