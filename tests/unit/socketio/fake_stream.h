/*
 * A broker in streams mode, for tests of connection state recovery: it notes the commands for Redis, and the test
 * answers the questions. Define FAKE_STREAM before fake_broker.h, and include this header after it.
 */
#ifndef TESTS_UNIT_SOCKETIO_FAKE_STREAM_H
#define TESTS_UNIT_SOCKETIO_FAKE_STREAM_H

#include "broker/bus_stream_store.h"
#include "broker/stream_number.h"
#include "common/base/error.h"
#include "node/socketio/sio_stream_swap.h"

static struct {
	struct buffer log;     /* the first word of each command, or the worker of a message; a blank */
	struct buffer session; /* the last value of a SET or of a swap */
	struct buffer old;     /* what the last swap replaces */
	bool replaces;	       /* that SET has XX */
	uint64_t window;       /* that SET's PX, in ms */
	struct bus_stream_question *question; /* the newest one; NULL: answered */
	struct bus_stream_question *write;    /* the newest SET or DEL of a session by its worker */
	bool up, gathered;
	bool full; /* no session can be written */
	uint64_t number, position;
	uint64_t from;	     /* of the last XRANGE */
	struct buffer event; /* the event of each entry that is read; empty: it is none of the namespace */
} fake_stream;

static inline void
fake_stream_start(void)
{
	memset(&fake_stream, 0, sizeof fake_stream);
	buffer_init(&fake_stream.log, 1 << 20);
	buffer_init(&fake_stream.session, 1 << 20);
	buffer_init(&fake_stream.old, 1 << 20);
	buffer_init(&fake_stream.event, 1 << 20);
}

static inline void
fake_stream_stop(void)
{
	buffer_fini(&fake_stream.log);
	buffer_fini(&fake_stream.session);
	buffer_fini(&fake_stream.old);
	buffer_fini(&fake_stream.event);
}

static inline void
fake_stream_answer(int error, const struct resp_item *answer)
{
	struct bus_stream_question *question = fake_stream.question;

	must(question != NULL);
	fake_stream.question = NULL;
	question->command = NULL;
	question->on_end(question, error, answer);
	fake_turn();
}

/* Ends a SET or DEL of a session by its worker. */
static inline void
fake_stream_end_write(struct bus_stream_question *write, const struct resp_item *answer)
{
	must(write != NULL && write->command != NULL);
	if (fake_stream.write == write)
		fake_stream.write = NULL;
	write->command = NULL;
	write->on_end(write, answer->type == RESP_ERROR ? ERROR_CLOSED : 0, answer);
	fake_turn();
}

/* The same. `error`: of Redis; NULL: it was taken. */
static inline void
fake_stream_answer_write(struct bus_stream_question *write, const char *error)
{
	const struct resp_item answer = {.type = error != NULL ? RESP_ERROR : RESP_STATUS,
		.text = error != NULL ? text_from(error) : TEXT("OK")};

	fake_stream_end_write(write, &answer);
}

/* The key of a SET with XX does not exist. */
static inline void
fake_stream_answer_nil(struct bus_stream_question *write)
{
	fake_stream_end_write(write, &(struct resp_item){.type = RESP_NIL});
}

/* Ends a swap (sio_stream_swap.h). `n`: 1: replaced; 0: removed; -1: Redis has another session; -2: it has none. */
static inline void
fake_stream_answer_swap(int64_t n)
{
	fake_stream_answer(0, &(struct resp_item){.type = RESP_INTEGER, .integer = n});
}

static inline int
fake_stream_ask(struct bus_stream_question *question, struct text word)
{
	static char command;

	buffer_printf(&fake_stream.log, "%.*s ", (int)word.n, word.at);
	if (question == NULL)
		return 0;
	question->command =
		(struct bus_stream_command *)&command; /* never read: the runtime only compares it with NULL */
	*(question->reported ? &fake_stream.write : &fake_stream.question) = question;
	return 0;
}

int
broker_stream_ask(
	struct broker *broker, struct bus_stream_question *question, unsigned count, const struct text *args)
{
	must(broker == &fake_broker && count > 0);
	if (text_is(args[0], TEXT("SET"))) {
		buffer_reset(&fake_stream.session);
		buffer_add_text(&fake_stream.session, args[2]);
		fake_stream.replaces = count == 6;
		fake_stream.window = strtoull(args[4].at, NULL, 10);
	} else if (count == SIO_STREAM_SWAP_ARGS && text_is(args[0], TEXT("EVAL"))) {
		buffer_reset(&fake_stream.old);
		buffer_add_text(&fake_stream.old, args[4]);
		buffer_reset(&fake_stream.session);
		buffer_add_text(&fake_stream.session, args[5]);
	}
	if (fake_stream.full && question != NULL && question->reported)
		return ERROR_TOO_BIG;
	return fake_stream_ask(question, args[0]);
}

int
broker_stream_range(struct broker_nsp *nsp, struct bus_stream_question *question, uint64_t from, unsigned count)
{
	must(nsp->broker == &fake_broker && from > 0 && count > 0);
	fake_stream.from = from;
	return fake_stream_ask(question, TEXT("XRANGE"));
}

int
broker_stream_tell(struct broker_nsp *nsp, struct bus_stream_question *question, struct text uid, struct text message)
{
	must(nsp->broker == &fake_broker && message.n > 0);
	return fake_stream_ask(question, uid);
}

int
broker_stream_mark(struct broker_nsp *nsp)
{
	must(nsp->broker == &fake_broker);
	return 0;
}

void
broker_stream_cancel(struct broker *broker, struct bus_stream_question *question)
{
	must(broker == &fake_broker);
	question->command = NULL;
	if (fake_stream.question == question)
		fake_stream.question = NULL;
	if (fake_stream.write == question)
		fake_stream.write = NULL;
}

bool
broker_has_stream(const struct broker *broker)
{
	return broker == &fake_broker;
}

void
broker_stream_open(struct broker *broker)
{
	must(broker == &fake_broker);
}

bool
broker_stream_up(const struct broker *broker)
{
	return broker == &fake_broker && fake_stream.up;
}

bool
broker_stream_gathered(const struct broker *broker)
{
	return broker == &fake_broker && fake_stream.gathered;
}

int
broker_broadcast_numbered(struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, uint64_t number)
{
	fake_stream.number = number;
	return fake_broker_note("numbered", nsp, to, data, attachments);
}

uint64_t
broker_stream_number(const struct broker *broker)
{
	return broker == &fake_broker ? fake_stream.number : 0;
}

int
broker_stream_had(const struct broker_nsp *nsp, uint64_t entry, uint64_t from)
{
	must(nsp->broker == &fake_broker && entry >= from);
	return 0;
}

uint64_t
broker_stream_position(const struct broker_nsp *nsp)
{
	return nsp->broker == &fake_broker ? fake_stream.position : 0;
}

void
broker_stream_key(const struct broker *broker, struct text pid, struct buffer *out)
{
	must(broker == &fake_broker);
	buffer_add_text(out, pid);
}

int
broker_stream_read(struct broker_nsp *nsp, const struct wire_stream_entry *entry, struct wire_message *out)
{
	must(nsp->broker == &fake_broker && entry != NULL);
	return fake_stream.event.len > 0 ? wire_read_broadcast(out, buffer_text(&fake_stream.event)) : 1;
}

struct text
broker_nsp_id(const struct broker_nsp *nsp)
{
	must(nsp->broker == &fake_broker);
	return TEXT("own");
}

size_t
broker_stream_tag(const struct broker_nsp *nsp)
{
	must(nsp->broker == &fake_broker);
	return 0;
}

void
broker_stream_seal(const struct broker_nsp *nsp, struct text key, struct buffer *bytes)
{
	must(nsp->broker == &fake_broker && key.n > 0 && bytes->len > 0);
}

bool
broker_stream_unseal(const struct broker_nsp *nsp, struct text key, struct text *bytes)
{
	return nsp->broker == &fake_broker && key.n > 0 && bytes->n > 0;
}

#endif
