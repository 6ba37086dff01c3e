/*
 * Two workers of the keeper of connection state recovery (sio_keeper.h), whose messages the test writes. The keeper's
 * limits are a window of two minutes and two sessions of lost clients. One file of a program includes this header.
 */
#ifndef TESTS_UNIT_SOCKETIO_KEEPING_H
#define TESTS_UNIT_SOCKETIO_KEEPING_H

#include "broker/bus_keep.h"
#include "common/base/must.h"
#include "node/socketio/sio_keeper.h"
#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_recovery_state.h"

#define WINDOW_MS 120000
#define PID "0123456789abcdefghijklmnopqrstuv"
#define OTHER_PID "0123456789abXXXXXXXXXXXXXXXXXXXX"
#define SID "abcdefghijklmnopqrst"
#define MAX_BYTES 100000

/* A worker: its origin is also the name of its channel and of its connection. */
struct worker {
	const char *name;
	uint64_t origin, local, heard, sent;
	uint64_t recovered_began; /* its next session has been recovered by this connection; 0: the session is new */
	/* of its last answer */
	uint8_t type;
	unsigned result, count, takes, ended, unknown;
	uint64_t answered, number;
	char offset[64], key[SIO_KEEP_KEY];
};

static struct worker a = {.name = "worker-a"}, b = {.name = "worker-b"};
static struct sio_keeper *keeper;
static struct buffer out;
static uint64_t now, nonce, began; /* began: the last claim's connection */
static bool settles;

static inline void
on_replayed(struct worker *w, struct keep_reader *in)
{
	w->number = keep_get_u64(in);
	w->count = (unsigned)keep_get_u64(in);
	for (unsigned i = 0; i < w->count; i++) {
		struct text offset = keep_get_text(in);

		(void)keep_get_text(in);
		(void)snprintf(w->offset, sizeof w->offset, "%.*s", (int)offset.n, offset.at);
	}
}

static inline void
on_send(void *arg, struct text channel, struct text message)
{
	struct worker *w = channel.at[7] == 'a' ? &a : &b;
	struct keep_reader in = {.rest = message};

	(void)arg;
	assert_int_equal(keep_get_u8(&in), SIO_KEEP_VERSION);
	w->type = keep_get_u8(&in);
	w->unknown += w->type == SIO_KEEP_UNKNOWN;
	if (keep_get_u64(&in) != w->origin)
		return;
	w->takes += w->type == SIO_KEEP_TAKE;
	w->ended += w->type == SIO_KEEP_ENDED;
	if (w->type == SIO_KEEP_WELCOME) {
		memcpy(w->key, keep_get_bytes(&in, SIO_KEEP_KEY).at, SIO_KEEP_KEY);
		w->heard = keep_get_u64(&in);
	}
	if (w->type != SIO_KEEP_CLAIMED && w->type != SIO_KEEP_REPLAYED)
		return;
	w->answered = keep_get_u64(&in);
	w->result = keep_get_u8(&in);
	(void)keep_get_bytes(&in, SIO_PID_LENGTH);
	if (w->type == SIO_KEEP_REPLAYED)
		on_replayed(w, &in);
	assert_false(in.bad);
}

static inline void
settle_now(void *arg)
{
	(void)arg;
	settles = true;
}

static inline void
begin(struct worker *w, enum sio_keep_message type)
{
	buffer_reset(&out);
	buffer_add_byte(&out, SIO_KEEP_VERSION);
	buffer_add_byte(&out, (uint8_t)type);
	keep_put_u64(&out, w->origin);
	buffer_add(&out, w->name, BUS_KEEP_ID);
	keep_put_u64(&out, w->local);
	keep_put_u64(&out, ++w->sent);
}

static inline void
send_it(struct worker *w)
{
	sio_keeper_receive(keeper, w, buffer_text(&out), now);
}

static inline void
hello(struct worker *w)
{
	struct worker former = *w;

	w->origin++;
	w->local = w->sent = 0;
	begin(w, SIO_KEEP_HELLO);
	keep_put_u64(&out, former.origin);
	keep_put_u64(&out, former.local);
	keep_put_u64(&out, former.sent);
	send_it(w);
}

/* A session that is at this position, and whose rooms have changed then, unless `last` is UINT64_MAX. */
static inline void
session_in(struct worker *w, const char *pid, struct text room, bool needs_offset, uint64_t last)
{
	char rooms[64];
	size_t n = room.at != NULL ? (size_t)(sio_recovery_room_write(rooms, room) - rooms) : 0;

	begin(w, SIO_KEEP_SESSION);
	keep_put_text(&out, text_of(pid, SIO_PID_LENGTH));
	keep_put_text(&out, text_of(SID, SIO_ID_LENGTH));
	keep_put_text(&out, TEXT("/"));
	buffer_add_byte(&out, needs_offset);
	buffer_add_byte(&out, true);
	keep_put_u64(&out, w->recovered_began);
	keep_put_u64(&out, w->heard);
	keep_put_u64(&out, w->local);
	buffer_add_byte(&out, last != UINT64_MAX);
	keep_put_u64(&out, last);
	keep_put_u64(&out, w->heard);
	keep_put_u64(&out, w->local);
	keep_put_u64(&out, room.at != NULL);
	keep_put_text(&out, text_of(rooms, n));
	keep_put_text(&out, TEXT(""));
	send_it(w);
}

static inline void
session(struct worker *w)
{
	session_in(w, PID, TEXT_NONE, false, UINT64_MAX);
}

static inline void
pid_message(struct worker *w, enum sio_keep_message type)
{
	begin(w, type);
	keep_put_text(&out, text_of(PID, SIO_PID_LENGTH));
	send_it(w);
}

/* The socket leaves. `last` is the last event that was for it, or 0. */
static inline void
store(struct worker *w, uint64_t last)
{
	begin(w, SIO_KEEP_STORE);
	keep_put_text(&out, text_of(PID, SIO_PID_LENGTH));
	keep_put_u64(&out, last);
	keep_put_u64(&out, w->heard);
	keep_put_u64(&out, w->local);
	send_it(w);
}

static inline void
claim_from(struct worker *w, uint64_t connection_began, const char *pid, const char *offset, const char *nsp)
{
	w->type = 0;
	begin(w, SIO_KEEP_CLAIM);
	keep_put_u64(&out, ++nonce);
	keep_put_u64(&out, MAX_BYTES);
	keep_put_text(&out, text_of(pid, SIO_PID_LENGTH));
	buffer_add_byte(&out, offset != NULL);
	keep_put_text(&out, offset != NULL ? text_from(offset) : TEXT(""));
	keep_put_text(&out, text_from(nsp));
	keep_put_u64(&out, connection_began);
	send_it(w);
}

/* By a new connection. */
static inline void
claim_as(struct worker *w, const char *pid, const char *offset, const char *nsp)
{
	claim_from(w, ++began, pid, offset, nsp);
}

static inline void
settled_claim(struct worker *w, const char *pid, const char *offset, const char *nsp)
{
	claim_as(w, pid, offset, nsp);
	sio_keeper_settle(keeper, now);
}

static inline void
assert_claim(struct worker *w, const char *offset, enum sio_recovery_result result)
{
	settled_claim(w, PID, offset, "/");
	assert_int_equal(w->type, SIO_KEEP_CLAIMED);
	assert_int_equal(w->answered, nonce);
	assert_int_equal(w->result, result);
}

static inline void
assert_replay(struct worker *w, enum sio_recovery_result result)
{
	begin(w, SIO_KEEP_REPLAY);
	keep_put_u64(&out, ++nonce);
	keep_put_u64(&out, MAX_BYTES);
	keep_put_text(&out, text_of(PID, SIO_PID_LENGTH));
	send_it(w);
	assert_int_equal(w->type, SIO_KEEP_REPLAYED);
	assert_int_equal(w->answered, nonce);
	assert_int_equal(w->result, result);
}

/* Claims and gets what was missed. */
static inline void
assert_back(struct worker *w, const char *offset, unsigned count)
{
	assert_claim(w, offset, SIO_RECOVERY_RECOVERED);
	assert_replay(w, SIO_RECOVERY_RECOVERED);
	assert_int_equal(w->count, count);
	w->heard = w->number;
}

/* An event that the worker has recorded; it writes the offset that its clients have then. */
static inline void
emit_to(struct worker *w, struct text room, char offset[64])
{
	struct wire_target to = {.rooms = &room, .room_count = room.at != NULL ? 1 : 0};
	char epoch[SIO_EPOCH_LENGTH], text[SIO_OFFSET_MAX + 1];
	struct sio_recovery_position at = {w->heard, ++w->local, w->origin};

	buffer_reset(&out);
	assert_int_equal(wire_write_broadcast(&out, TEXT("uid"), TEXT("/"), &to, TEXT("[\"e\",1]"), NULL), 0);
	assert_true(sio_keeper_record(keeper, w->origin, w->local, buffer_text(&out), now) != 0);
	sio_keeper_epoch(w->key, TEXT("/"), epoch);
	if (offset != NULL)
		(void)snprintf(offset, 64, "%.*s", (int)sio_recovery_position_write(epoch, &at, text), text);
}

/* The worker hears an event of another worker. Writes the offset that its clients have then. */
static inline void
hears(struct worker *w, char offset[64])
{
	char epoch[SIO_EPOCH_LENGTH], text[SIO_OFFSET_MAX + 1];
	struct sio_recovery_position at = {++w->heard, w->local, w->origin};

	sio_keeper_epoch(w->key, TEXT("/"), epoch);
	(void)snprintf(offset, 64, "%.*s", (int)sio_recovery_position_write(epoch, &at, text), text);
}

static inline int
set_up(void **state)
{
	struct sio_keeper_options options = {.window_ms = WINDOW_MS,
		.notice_ms = 45000,
		.max_bytes = 1000000,
		.max_sessions = 2,
		.send = on_send,
		.settle_later = settle_now};

	(void)state;
	now = began = 1;
	a = (struct worker){.name = "worker-a"};
	b = (struct worker){.name = "worker-b"};
	memcpy(&a.origin, "aaaaaaaa", sizeof a.origin);
	memcpy(&b.origin, "bbbbbbbb", sizeof b.origin);
	keeper = sio_keeper_new(&options);
	buffer_init(&out, 1u << 20);
	hello(&a);
	hello(&b);
	assert_int_equal(a.type, SIO_KEEP_WELCOME);
	/* the first HELLO names a former origin, so older offsets do not count; one event makes a newer one */
	emit_to(&a, TEXT("nobody"), NULL);
	a.heard = b.heard = 1;
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	sio_keeper_free(keeper);
	buffer_fini(&out);
	return 0;
}

#endif
