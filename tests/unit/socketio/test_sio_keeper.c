/* The keeper of connection state recovery: what it hands over to which worker, and when it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <malloc.h>

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
	/* of its last answer */
	uint8_t type;
	unsigned result, count, takes, ended, unknown;
	uint64_t answered, number;
	char offset[64], key[SIO_KEEP_KEY];
};

static struct worker a = {.name = "worker-a"}, b = {.name = "worker-b"};
static struct sio_keeper *keeper;
static struct buffer out;
static uint64_t now, nonce;
static bool settles;

static void
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

static void
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

static void
settle_now(void *arg)
{
	(void)arg;
	settles = true;
}

static void
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

static void
send_it(struct worker *w)
{
	sio_keeper_receive(keeper, w, buffer_text(&out), now);
}

static void
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
static void
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

static void
session(struct worker *w)
{
	session_in(w, PID, TEXT_NONE, false, UINT64_MAX);
}

static void
pid_message(struct worker *w, enum sio_keep_message type)
{
	begin(w, type);
	keep_put_text(&out, text_of(PID, SIO_PID_LENGTH));
	send_it(w);
}

/* The socket leaves. `last` is the last event that was for it, or 0. */
static void
store(struct worker *w, uint64_t last)
{
	begin(w, SIO_KEEP_STORE);
	keep_put_text(&out, text_of(PID, SIO_PID_LENGTH));
	keep_put_u64(&out, last);
	keep_put_u64(&out, w->heard);
	keep_put_u64(&out, w->local);
	send_it(w);
}

static void
claim_as(struct worker *w, const char *pid, const char *offset, const char *nsp)
{
	w->type = 0;
	begin(w, SIO_KEEP_CLAIM);
	keep_put_u64(&out, ++nonce);
	keep_put_u64(&out, MAX_BYTES);
	keep_put_text(&out, text_of(pid, SIO_PID_LENGTH));
	buffer_add_byte(&out, offset != NULL);
	keep_put_text(&out, offset != NULL ? text_from(offset) : TEXT(""));
	keep_put_text(&out, text_from(nsp));
	send_it(w);
}

static void
settled_claim(struct worker *w, const char *pid, const char *offset, const char *nsp)
{
	claim_as(w, pid, offset, nsp);
	sio_keeper_settle(keeper, now);
}

static void
assert_claim(struct worker *w, const char *offset, enum sio_recovery_result result)
{
	settled_claim(w, PID, offset, "/");
	assert_int_equal(w->type, SIO_KEEP_CLAIMED);
	assert_int_equal(w->answered, nonce);
	assert_int_equal(w->result, result);
}

static void
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
static void
assert_back(struct worker *w, const char *offset, unsigned count)
{
	assert_claim(w, offset, SIO_RECOVERY_RECOVERED);
	assert_replay(w, SIO_RECOVERY_RECOVERED);
	assert_int_equal(w->count, count);
	w->heard = w->number;
}

/* An event that the worker has recorded; it writes the offset that its clients have then. */
static void
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
static void
hears(struct worker *w, char offset[64])
{
	char epoch[SIO_EPOCH_LENGTH], text[SIO_OFFSET_MAX + 1];
	struct sio_recovery_position at = {++w->heard, w->local, w->origin};

	sio_keeper_epoch(w->key, TEXT("/"), epoch);
	(void)snprintf(offset, 64, "%.*s", (int)sio_recovery_position_write(epoch, &at, text), text);
}

static int
set_up(void **state)
{
	struct sio_keeper_options options = {.window_ms = WINDOW_MS,
		.notice_ms = 45000,
		.max_bytes = 1000000,
		.max_sessions = 2,
		.send = on_send,
		.settle_later = settle_now};

	(void)state;
	now = 1;
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

static int
tear_down(void **state)
{
	(void)state;
	sio_keeper_free(keeper);
	buffer_fini(&out);
	return 0;
}

static void
a_client_gets_what_it_missed_at_another_worker(void **state)
{
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	store(&a, a.heard + a.local);
	emit_to(&b, TEXT_NONE, NULL);
	emit_to(&a, TEXT_NONE, NULL);
	emit_to(&a, TEXT("elsewhere"), NULL);
	emit_to(&b, text_of(SID, SIO_ID_LENGTH), NULL);
	assert_back(&b, got, 3);
	/* the client loses the connection again, before it has read anything, and after it has read everything */
	store(&b, 0);
	assert_back(&a, got, 3);
	store(&a, 0);
	assert_back(&b, a.offset, 0);
}

static void
what_the_own_worker_delivered_early_is_not_sent_again(void **state)
{
	char first[64], second[64];

	(void)state;
	session(&a);
	/* worker a delivers its own event before it hears b's event, which has the lower number */
	emit_to(&b, TEXT_NONE, NULL);
	emit_to(&a, TEXT_NONE, first);
	store(&a, a.heard + a.local);
	assert_back(&b, first, 1);
	store(&b, 0);
	hears(&a, second);
	assert_back(&b, second, 0);
}

static void
sessions_outlive_their_worker(void **state)
{
	char got[64];

	(void)state;
	session(&a);
	emit_to(&b, TEXT_NONE, NULL);
	hears(&a, got);
	sio_keeper_gone(keeper, &a, now);
	emit_to(&b, TEXT_NONE, NULL);
	assert_back(&b, got, 1);
}

static void
no_offset_means_since_the_first_connect(void **state)
{
	(void)state;
	session(&a);
	emit_to(&b, TEXT_NONE, NULL);
	sio_keeper_gone(keeper, &a, now);
	assert_back(&b, NULL, 1);
	store(&b, 0);
	assert_back(&b, NULL, 1);
}

static void
rooms_count_from_their_change_on(void **state)
{
	char before[64], got[64];

	(void)state;
	session_in(&a, PID, TEXT_NONE, false, UINT64_MAX);
	emit_to(&a, TEXT("r"), NULL);
	emit_to(&a, TEXT_NONE, before);
	emit_to(&a, TEXT_NONE, got);
	session_in(&a, PID, TEXT("r"), false, a.heard + a.local); /* joins r when it has got both */
	emit_to(&a, TEXT("r"), NULL);
	sio_keeper_gone(keeper, &a, now);
	assert_claim(&b, before, SIO_RECOVERY_OFFSET_GONE); /* its rooms do not show what it missed before */
	assert_back(&b, got, 1);
}

static void
an_idle_client_needs_no_old_events(void **state)
{
	(void)state;
	session(&a);
	emit_to(&a, TEXT("elsewhere"), NULL);
	now += WINDOW_MS + 45001;
	sio_keeper_sweep(keeper, now);
	begin(&a, SIO_KEEP_QUIET);
	keep_put_text(&out, text_of(PID, SIO_PID_LENGTH));
	keep_put_u64(&out, 0);
	keep_put_u64(&out, 2);
	keep_put_u64(&out, a.local);
	send_it(&a);
	sio_keeper_gone(keeper, &a, now);
	assert_back(&b, NULL, 0);
}

static void
a_ghost_leaves_first(void **state)
{
	(void)state;
	session(&a);
	claim_as(&b, PID, NULL, "/");
	assert_int_equal(a.takes, 1);
	assert_int_equal(b.type, 0);
	store(&a, 0);
	assert_int_equal(b.type, SIO_KEEP_CLAIMED);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
	pid_message(&b, SIO_KEEP_RELEASE);
	/* a worker that dies gives its ghosts away as well */
	assert_back(&b, NULL, 0);
	claim_as(&a, PID, NULL, "/");
	sio_keeper_gone(keeper, &b, now);
	assert_int_equal(a.result, SIO_RECOVERY_RECOVERED);
	/* a session that ended for good */
	pid_message(&a, SIO_KEEP_END);
	assert_claim(&a, NULL, SIO_RECOVERY_NO_SESSION);
}

/* On a busy machine, the old socket leaves late, and the worker with the claim waits as long (sio_keep_ask.h). */
static void
a_claim_is_answered_as_long_as_its_worker_waits(void **state)
{
	(void)state;
	session(&a);
	claim_as(&b, PID, NULL, "/");
	now += 19000;
	store(&a, 0);
	assert_int_equal(b.type, SIO_KEEP_CLAIMED);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
}

/* The client is lost again before its session is continued, and so are its next claims. The last one keeps it. */
static void
claims_get_the_session_one_after_the_other(void **state)
{
	struct worker *const workers[] = {&a, &b};
	uint64_t first;
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	store(&a, a.heard + a.local);
	emit_to(&b, TEXT_NONE, NULL);
	assert_claim(&a, got, SIO_RECOVERY_RECOVERED);
	first = nonce;
	for (unsigned i = 1; i < 10; i++) {
		claim_as(workers[i % 2], PID, got, "/");
		assert_int_not_equal(workers[i % 2]->type, SIO_KEEP_CLAIMED);
		assert_int_equal(a.takes, i);
	}
	for (unsigned i = 1; i < 10; i++) {
		b.takes = 0;
		pid_message(workers[(i - 1) % 2], SIO_KEEP_RELEASE);
		assert_int_equal(workers[i % 2]->answered, first + i);
		assert_int_equal(workers[i % 2]->result, SIO_RECOVERY_RECOVERED);
		assert_int_equal(b.takes, i % 2 == 1 && i != 9);
	}
	assert_replay(&b, SIO_RECOVERY_RECOVERED);
	assert_int_equal(b.count, 1);
}

/* Another claim waits while the session is claimed. */
static void
claim_twice(void)
{
	session(&a);
	store(&a, 0);
	assert_claim(&b, NULL, SIO_RECOVERY_RECOVERED);
	claim_as(&a, PID, NULL, "/");
	assert_int_equal(b.takes, 1);
	assert_int_equal(a.type, 0);
}

static void
a_claim_that_waits_is_answered_if_the_replay_fails(void **state)
{
	(void)state;
	claim_twice();
	b.local++; /* an event that the keeper does not get */
	emit_to(&b, TEXT_NONE, NULL);
	assert_replay(&b, SIO_RECOVERY_OFFSET_GONE);
	assert_int_equal(a.type, SIO_KEEP_CLAIMED);
	assert_int_equal(a.result, SIO_RECOVERY_NO_SESSION);
}

static void
the_claims_that_wait_are_limited(void **state)
{
	(void)state;
	claim_twice();
	for (unsigned i = 1; i < 16; i++) {
		claim_as(&a, PID, NULL, "/");
		assert_int_equal(a.type, 0);
	}
	assert_claim(&a, NULL, SIO_RECOVERY_NO_SESSION);
	now += 20001; /* the workers no longer wait for answers to these claims */
	claim_as(&a, PID, NULL, "/");
	assert_int_equal(a.type, 0);
}

/*
 * The socket leaves before the answer to its REPLAY arrives. The client has got nothing, and the next worker gets
 * everything for it, also if the client was idle and its offset is older than the log.
 */
static void
a_replay_that_reaches_no_socket_is_repeated(void **state)
{
	struct worker *const workers[] = {&b, &a};
	uint64_t last;
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	last = a.heard + a.local;
	emit_to(&b, TEXT("elsewhere"), NULL);
	a.heard = 3; /* the number of this event */
	now += WINDOW_MS + 45001;
	sio_keeper_sweep(keeper, now);
	store(&a, last);
	emit_to(&b, TEXT_NONE, NULL);
	for (unsigned i = 0; i < 4; i++) {
		assert_back(workers[i % 2], got, i + 1);
		emit_to(workers[i % 2], TEXT_NONE, NULL); /* before its socket leaves */
		pid_message(workers[i % 2], SIO_KEEP_RELEASE);
	}
	/* a claim that waits gets the session at once */
	assert_back(&b, got, 5);
	claim_as(&a, PID, got, "/");
	assert_int_equal(b.takes, 1);
	assert_int_equal(a.type, 0);
	pid_message(&b, SIO_KEEP_RELEASE);
	assert_int_equal(a.answered, nonce);
	assert_replay(&a, SIO_RECOVERY_RECOVERED);
	assert_int_equal(a.count, 5);
	/* this client gets them, and at its next worker only a volatile event, with the worker's offset */
	store(&a, 0);
	assert_back(&b, a.offset, 0);
	emit_to(&a, TEXT("elsewhere"), NULL);
	hears(&b, got);
	emit_to(&a, TEXT("elsewhere"), NULL);
	b.heard++;
	now += WINDOW_MS + 45001;
	sio_keeper_sweep(keeper, now);
	store(&b, 0);
	emit_to(&b, TEXT_NONE, NULL);
	for (unsigned i = 0; i < 3; i++) {
		assert_back(&a, got, 1);
		pid_message(&a, SIO_KEEP_RELEASE);
	}
}

/* The session has been sent by another connection, which the hub reads later. */
static void
a_claim_waits_for_what_is_under_way(void **state)
{
	(void)state;
	claim_as(&b, PID, NULL, "/");
	assert_int_equal(b.type, 0);
	assert_true(settles);
	session(&a);
	sio_keeper_settle(keeper, now);
	assert_int_equal(a.takes, 1);
	store(&a, 0);
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
}

static void
what_cannot_be_shown_is_refused(void **state)
{
	char got[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	store(&a, a.heard + a.local);
	settled_claim(&b, OTHER_PID, got, "/");
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
	claim_as(&b, PID, got, "/other");
	assert_int_equal(b.result, SIO_RECOVERY_FOREIGN);
	assert_claim(&b, "", SIO_RECOVERY_OFFSET_GONE);
	assert_claim(&b, "0-0", SIO_RECOVERY_OFFSET_GONE);
	got[0] ^= 1;
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	got[0] ^= 1;
	now += WINDOW_MS + 1;
	assert_claim(&b, got, SIO_RECOVERY_EXPIRED);
	sio_keeper_sweep(keeper, now);
	assert_int_equal(a.ended + b.ended, 1);
}

static void
the_worker_that_had_the_session_reports_its_end(void **state)
{
	(void)state;
	session(&b);
	store(&b, b.heard + b.local);
	now += WINDOW_MS + 1;
	sio_keeper_sweep(keeper, now);
	assert_int_equal(a.ended, 0);
	assert_int_equal(b.ended, 1);
	/* that worker is gone */
	session(&b);
	sio_keeper_gone(keeper, &b, now);
	now += WINDOW_MS + 1;
	sio_keeper_sweep(keeper, now);
	assert_int_equal(a.ended, 1);
}

static void
a_missing_event_makes_older_offsets_useless(void **state)
{
	char got[64], late[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	b.local++; /* an event that the keeper does not get */
	emit_to(&b, TEXT_NONE, NULL);
	hears(&a, late);
	hears(&a, late);
	store(&a, a.heard + a.local);
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	assert_back(&b, late, 0);
}

static void
a_worker_that_was_out_of_reach_starts_anew(void **state)
{
	char got[64], after[64];

	(void)state;
	session(&a);
	emit_to(&a, TEXT_NONE, got);
	sio_keeper_gone(keeper, &a, now);
	pid_message(&a, SIO_KEEP_END);
	assert_int_equal(a.unknown, 1);
	hello(&a);
	session_in(&a, PID, TEXT_NONE, true, UINT64_MAX);
	emit_to(&a, TEXT_NONE, after);
	store(&a, a.heard + a.local);
	assert_claim(&b, NULL, SIO_RECOVERY_OFFSET_GONE);
	/* the keeper may lack events between this offset and HELLO */
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	assert_back(&b, after, 0);
	/* once the client has shown a good offset, the next worker does not ask for a newer one */
	store(&b, 0);
	assert_back(&a, after, 0);
	store(&a, 0);
	assert_claim(&b, NULL, SIO_RECOVERY_OFFSET_GONE);
	assert_claim(&b, got, SIO_RECOVERY_OFFSET_GONE);
	assert_back(&b, after, 0);
}

/* If a worker that was out of reach has sent everything, or sends it late, no other client loses anything. */
static void
a_worker_that_comes_back_with_all_it_did_leaves_no_hole(void **state)
{
	char got[64], own[64];

	(void)state;
	session(&b);
	emit_to(&b, TEXT_NONE, NULL);
	hears(&b, got);
	store(&b, b.heard + b.local);
	sio_keeper_gone(keeper, &a, now);
	emit_to(&a, TEXT_NONE, own); /* the event was queued, so it comes before HELLO */
	hello(&a);
	assert_back(&a, got, 1);
	store(&a, 0);
	/* the client has got b's next event, which is still on its way to the keeper */
	b.local++;
	hears(&b, own);
	b.local--;
	assert_claim(&a, own, SIO_RECOVERY_OFFSET_GONE);
}

/* The keeper keeps the sessions of a worker out of reach as last sent. The worker may have changed them since. */
static void
sessions_of_a_worker_out_of_reach_may_have_changed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		session(&a);
		sio_keeper_gone(keeper, &a, now);
		a.sent += i; /* a message that is lost */
		hello(&a);
		assert_claim(&b, NULL, i == 0 ? SIO_RECOVERY_RECOVERED : SIO_RECOVERY_NO_SESSION);
		if (i == 0)
			pid_message(&b, SIO_KEEP_END);
	}
}

static void
a_lost_message_brings_the_sessions_anew(void **state)
{
	(void)state;
	session(&a);
	claim_as(&b, PID, NULL, "/");
	assert_int_equal(a.takes, 1);
	a.sent++; /* the queue was full */
	store(&a, 0);
	assert_int_equal(a.unknown, 1);
	assert_int_equal(b.type, 0);
	hello(&a);
	/* a worker that waits for a session that may have changed gets its answer now */
	assert_int_equal(b.type, SIO_KEEP_CLAIMED);
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
	session_in(&a, PID, TEXT_NONE, true, UINT64_MAX);
	assert_int_equal(a.unknown, 1);
	emit_to(&a, TEXT_NONE, a.offset);
	store(&a, a.heard + a.local);
	assert_back(&b, a.offset, 0);
}

static void
a_second_hello_replaces_the_first(void **state)
{
	struct worker first;

	(void)state;
	session(&a);
	first = a;
	a.origin = 0;
	hello(&a);
	a.origin = first.origin + 1; /* the answer is lost, so the worker names the origin of its last welcome */
	hello(&a);
	assert_claim(&b, NULL, SIO_RECOVERY_NO_SESSION);
	assert_int_equal(a.type, SIO_KEEP_WELCOME);
}

static void
another_version_is_answered_and_not_read(void **state)
{
	(void)state;
	begin(&a, SIO_KEEP_HELLO);
	out.data[0]++;
	a.origin++; /* the origin that the worker names in this message */
	memcpy(out.data + 2, &a.origin, sizeof a.origin);
	send_it(&a);
	assert_int_equal(a.type, SIO_KEEP_OTHER_VERSION);
	a.type = SIO_KEEP_HELLO;
	sio_keeper_receive(keeper, &a, text_of((const char *)out.data, 2 + sizeof a.origin + BUS_KEEP_ID - 1), now);
	assert_int_equal(a.type, SIO_KEEP_HELLO); /* the message ends before the name that an answer would need */
}

/* The keeper does not know where the worker's missing event stands in the order of all events. */
static void
events_from_out_of_reach_stay_missing(void **state)
{
	static const char pid[] = "another-0123456789abcdefghijklmn";
	char got[64], after[64];

	(void)state;
	session(&b);
	emit_to(&b, TEXT_NONE, NULL);
	hears(&b, got);
	store(&b, b.heard + b.local);
	emit_to(&b, TEXT_NONE, NULL);
	sio_keeper_gone(keeper, &a, now);
	a.local++;
	hello(&a);
	assert_claim(&a, got, SIO_RECOVERY_OFFSET_GONE);
	/* the clients of that worker need no second event */
	session_in(&a, pid, TEXT_NONE, true, UINT64_MAX);
	emit_to(&a, TEXT_NONE, after);
	sio_keeper_gone(keeper, &a, now);
	settled_claim(&b, pid, after, "/");
	assert_int_equal(b.result, SIO_RECOVERY_RECOVERED);
}

static void
limits_displace_the_oldest(void **state)
{
	char pid[SIO_PID_LENGTH + 1] = PID;
	struct sio_recovery_stats stats;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		pid[0] = (char)('p' + i);
		session_in(&a, pid, TEXT_NONE, false, UINT64_MAX);
	}
	sio_keeper_gone(keeper, &a, now);
	sio_keeper_stats(keeper, now, &stats);
	assert_int_equal(stats.sessions, 2);
	assert_int_equal(stats.displaced, 1);
	assert_int_equal(b.ended, 1);
}

static void
only_ids_of_this_program_are_taken(void **state)
{
	(void)state;
	session_in(&a, "0123456789ab.defghijklmnopqrstuv", TEXT_NONE, false, UINT64_MAX);
	sio_keeper_gone(keeper, &a, now);
	settled_claim(&b, "0123456789ab.defghijklmnopqrstuv", NULL, "/");
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
	settled_claim(&b, "0123456789abcdefghijklmnopqrstu\xff", NULL, "/");
	assert_int_equal(b.result, SIO_RECOVERY_NO_SESSION);
}

#define IDLE_MAX (160 + 32) /* the session as malloc() rounds it up, and its part of the table */

static void
an_idle_client_takes_little_memory(void **state)
{
	enum { CLIENTS = 1000 };
	char pid[] = PID;
	size_t before = mallinfo2().uordblks;

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++) {
		(void)snprintf(pid, 9, "%08u", i);
		pid[8] = '8';
		session_in(&a, pid, TEXT_NONE, false, UINT64_MAX);
		begin(&a, SIO_KEEP_QUIET);
		keep_put_text(&out, text_from(pid));
		for (unsigned k = 0; k < 3; k++)
			keep_put_u64(&out, 0);
		send_it(&a);
	}
	/* the sanitizers' allocator counts nothing */
	assert_in_range((mallinfo2().uordblks - before) / CLIENTS, 0, IDLE_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
		CASE(a_client_gets_what_it_missed_at_another_worker),
		CASE(what_the_own_worker_delivered_early_is_not_sent_again),
		CASE(sessions_outlive_their_worker),
		CASE(no_offset_means_since_the_first_connect),
		CASE(rooms_count_from_their_change_on),
		CASE(an_idle_client_needs_no_old_events),
		CASE(a_ghost_leaves_first),
		CASE(a_claim_is_answered_as_long_as_its_worker_waits),
		CASE(claims_get_the_session_one_after_the_other),
		CASE(a_claim_that_waits_is_answered_if_the_replay_fails),
		CASE(the_claims_that_wait_are_limited),
		CASE(a_replay_that_reaches_no_socket_is_repeated),
		CASE(a_claim_waits_for_what_is_under_way),
		CASE(what_cannot_be_shown_is_refused),
		CASE(the_worker_that_had_the_session_reports_its_end),
		CASE(a_missing_event_makes_older_offsets_useless),
		CASE(a_worker_that_was_out_of_reach_starts_anew),
		CASE(events_from_out_of_reach_stay_missing),
		CASE(a_worker_that_comes_back_with_all_it_did_leaves_no_hole),
		CASE(sessions_of_a_worker_out_of_reach_may_have_changed),
		CASE(a_lost_message_brings_the_sessions_anew),
		CASE(a_second_hello_replaces_the_first),
		CASE(another_version_is_answered_and_not_read),
		CASE(limits_displace_the_oldest),
		CASE(only_ids_of_this_program_are_taken),
		CASE(an_idle_client_takes_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
