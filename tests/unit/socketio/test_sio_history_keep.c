/*
 * Joins with history and connection state recovery with several workers. The test plays the store of the history, and
 * another worker. Both workers have a keeper, which is the real one. An event of the other worker may be in the
 * history before the keeper has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_history_given.h"
#include "node/socketio/sio_history_join_state.h"
#include "node/socketio/sio_keep.h"
#include "node/socketio/sio_keeper.h"
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/socketio/fake_broker.h"
#include "tests/unit/socketio/fake_history.h"

#define OTHER "otherone" /* the channel of the other worker */
#define LETTERS 64

static struct recovering client;
static struct sio_keeper *keeper;
static char worker, other; /* their addresses name the connections of the two workers */
static uint64_t other_origin, other_local, other_sent;
static unsigned claimed; /* result of the other worker's last claim */
static bool settles;
static struct block *letters[LETTERS]; /* from the keeper to the worker */
static unsigned letter_count;

static sio_nsp *
nsp(void)
{
	return sio_of(fake_io, "/");
}

/* ---------------------------------------------------------------- keeper */

static void
on_send(void *arg, struct text channel, struct text message)
{
	struct keep_reader in = {.rest = message};

	(void)arg;
	if (!text_is(channel, TEXT(OTHER))) {
		must(letter_count < LETTERS);
		letters[letter_count++] = block_copy(message.at, message.n);
		return;
	}
	(void)keep_get_u8(&in);
	if (keep_get_u8(&in) != SIO_KEEP_CLAIMED)
		return;
	(void)keep_get_bytes(&in, 2 * sizeof(uint64_t)); /* origin, nonce */
	claimed = keep_get_u8(&in);
	assert_false(in.bad);
}

static void
settle_later(void *arg)
{
	(void)arg;
	settles = true;
}

static void
on_kept(struct text message)
{
	sio_keeper_receive(keeper, &worker, message, fake_loop.now);
}

static void
on_recorded(const struct wire_target *to, struct text data, uint64_t origin, uint64_t local)
{
	struct buffer out;

	buffer_init(&out, 1 << 16);
	assert_int_equal(wire_write_broadcast(&out, TEXT("uid"), TEXT("/"), to, data, NULL), 0);
	(void)sio_keeper_record(keeper, origin, local, buffer_text(&out), fake_loop.now);
	buffer_fini(&out);
}

/* Delivers the keeper's messages to the worker. */
static void
deliver(void)
{
	struct bus_keep *bus = &fake_io->recovery->keep->bus;

	while (settles || letter_count > 0) {
		struct block *letter = letter_count > 0 ? letters[0] : NULL;

		if (letter == NULL) {
			settles = false;
			sio_keeper_settle(keeper, fake_loop.now);
			continue;
		}
		memmove(letters, letters + 1, --letter_count * sizeof *letters);
		bus->on_message(bus, text_of((const char *)letter->data, letter->len));
		block_unref(letter);
		fake_turn();
	}
}

static void
come_back(void)
{
	recovering_return(&client);
	deliver();
	recovering_read(&client);
	assert_true(client.connected);
}

/* ---------------------------------------------------------- other worker */

static void
other_begins(struct buffer *out, enum sio_keep_message type)
{
	buffer_init(out, 1 << 16);
	buffer_add_byte(out, SIO_KEEP_VERSION);
	buffer_add_byte(out, (uint8_t)type);
	keep_put_u64(out, other_origin);
	buffer_add_text(out, TEXT(OTHER));
	keep_put_u64(out, other_local);
	keep_put_u64(out, ++other_sent);
}

static void
other_sends(struct buffer *out)
{
	sio_keeper_receive(keeper, &other, buffer_text(out), fake_loop.now);
	buffer_fini(out);
}

static void
other_says_hello(void)
{
	struct buffer out;

	memcpy(&other_origin, "oooooooo", sizeof other_origin);
	other_local = other_sent = 0;
	other_begins(&out, SIO_KEEP_HELLO);
	keep_put_u64(&out, 0);
	keep_put_u64(&out, 0);
	keep_put_u64(&out, 0);
	other_sends(&out);
}

/* The client is at the other worker. Returns the result of its claim. */
static unsigned
other_claims(void)
{
	struct buffer out;

	other_begins(&out, SIO_KEEP_CLAIM);
	keep_put_u64(&out, 1);
	keep_put_u64(&out, 1000000);
	keep_put_text(&out, text_from(client.pid));
	buffer_add_byte(&out, client.offset[0] != '\0');
	keep_put_text(&out, text_from(client.offset));
	keep_put_text(&out, TEXT("/"));
	keep_put_u64(&out, 0); /* all connections began at the same time */
	claimed = SIO_RECOVERY_RESULTS;
	other_sends(&out);
	sio_keeper_settle(keeper, fake_loop.now);
	return claimed;
}

static const struct text room = {"room", 4};

/* The event with this mark, which the other worker has emitted, reaches the keeper. Returns its number. */
static uint64_t
other_records_for(struct text to_room, uint64_t number, int n)
{
	struct wire_target to = {.rooms = &to_room, .room_count = 1, .mark = {PEER, number}};
	struct buffer out;
	char json[32];

	snprintf(json, sizeof json, "[\"e\",%d]", n);
	buffer_init(&out, 1 << 16);
	assert_int_equal(wire_write_broadcast(&out, TEXT("uid"), TEXT("/"), &to, text_from(json), NULL), 0);
	number = sio_keeper_record(keeper, other_origin, ++other_local, buffer_text(&out), fake_loop.now);
	buffer_fini(&out);
	return number;
}

static uint64_t
other_records(uint64_t number, int n)
{
	return other_records_for(room, number, n);
}

/* The same, and it reaches the worker. */
static void
hear(uint64_t number, int n)
{
	struct wire_target to = {.rooms = &room, .room_count = 1, .mark = {PEER, number}};
	char json[32];

	snprintf(json, sizeof json, "[\"e\",%d]", n);
	sio_core_broker_ops()->on_number(nsp(), other_records(number, n));
	sio_core_broker_ops()->on_broadcast(nsp(), &to, text_from(json), NULL);
	sio_core_broker_ops()->on_number(nsp(), 0);
	fake_turn();
	recovering_read(&client);
}

/* ----------------------------------------------------------------- tests */

static const char *rules;

static void
change(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->history = (char *)rules;
}

/* The client waits for the history. `says`: it has received an event before. */
static int
start_with(bool says)
{
	const struct sio_keeper_options options = {.window_ms = 120000,
		.notice_ms = 45000,
		.max_bytes = 1000000,
		.max_sessions = 10,
		.send = on_send,
		.settle_later = settle_later};

	memset(&client, 0, sizeof client);
	recovering_start(change);
	fake_broker_start(BUS_FORM_HUB);
	fake_broker.on_kept = on_kept;
	fake_broker.on_recorded = on_recorded;
	sio_core_set_broker(fake_io, &fake_broker);
	store_start();
	keeper = sio_keeper_new(&options);
	other_says_hello();
	sio_keep_new(fake_io->recovery, &fake_broker);
	fake_io->recovery->keep->bus.on_ready(&fake_io->recovery->keep->bus);
	deliver();
	recovering_return(&client);
	if (says)
		assert_int_equal(sio_emit(sio_only(recovering_socket(&client)), "e", "i", 0), 0);
	fake_turn();
	recovering_read(&client);
	assert_int_equal(client.count, says);
	peer_stores("/#room", 1, 1);
	assert_int_equal(sio_join_with_history(recovering_socket(&client), "room", 0, NULL, NULL), 0);
	fake_turn();
	return 0;
}

static int
start(void **state)
{
	(void)state;
	rules = "room*=100";
	return start_with(true);
}

static int
start_in_silence(void **state)
{
	(void)state;
	rules = "room*=100";
	return start_with(false);
}

/* The rooms of single sockets have a history, too. */
static int
start_with_own_rooms(void **state)
{
	(void)state;
	rules = "?*=100";
	return start_with(false);
}

static int
stop(void **state)
{
	(void)state;
	sio_core_set_history(fake_io, NULL);
	fake_turn();
	sio_core_set_broker(fake_io, NULL);
	recovering_stop();
	while (letter_count > 0)
		block_unref(letters[--letter_count]);
	sio_keeper_free(keeper);
	fake_broker_stop();
	store_stop();
	return 0;
}

static void
assert_got(unsigned count, const int *numbers)
{
	assert_int_equal(client.count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(client.got[i], numbers[i]);
}

#define ASSERT_GOT(...) assert_got(sizeof((const int[]){__VA_ARGS__}) / sizeof(int), (const int[]){__VA_ARGS__})

/* The worker is killed while it reads the history. */
static void
a_client_whose_worker_dies_while_it_reads_is_new(void **state)
{
	(void)state;
	sio_keeper_gone(keeper, &worker, fake_loop.now);
	assert_int_equal(other_claims(), SIO_RECOVERY_OFFSET_GONE);
}

static void
an_event_elsewhere_does_not_show_that_the_history_has_come(void **state)
{
	(void)state;
	assert_int_equal(sio_emit(sio_only(recovering_socket(&client)), "e", "i", 9), 0);
	assert_int_equal(sio_join(recovering_socket(&client), "second"), 0);
	fake_turn();
	recovering_read(&client);
	ASSERT_GOT(0, 9);
	sio_keeper_gone(keeper, &worker, fake_loop.now);
	assert_int_equal(other_claims(), SIO_RECOVERY_OFFSET_GONE);
}

static void
a_client_with_the_history_is_recovered_after_the_death_of_its_worker(void **state)
{
	(void)state;
	store_answers(0, 1);
	recovering_read(&client);
	ASSERT_GOT(0, 1);
	sio_keeper_gone(keeper, &worker, fake_loop.now);
	assert_int_equal(other_claims(), SIO_RECOVERY_RECOVERED);
}

static void
a_client_without_the_history_is_new_after_the_death_of_its_worker(void **state)
{
	(void)state;
	store_answers(0, 1);
	sio_keeper_gone(keeper, &worker, fake_loop.now);
	assert_int_equal(other_claims(), SIO_RECOVERY_OFFSET_GONE);
}

/* The keeper has numbered no event yet, so all positions are 0. */
static void
a_client_with_an_empty_history_is_recovered_after_the_death_of_its_worker(void **state)
{
	(void)state;
	store_answers(0, 0);
	sio_keeper_gone(keeper, &worker, fake_loop.now);
	assert_int_equal(other_claims(), SIO_RECOVERY_RECOVERED);
}

/* The client returns to its worker, which has lost all that it knew of the socket's joins. */
static void
an_event_of_the_history_is_not_replayed(void **state)
{
	(void)state;
	store_answers(0, 1);
	recovering_read(&client);
	ASSERT_GOT(0, 1);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	(void)other_records(1, 1);
	come_back();
	ASSERT_GOT(0, 1);
	assert_false(client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
}

static void
an_event_of_the_history_that_arrives_after_the_return_is_dropped(void **state)
{
	(void)state;
	store_answers(0, 1);
	recovering_read(&client);
	for (unsigned i = 0; i < 2; i++) { /* the second session has it from the first one */
		recovering_lose(&client, EIO_TRANSPORT_CLOSE);
		come_back();
		assert_true(client.recovered);
		assert_int_equal(sio_join(recovering_socket(&client), "other"), 0);
		fake_turn();
	}
	hear(1, 1);
	hear(2, 2);
	ASSERT_GOT(0, 1, 2);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	come_back();
	assert_true(client.recovered);
	hear(3, 3);
	ASSERT_GOT(0, 1, 2, 3);
}

/* The join wants one event, so it gets the newest one. Events that come later but are older must not follow it. */
static void
an_event_that_is_too_old_for_the_history_does_not_follow_it(void **state)
{
	const bool early[] = {true, false};

	for (unsigned i = 0; i < 2; i++) {
		if (i > 0) {
			(void)stop(state);
			(void)start(state);
		}
		sio_leave(recovering_socket(&client), "room");
		assert_int_equal(sio_join_with_history(recovering_socket(&client), "room", 1, NULL, NULL), 0);
		fake_turn();
		peer_stores("/#room", 5, 5);
		store_answers(1, 2);
		recovering_read(&client);
		ASSERT_GOT(0, 5);
		recovering_lose(&client, EIO_TRANSPORT_CLOSE);
		if (early[i])
			(void)other_records(4, 4);
		come_back();
		assert_int_equal(client.recovered, !early[i]);
		if (!early[i])
			hear(4, 4);
		ASSERT_GOT(0, 5);
	}
}

static void
an_event_that_arrived_before_the_loss_does_no_harm(void **state)
{
	(void)state;
	store_answers(0, 1);
	hear(1, 1);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	(void)other_records(2, 2);
	come_back();
	assert_true(client.recovered);
	ASSERT_GOT(0, 1, 2);
}

/* Many events of several origins, with all sizes of numbers. */
static void
the_marks_of_a_history_come_back_with_the_client(void **state)
{
	const uint64_t numbers[] = {1, 2, 127, 128, 129, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
	unsigned count = sizeof numbers / sizeof *numbers;
	const struct sio_history_join *join;

	(void)state;
	for (unsigned i = 1; i < count; i++)
		peer_stores("/#room", numbers[i], 1);
	assert_int_equal(sio_emit(sio_to(sio_all(nsp()), "room"), "e", "i", 2), 0);
	fake_turn();
	store_answers(0, stored_count);
	recovering_read(&client);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	come_back();
	assert_true(client.recovered);
	join = recovering_socket(&client)->extra->joins;
	assert_non_null(join);
	assert_null(join->next);
	assert_int_equal(join->state, JOIN_SETTLED);
	assert_int_equal(join->sent_count, count + 1);
	for (unsigned i = 0; i < count; i++)
		assert_true(sio_history_mark_was_sent(join->socket, (struct wire_mark){PEER, numbers[i]}));
	fake_sleep(31000);
	assert_null(recovering_socket(&client)->extra->joins);
}

/* Redis has stored the entry twice, because the connection broke before its answer. */
static void
an_event_that_is_in_the_history_twice_has_one_mark(void **state)
{
	(void)state;
	peer_stores("/#room", 1, 1);
	store_answers(0, 2);
	recovering_read(&client);
	ASSERT_GOT(0, 1);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
	come_back();
	assert_true(client.recovered);
	assert_int_equal(recovering_socket(&client)->extra->joins->sent_count, 1);
}

/* The client has the history of its own room, in which event 7 is. Its worker has lost it. */
static void
lose_with_own_room(void)
{
	char key[64];

	store_answers(0, 1);
	snprintf(key, sizeof key, "/#%s", client.sid);
	peer_stores(key, 7, 7);
	assert_int_equal(sio_join_with_history(recovering_socket(&client), client.sid, 0, NULL, NULL), 0);
	fake_turn();
	store_answers(0, stored_count);
	recovering_read(&client);
	ASSERT_GOT(1, 7);
	recovering_lose(&client, EIO_TRANSPORT_CLOSE);
}

static void
the_marks_of_the_own_room_come_back_with_the_client(void **state)
{
	(void)state;
	lose_with_own_room();
	come_back();
	assert_true(client.recovered);
	assert_true(sio_history_mark_was_sent(recovering_socket(&client), (struct wire_mark){PEER, 7}));
	sio_leave(recovering_socket(&client), client.sid);
	assert_false(sio_history_mark_was_sent(recovering_socket(&client), (struct wire_mark){PEER, 7}));
}

/* The socket has the marks before it enters its own room, and it is a new one before that. */
static void
an_event_of_the_own_history_is_not_replayed(void **state)
{
	(void)state;
	lose_with_own_room();
	(void)other_records_for(text_from(client.sid), 7, 7);
	come_back();
	ASSERT_GOT(1, 7);
	assert_false(client.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_OFFSET_GONE], 1);
	assert_true(recovering_socket(&client)->extra == NULL || recovering_socket(&client)->extra->joins == NULL);
}

/* Ends the joins of the room. */
static void
join_anew(void)
{
	sio_leave(recovering_socket(&client), "room");
	assert_int_equal(sio_join(recovering_socket(&client), "room"), 0);
}

static bool
adopt(struct text given)
{
	return fake_io->history->work->adopt(recovering_socket(&client), given);
}

/* Whoever can write sessions may write anything. */
static void
malformed_marks_are_refused(void **state)
{
	struct buffer out;
	struct text good;

	(void)state;
	peer_stores("/#room", 300, 1);
	store_answers(0, 2);
	buffer_init(&out, 1000);
	fake_io->history->work->give(recovering_socket(&client), &out);
	good = buffer_text(&out);
	sio_leave(recovering_socket(&client), "room");
	assert_false(adopt(good));
	for (size_t n = 1; n < good.n; n++) {
		char *copy = mem_alloc(n);

		memcpy(copy, good.at, n);
		join_anew();
		assert_false(adopt(text_of(copy, n)));
		mem_free(copy);
	}
	join_anew();
	assert_true(adopt(good));
	assert_false(adopt(good)); /* the room comes twice */
	join_anew();
	out.data[sizeof(uint32_t) + room.n + 1] = 1; /* fewer marks than the origin has */
	assert_false(adopt(good));
	buffer_fini(&out);
}

/* The marks of one origin. */
struct run {
	uint64_t origin, first;
	unsigned count;
	uint64_t step; /* from each to the next one */
};

static void
put_number(struct buffer *out, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		buffer_add_byte(out, (uint8_t)(number | 0x80));
	buffer_add_byte(out, (uint8_t)number);
}

/* Returns true if the socket gets these marks. */
static bool
adopts(const struct run *runs, unsigned count)
{
	struct buffer out;
	unsigned all = 0;
	bool good;

	join_anew();
	buffer_init(&out, 1 << 16);
	keep_put_text(&out, room);
	buffer_add_byte(&out, 1);
	for (unsigned i = 0; i < count; i++)
		all += runs[i].count;
	put_number(&out, all);
	for (unsigned i = 0; i < count; i++) {
		keep_put_u64(&out, runs[i].origin);
		put_number(&out, runs[i].count);
		for (unsigned n = 0; n < runs[i].count; n++)
			put_number(&out, n == 0 ? runs[i].first : runs[i].step);
	}
	good = adopt(buffer_text(&out));
	buffer_fini(&out);
	return good;
}

#define ADOPTS(...)                                                                                                  \
	adopts((const struct run[]){__VA_ARGS__}, sizeof((const struct run[]){__VA_ARGS__}) / sizeof(struct run))

/* Other marks would cost much time or memory. */
static void
marks_that_no_worker_writes_are_refused(void **state)
{
	const unsigned most = SIO_HISTORY_GIVEN_MAX;

	(void)state;
	store_answers(0, 0);
	assert_true(ADOPTS({5, 0, 3, 1}, {6, 0, 1, 0}));
	assert_false(ADOPTS({6, 0, 1, 0}, {5, 0, 3, 1})); /* an origin descends */
	assert_false(ADOPTS({5, 0, 1, 0}, {5, 1, 1, 0})); /* recurs */
	assert_false(ADOPTS({0, 1, 1, 0}));
	assert_false(ADOPTS({5, 1, 2, 0})); /* a mark comes twice */
	assert_true(ADOPTS({5, UINT64_MAX - 1, 2, 1}));
	assert_false(ADOPTS({5, UINT64_MAX, 2, 1})); /* descends */
	assert_false(ADOPTS({5, UINT64_MAX, 2, UINT64_MAX}));
	assert_false(adopts(NULL, 0));
	assert_true(ADOPTS({5, 1, most - 1, 1}, {6, 1, 1, 1}));
	assert_int_equal(recovering_socket(&client)->extra->joins->sent_count, most);
	assert_false(ADOPTS({5, 1, most, 1}, {6, 1, 1, 1}));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_client_whose_worker_dies_while_it_reads_is_new),
		CASE(an_event_elsewhere_does_not_show_that_the_history_has_come),
		CASE(a_client_with_the_history_is_recovered_after_the_death_of_its_worker),
		CASE(a_client_without_the_history_is_new_after_the_death_of_its_worker),
		cmocka_unit_test_setup_teardown(
			a_client_with_an_empty_history_is_recovered_after_the_death_of_its_worker, start_in_silence,
			stop),
		CASE(an_event_of_the_history_is_not_replayed),
		CASE(an_event_of_the_history_that_arrives_after_the_return_is_dropped),
		CASE(an_event_that_is_too_old_for_the_history_does_not_follow_it),
		CASE(an_event_that_arrived_before_the_loss_does_no_harm),
		CASE(the_marks_of_a_history_come_back_with_the_client),
		CASE(an_event_that_is_in_the_history_twice_has_one_mark),
		cmocka_unit_test_setup_teardown(
			the_marks_of_the_own_room_come_back_with_the_client, start_with_own_rooms, stop),
		cmocka_unit_test_setup_teardown(
			an_event_of_the_own_history_is_not_replayed, start_with_own_rooms, stop),
		CASE(malformed_marks_are_refused),
		CASE(marks_that_no_worker_writes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
