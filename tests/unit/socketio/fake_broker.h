/*
 * A broker without other nodes, for tests of the Socket.IO runtime: it defines the broker_ functions that the
 * runtime calls, so the linker leaves the real ones out. What goes out is written down as one line each; a test plays
 * the other nodes by calling sio_core_broker_ops() and the questions' functions. Include it in one file of a program,
 * after fake_engine.h.
 */
#ifndef TESTS_UNIT_SOCKETIO_FAKE_BROKER_H
#define TESTS_UNIT_SOCKETIO_FAKE_BROKER_H

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"

#ifndef FAKE_QUESTIONS
#define FAKE_QUESTIONS 16 /* per test; more are refused */
#endif

struct broker {
	enum bus_form_id form;
	unsigned namespaces;
	int refusal;					  /* the result of every call */
	struct broker_question questions[FAKE_QUESTIONS]; /* handle 1 is the first one */
	bool waiting[FAKE_QUESTIONS];
	bool down;		   /* messages do not reach the other nodes */
	bool awaits;		   /* namespaces do not receive from other nodes yet */
	bool waits;		   /* rooms are not confirmed yet */
	struct list waiting_joins; /* struct bus_wait */
	bool packs_all;		   /* late events are copied */
	bool log_rooms;		   /* log the rooms that appear and become empty */
	unsigned asked;
	const struct members *members; /* for broker_members() */
	struct bus *store;	       /* for broker_store() */
	struct buffer log;
	struct buffer kept; /* the last message to the keeper */
	/* a test that has a keeper gets its messages, and the events that were recorded; NULL: it has none */
	void (*on_kept)(struct text message);
	void (*on_recorded)(const struct wire_target *to, struct text data, uint64_t origin, uint64_t local);
};

struct broker_nsp {
	struct broker *broker;
	void *owner;
	struct text name;
};

struct broker_reply {
	unsigned refs;
};

static struct broker fake_broker;
static struct broker_reply fake_reply;

static inline void
fake_broker_start(enum bus_form_id form)
{
	fake_broker = (struct broker){.form = form};
	buffer_init(&fake_broker.log, 1 << 20);
	buffer_init(&fake_broker.kept, 1 << 20);
	list_init(&fake_broker.waiting_joins);
	fake_reply.refs = 1;
}

static inline void
fake_broker_stop(void)
{
	must(fake_broker.namespaces == 0 && fake_reply.refs == 1);
	must(list_empty(&fake_broker.waiting_joins));
	buffer_fini(&fake_broker.log);
	buffer_fini(&fake_broker.kept);
}

static inline struct text
fake_broker_log(void)
{
	return buffer_text(&fake_broker.log);
}

static inline struct broker_nsp *
fake_broker_nsp(const struct sio_nsp *nsp)
{
	return nsp->broker;
}

void
broker_stats(const struct broker *b, struct broker_stats *out)
{
	*out = (struct broker_stats){.form = b->form};
}

bool
broker_up(const struct broker *b)
{
	return !b->down;
}

bool
broker_alone(const struct broker *b)
{
	return b->form == BUS_FORM_ALONE;
}

bool
broker_nsp_awaits(struct broker_nsp *n)
{
	return n->broker->awaits;
}

struct broker_nsp *
broker_nsp_new(struct broker *b, struct text name, void *owner)
{
	struct broker_nsp *n = mem_zalloc(sizeof *n);

	n->broker = b;
	n->owner = owner;
	n->name = name;
	b->namespaces++;
	return n;
}

static inline void
fake_broker_end(unsigned handle, int error, unsigned nodes, unsigned silent, uint64_t missing)
{
	struct broker_question *q = &fake_broker.questions[handle - 1];

	must(handle <= fake_broker.asked && fake_broker.waiting[handle - 1]);
	fake_broker.waiting[handle - 1] = false;
	q->on_end(q->arg, error, nodes, silent, missing);
}

/* The test's questions belong to the namespace that is freed first. */
void
broker_nsp_free(struct broker_nsp *n)
{
	for (unsigned i = 0; i < n->broker->asked; i++) {
		if (n->broker->waiting[i])
			fake_broker_end(i + 1, ERROR_CLOSED, 0, 1, 0);
	}
	n->broker->namespaces--;
	mem_free(n);
}

static inline void
fake_broker_names(const struct text *names, unsigned n, const char *before)
{
	for (unsigned i = 0; i < n; i++)
		buffer_printf(&fake_broker.log, " %s%.*s", before, (int)names[i].n, names[i].at);
}

static inline int
fake_broker_note(const char *what, const struct broker_nsp *n, const struct wire_target *to, struct text data,
	const struct attachments *attachments)
{
	struct buffer *log = &fake_broker.log;

	buffer_printf(log, "%s %.*s", what, (int)n->name.n, n->name.at);
	if (to != NULL) {
		fake_broker_names(to->rooms, to->room_count, "+");
		fake_broker_names(to->except, to->except_count, "-");
		if (to->flags != 0)
			buffer_printf(log, " flags %u", to->flags);
	}
	if (data.at != NULL)
		buffer_printf(log, " %.*s", (int)data.n, data.at);
	if (attachments != NULL)
		buffer_printf(log, " and %u", attachments->count);
	buffer_add_byte(log, '\n');
	return fake_broker.refusal;
}

static inline void
fake_broker_room(struct broker_nsp *n, const char *what, struct text room, bool own)
{
	if (n->broker->log_rooms)
		buffer_printf(&fake_broker.log, "%s%s %.*s %.*s\n", own ? "own " : "", what, (int)n->name.n,
			n->name.at, (int)room.n, room.at);
}

void
broker_room_appeared(struct broker_nsp *n, struct text room, bool own)
{
	fake_broker_room(n, "appeared", room, own);
}

void
broker_room_empty(struct broker_nsp *n, struct text room)
{
	fake_broker_room(n, "empty", room, false);
}

bool
broker_wait(struct broker *b, struct bus_wait *wait)
{
	if (b->waits && wait != NULL) {
		list_remove(&wait->link);
		list_add_tail(&b->waiting_joins, &wait->link);
	}
	return b->waits;
}

/* The bus confirms the rooms. */
static inline void
fake_broker_confirm(void)
{
	while (!list_empty(&fake_broker.waiting_joins)) {
		struct bus_wait *wait = container_of(fake_broker.waiting_joins.next, struct bus_wait, link);

		list_remove(&wait->link);
		wait->over(wait);
	}
}

int
broker_broadcast(
	struct broker_nsp *n, const struct wire_target *to, struct text data, const struct attachments *attachments)
{
	return fake_broker_note("broadcast", n, to, data, attachments);
}

bool
broker_copies(const struct broker_nsp *n, const struct msgpack_values *values)
{
	return n->broker->packs_all || values->bins > 0;
}

/* Notes the values in hexadecimal. */
int
broker_broadcast_late(struct broker_nsp *n, const struct wire_target *to, const struct wire_outgoing *event)
{
	struct buffer data;
	int rc;

	buffer_init(&data, 1 << 16);
	buffer_add_text(&data, event->name);
	buffer_printf(&data, " %u:", event->values.count);
	for (size_t i = 0; i < event->values.n; i++)
		buffer_printf(&data, "%02x", event->values.at[i]);
	rc = fake_broker_note("broadcast late", n, to, buffer_text(&data), NULL);
	buffer_fini(&data);
	return rc;
}

int
broker_join(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	must(count == 1);
	return fake_broker_note("join", n, who, rooms[0], NULL);
}

int
broker_leave(struct broker_nsp *n, const struct wire_target *who, const struct text *rooms, unsigned count)
{
	must(count == 1);
	return fake_broker_note("leave", n, who, rooms[0], NULL);
}

int
broker_disconnect(struct broker_nsp *n, const struct wire_target *who, bool close)
{
	return fake_broker_note(close ? "close" : "disconnect", n, who, TEXT_NONE, NULL);
}

int
broker_server_emit(struct broker_nsp *n, struct text data, const struct attachments *attachments)
{
	return fake_broker_note("server emit", n, NULL, data, attachments);
}

struct bus *
broker_store(const struct broker *broker)
{
	return broker->store;
}

void
broker_recount(const struct broker *broker)
{
	(void)broker;
}

#ifndef FAKE_STREAM /* otherwise fake_stream.h defines these functions */
/* The fake has no stream, so only broker_has_stream() is ever called. */
bool
broker_has_stream(const struct broker *broker)
{
	(void)broker;
	return false;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define FAKE_NEVER(type, name, ...)                                                                                  \
	type name(__VA_ARGS__)                                                                                       \
	{                                                                                                            \
		abort();                                                                                             \
	}
FAKE_NEVER(void, broker_stream_open, struct broker *broker)
FAKE_NEVER(bool, broker_stream_up, const struct broker *broker)
FAKE_NEVER(bool, broker_stream_gathered, const struct broker *broker)
FAKE_NEVER(int, broker_broadcast_numbered, struct broker_nsp *nsp, const struct wire_target *to, struct text data,
	const struct attachments *attachments, uint64_t number)
FAKE_NEVER(uint64_t, broker_stream_number, const struct broker *broker)
FAKE_NEVER(int, broker_stream_had, const struct broker_nsp *nsp, uint64_t entry, uint64_t from)
FAKE_NEVER(uint64_t, broker_stream_position, const struct broker_nsp *nsp)
FAKE_NEVER(void, broker_stream_key, const struct broker *broker, struct text pid, struct buffer *out)
FAKE_NEVER(int, broker_stream_ask, struct broker *broker, struct bus_stream_question *question, unsigned count,
	const struct text *args)
FAKE_NEVER(int, broker_stream_range, struct broker_nsp *nsp, struct bus_stream_question *question, uint64_t from,
	unsigned count)
FAKE_NEVER(int, broker_stream_tell, struct broker_nsp *nsp, struct bus_stream_question *question, struct text uid,
	struct text message)
FAKE_NEVER(int, broker_stream_mark, struct broker_nsp *nsp)
FAKE_NEVER(void, broker_stream_cancel, struct broker *broker, struct bus_stream_question *question)
FAKE_NEVER(int, broker_stream_read, struct broker_nsp *nsp, const struct wire_stream_entry *entry,
	struct wire_message *out)
FAKE_NEVER(struct text, broker_nsp_id, const struct broker_nsp *nsp)
FAKE_NEVER(size_t, broker_stream_tag, const struct broker_nsp *nsp)
FAKE_NEVER(void, broker_stream_seal, const struct broker_nsp *nsp, struct text key, struct buffer *bytes)
FAKE_NEVER(bool, broker_stream_unseal, const struct broker_nsp *nsp, struct text key, struct text *bytes)
#pragma GCC diagnostic pop
#endif

bool
broker_keeps(const struct broker *broker)
{
	(void)broker;
	return false;
}

void
broker_keep_open(struct broker *broker, struct bus_keep *keep)
{
	(void)broker;
	(void)keep;
}

void
broker_keep_close(struct broker *broker, struct bus_keep *keep)
{
	(void)broker;
	(void)keep;
}

int
broker_keep_send(struct broker *broker, struct bus_keep *keep, struct text message)
{
	(void)keep;
	buffer_reset(&broker->kept);
	buffer_add_text(&broker->kept, message);
	if (broker->on_kept != NULL)
		broker->on_kept(message);
	return 0;
}

int
broker_broadcast_recorded(struct broker_nsp *n, const struct wire_target *to, struct text data,
	const struct attachments *attachments, uint64_t origin, uint64_t local, struct bus_keep *keep)
{
	if (n->broker->on_recorded != NULL)
		n->broker->on_recorded(to, data, origin, local);
	return fake_broker_note(keep != NULL ? "keep" : "broadcast", n, to, data, attachments);
}

static inline int64_t
fake_broker_ask(const struct broker_question *question, int refusal)
{
	if (refusal != 0)
		return refusal;
	if (fake_broker.asked == FAKE_QUESTIONS)
		return ERROR_TOO_MANY;
	fake_broker.questions[fake_broker.asked] = *question;
	fake_broker.waiting[fake_broker.asked] = true;
	return ++fake_broker.asked;
}

int64_t
broker_ask_fetch(struct broker_nsp *n, const struct wire_target *who, const struct broker_question *question)
{
	return fake_broker_ask(question, fake_broker_note("ask fetch", n, who, TEXT_NONE, NULL));
}

int64_t
broker_ask_sockets(struct broker_nsp *n, const struct wire_target *who, const struct broker_question *question)
{
	return fake_broker_ask(question, fake_broker_note("ask ids", n, who, TEXT_NONE, NULL));
}

int64_t
broker_ask_all_rooms(struct broker_nsp *n, const struct broker_question *question)
{
	return fake_broker_ask(question, fake_broker_note("ask rooms", n, NULL, TEXT_NONE, NULL));
}

int64_t
broker_ask_server_emit(struct broker_nsp *n, struct text data, const struct attachments *attachments,
	const struct broker_question *question)
{
	return fake_broker_ask(question, fake_broker_note("ask servers", n, NULL, data, attachments));
}

int64_t
broker_ask_ack(struct broker_nsp *n, const struct wire_target *to, struct text data,
	const struct attachments *attachments, const struct broker_question *question)
{
	return fake_broker_ask(question, fake_broker_note("ask ack", n, to, data, attachments));
}

/* The fake nodes have no names. */
unsigned
broker_silent_members(const struct broker *broker, const struct member_record *const **out)
{
	(void)broker;
	*out = NULL;
	return 0;
}

/* The fake broker sends no heartbeats, so a test that needs the members sets them. */
const struct members *
broker_members(const struct broker *broker)
{
	must(broker->members != NULL);
	return broker->members;
}

void
broker_ask_cancel(struct broker *b, int64_t handle)
{
	must(b == &fake_broker && handle > 0 && handle <= b->asked);
	b->waiting[handle - 1] = false;
}

struct broker_reply *
broker_reply_ref(struct broker_reply *r)
{
	r->refs++;
	return r;
}

void
broker_reply_unref(struct broker_reply *r)
{
	if (r != NULL) {
		must(r->refs > 1);
		r->refs--;
	}
}

void
broker_reply_count(struct broker_reply *r, uint64_t clients)
{
	(void)r;
	buffer_printf(&fake_broker.log, "count %u\n", (unsigned)clients);
}

static inline void
fake_broker_answer(const char *what, struct text json, const struct attachments *attachments)
{
	buffer_printf(&fake_broker.log, "%s %.*s", what, json.at != NULL ? (int)json.n : 4,
		json.at != NULL ? json.at : "none");
	if (attachments != NULL && attachments->count != 0)
		buffer_printf(&fake_broker.log, " and %u", attachments->count);
	buffer_add_byte(&fake_broker.log, '\n');
}

void
broker_reply_ack(struct broker_reply *r, struct text json, const struct attachments *attachments)
{
	must(r->refs > 1);
	fake_broker_answer("ack", json, attachments);
}

void
broker_reply_server_emit(struct broker_reply *r, struct text json, const struct attachments *attachments)
{
	(void)r;
	fake_broker_answer("answer", json, attachments);
}

#endif
