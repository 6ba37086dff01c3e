/*
 * Connection state recovery with sessions in Redis, where the test plays Redis: it sees which scripts a worker calls,
 * and answers them. One file of a program includes this header.
 */
#ifndef TESTS_UNIT_SOCKETIO_PLAYING_REDIS_H
#define TESTS_UNIT_SOCKETIO_PLAYING_REDIS_H

#include "broker/bus_store.h"
#include "broker/members.h"
#include "node/socketio/sio_keep.h"
#include "node/socketio/sio_vault_state.h"
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/socketio/fake_broker.h"

#define CALLS 512
#define ARGS_MAX 32

/* -------------------------------------------------------------------- Redis */

struct call {
	enum sio_vault_script script;
	struct bus_call *call; /* NULL: answered, cancelled, or nobody wants the answer */
	unsigned count;
	struct text args[ARGS_MAX];
	char *bytes;
};

struct bus {
	struct bus_point point;
	bool unknown; /* the bus keeps no log */
	bool down;
	uint64_t sent;
	bool waits;
	struct call calls[CALLS];
	unsigned count;
	int foreign;		   /* Node.js servers that the members have counted */
	uint64_t counted_at;	   /* loop time of that count */
	uint64_t counted_arrived;  /* nodes that had announced themselves by then */
	uint64_t arrived;	   /* by now */
	bool cluster;		   /* the server is in a Redis Cluster */
	struct bus_count *counted; /* the count of servers under way */
	unsigned counts;
};

static struct bus redis;
static const char self[] = "wwwwwwwwwwww";

void
bus_script_init(struct bus_script *script, struct text text)
{
	*script = (struct bus_script){.text = text};
}

void
bus_call_init(struct bus_call *call, void (*answer)(struct bus_call *call, int error, struct text value))
{
	*call = (struct bus_call){.answer = answer};
	list_init(&call->link);
}

void
bus_call_cancel(struct bus_call *call)
{
	for (unsigned i = 0; i < redis.count; i++) {
		if (redis.calls[i].call == call)
			redis.calls[i].call = NULL;
	}
}

bool
bus_store_point(const struct bus *bus, struct bus_point *out)
{
	*out = bus->point;
	return !bus->unknown;
}

bool
bus_store_up(const struct bus *bus)
{
	return !bus->down;
}

void
bus_store_reached(struct bus *bus, struct bus_position entry)
{
	bus->point.position = entry;
}

uint64_t
bus_store_sent(const struct bus *bus, bool *waits)
{
	*waits = bus->waits;
	return bus->sent;
}

const char *
bus_store_stream(const struct bus *bus)
{
	(void)bus;
	return "socket.io-log";
}

void
bus_store_call(struct bus *bus, struct bus_script *script, unsigned key_count, const struct text *args,
	unsigned count, struct bus_call *call)
{
	struct call *to = &bus->calls[bus->count++];
	size_t n = 0;
	char *at;

	(void)key_count;
	must(bus->count < CALLS && count <= ARGS_MAX);
	while (sio_vault_script(to->script).at != script->text.at)
		to->script++;
	to->call = call;
	to->count = count;
	for (unsigned i = 0; i < count; i++)
		n += args[i].n;
	to->bytes = mem_alloc(n + 1);
	at = to->bytes;
	for (unsigned i = 0; i < count; i++) {
		to->args[i] = text_of(at, args[i].n);
		if (args[i].n != 0)
			memcpy(at, args[i].at, args[i].n);
		at += args[i].n;
	}
}

void
bus_count_init(struct bus_count *query, void (*count_answer)(struct bus_count *query, int64_t count))
{
	*query = (struct bus_count){.answer = count_answer};
	list_init(&query->link);
}

void
bus_count_cancel(struct bus_count *query)
{
	if (redis.counted == query)
		redis.counted = NULL;
}

struct text
bus_store_key_prefix(const struct bus *bus)
{
	(void)bus;
	return TEXT("{socket.io-log}");
}

bool
bus_store_count(struct bus *bus, struct bus_count *query, struct text channel)
{
	assert_true(text_is(channel, TEXT("socket.io-request#/#")));
	must(bus->counted == NULL);
	bus->counted = bus->cluster ? query : NULL;
	bus->counts += bus->cluster;
	return bus->cluster;
}

/*
 * Except for members_stats(), these functions are not called. They are here so that the linker leaves out the real
 * ones, and with them the real bus.
 */
struct text
members_id(const struct members *members)
{
	(void)members;
	abort();
}

bool
members_is_self(const struct member_record *member)
{
	(void)member;
	abort();
}

const struct member_record *
members_next(const struct members *members, struct members_cursor *cursor)
{
	(void)members, (void)cursor;
	abort();
}

const struct member_record *
members_find(const struct members *members, struct text id)
{
	(void)members, (void)id;
	abort();
}

void
members_stats(const struct members *members, struct members_stats *out)
{
	(void)members;
	*out = (struct members_stats){.count = {[MEMBER_SERVING] = 1},
		.foreign = redis.foreign,
		.counted_at = redis.counted_at,
		.arrived = redis.arrived,
		.counted_arrived = redis.counted_arrived};
}

/* Returns the last call of a script, or NULL. */
static inline struct call *
called(enum sio_vault_script script)
{
	for (unsigned i = redis.count; i-- > 0;) {
		if (redis.calls[i].script == script)
			return &redis.calls[i];
	}
	return NULL;
}

static inline unsigned
count_calls(enum sio_vault_script script)
{
	unsigned n = 0;

	for (unsigned i = 0; i < redis.count; i++)
		n += redis.calls[i].script == script;
	return n;
}

static inline void
forget_calls(void)
{
	for (unsigned i = 0; i < redis.count; i++) {
		mem_free(redis.calls[i].bytes);
	}
	memset(redis.calls, 0, sizeof redis.calls);
	redis.count = 0;
}

static inline void
answer(struct call *to, int error, struct text value)
{
	struct bus_call *call = to->call;

	must(call != NULL);
	to->call = NULL;
	call->answer(call, error, value);
	fake_turn();
}

static inline void
answer_all(enum sio_vault_script script, int error, struct text value)
{
	for (unsigned i = 0; i < redis.count; i++) {
		if (redis.calls[i].script == script && redis.calls[i].call != NULL)
			answer(&redis.calls[i], error, value);
	}
}

static inline void
sleep_long(uint64_t ms)
{
	for (uint64_t slept = 0; slept < ms; slept += 10)
		fake_sleep(10);
}

/* ------------------------------------------------------------------ clients */

static struct sio_keep *keep;
static struct buffer record, mark; /* what the last client's session has in Redis */

static inline int
set_up_with(void (*change)(struct sio_options *o))
{
	recovering_start(change);
	fake_broker_start(BUS_FORM_REDIS);
	redis = (struct bus){.point = {.position = {1, 0}, .self = self}};
	fake_broker.store = &redis;
	fake_broker.members = (const struct members *)&redis; /* see members_stats() */
	buffer_init(&record, 1 << 16);
	buffer_init(&mark, 1 << 16);
	sio_keep_new(fake_io->recovery, &fake_broker);
	keep = fake_io->recovery->keep;
	keep->bus.on_ready(&keep->bus);
	assert_true(keep->welcome);
	return 0;
}

static inline void
middlewares_are_skipped(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
}

static inline void
middlewares_run_again(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->skip_middlewares = false;
}

static inline int
set_up(void **state)
{
	(void)state;
	return set_up_with(middlewares_are_skipped);
}

static inline int
set_up_middlewares(void **state)
{
	(void)state;
	return set_up_with(middlewares_run_again);
}

static inline int
tear_down(void **state)
{
	(void)state;
	sio_keep_free(keep);
	recovering_stop();
	fake_broker_stop();
	forget_calls();
	buffer_fini(&record);
	buffer_fini(&mark);
	return 0;
}

/* A client connects, and Redis takes its session. */
static inline void
arrive(struct recovering *c)
{
	const struct call *save;

	recovering_return(c);
	save = called(VAULT_SAVE);
	assert_non_null(save);
	buffer_reset(&record);
	buffer_add_text(&record, save->args[4]);
	buffer_reset(&mark);
	buffer_add_text(&mark, save->args[5]);
	answer_all(VAULT_SAVE, 0, TEXT("1"));
}

static inline void
answer_claim(void)
{
	struct buffer out;

	buffer_init(&out, 1 << 16);
	buffer_printf(&out, "C %u %u 0 0 0 0 1 1\n", (unsigned)record.len, (unsigned)mark.len);
	buffer_add_text(&out, buffer_text(&record));
	buffer_add_text(&out, buffer_text(&mark));
	answer(called(VAULT_CLAIM), 0, buffer_text(&out));
	buffer_fini(&out);
}

/* The script has found no missed events. */
static inline void
answer_read(void)
{
	const struct text head = called(VAULT_READ)->args[14];
	struct buffer out;

	buffer_init(&out, 1 << 16);
	buffer_add_text(&out, head);
	buffer_add_text(&out, TEXT("1-0\n"));
	answer(called(VAULT_READ), 0, TEXT("R"));
	keep->bus.on_message(&keep->bus, buffer_text(&out));
	fake_turn();
	buffer_fini(&out);
}

/*
 * Begins the message of a script that has found one event of another worker to a room, or to all (TEXT_NONE):
 * ["e",number]. After it, the log is at the position `end`.
 */
static inline void
found_event(struct buffer *out, struct text room, unsigned number, const char *end)
{
	const struct wire_target to = {.rooms = &room, .room_count = room.n != 0, .mark = {UINT64_C(0x1234), number}};
	const struct bus_stamp stamp = {
		.position = {1, 0}, .kind = 'a', .sender = TEXT("oooooooooooo"), .number = number, .event = number};
	const struct text request = called(VAULT_READ)->args[14];
	struct buffer channel, data, message;
	char head[BUS_RECORD_HEAD_MAX];
	struct bus_stamped stamped;

	buffer_init(&channel, 1 << 16);
	buffer_init(&data, 1 << 16);
	buffer_init(&message, 1 << 16);
	buffer_init(out, 1 << 16);
	wire_channel_broadcast(&channel, TEXT("socket.io"), TEXT("/"), room);
	buffer_printf(&data, "[\"e\",%u]", number);
	assert_int_equal(wire_write_broadcast(&message, TEXT("uid"), TEXT("/"), &to, buffer_text(&data), NULL), 0);
	bus_stamp_add(buffer_text(&message), &stamp, &stamped);
	buffer_add_text(out, request);
	buffer_printf(out, "%s\n", end);
	buffer_add(out, head, bus_record_write_head(head, channel.len, bus_stamped_size(&stamped)));
	buffer_add_text(out, buffer_text(&channel));
	buffer_add_byte(out, (uint8_t)stamped.first);
	buffer_add(out, message.data + 1, stamped.end - 1);
	buffer_add(out, stamped.tail, stamped.tail_n);
	buffer_fini(&channel);
	buffer_fini(&data);
	buffer_fini(&message);
}

/* The script has found this event. */
static inline void
answer_read_with_event(struct text room, unsigned number, const char *end)
{
	struct buffer out;

	found_event(&out, room, number, end);
	answer(called(VAULT_READ), 0, TEXT("R"));
	keep->bus.on_message(&keep->bus, buffer_text(&out));
	fake_turn();
	buffer_fini(&out);
}

#endif
