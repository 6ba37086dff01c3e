/* Connection state recovery with several workers: what a worker tells the keeper. The test plays the keeper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/socketio/sio_keep.h"
#include "tests/unit/socketio/recovering.h"
#include "tests/unit/socketio/fake_broker.h"

static struct sio_keep *keep;

static void
middlewares_run_again(struct sio_options *o)
{
	o->max_disconnection_duration = 120000;
	o->skip_middlewares = false;
}

static void
answer_begin(struct buffer *out, enum sio_keep_message type)
{
	buffer_init(out, 1 << 20);
	buffer_add_byte(out, SIO_KEEP_VERSION);
	buffer_add_byte(out, (uint8_t)type);
	keep_put_u64(out, keep->origin);
}

static void
answer(struct buffer *out)
{
	keep->bus.on_message(&keep->bus, buffer_text(out));
	buffer_fini(out);
	fake_turn();
}

static void
answer_question_with(struct buffer *out, enum sio_keep_message type, enum sio_recovery_result result, const char *pid)
{
	struct keep_reader in = {.rest = buffer_text(&fake_broker.kept)};

	(void)keep_get_bytes(&in, 2 + sizeof(uint64_t) + BUS_KEEP_ID + 2 * sizeof(uint64_t));
	answer_begin(out, type);
	keep_put_u64(out, keep_get_u64(&in));
	buffer_add_byte(out, (uint8_t)result);
	buffer_add(out, pid, SIO_PID_LENGTH);
}

/* Answers the last message, a question: the session is recovered. */
static void
answer_question(struct buffer *out, enum sio_keep_message type, const char *pid)
{
	answer_question_with(out, type, SIO_RECOVERY_RECOVERED, pid);
}

static void
assert_told(enum sio_keep_message type)
{
	assert_true(fake_broker.kept.len > 1);
	assert_int_equal(fake_broker.kept.data[1], type);
}

static int
set_up(void **state)
{
	struct buffer out;

	(void)state;
	recovering_start(middlewares_run_again);
	fake_broker_start(BUS_FORM_HUB);
	sio_keep_new(fake_io->recovery, &fake_broker);
	keep = fake_io->recovery->keep;
	keep->bus.on_ready(&keep->bus);
	assert_told(SIO_KEEP_HELLO);
	answer_begin(&out, SIO_KEEP_WELCOME);
	buffer_add(&out, "0123456789abcdef", SIO_KEEP_KEY);
	keep_put_u64(&out, 0);
	answer(&out);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sio_keep_free(keep);
	recovering_stop();
	fake_broker_stop();
	return 0;
}

/* The session of the client has no rooms and no data. */
static void
answer_claimed(struct recovering *c)
{
	struct buffer out;

	assert_told(SIO_KEEP_CLAIM);
	answer_question(&out, SIO_KEEP_CLAIMED, c->pid);
	buffer_add_byte(&out, false);
	buffer_add_byte(&out, true);
	keep_put_text(&out, text_from(c->sid));
	keep_put_u64(&out, 0);
	keep_put_text(&out, TEXT(""));
	keep_put_text(&out, TEXT(""));
	answer(&out);
}

static void
claim_again(struct recovering *c)
{
	recovering_return(c);
	answer_claimed(c);
}

/* The client has missed nothing. */
static void
answer_replayed(struct recovering *c)
{
	struct buffer out;

	assert_told(SIO_KEEP_REPLAY);
	answer_question(&out, SIO_KEEP_REPLAYED, c->pid);
	keep_put_u64(&out, 0);
	keep_put_u64(&out, 0);
	answer(&out);
	recovering_read(c);
}

static void
come_back(struct recovering *c)
{
	claim_again(c);
	answer_replayed(c);
	assert_true(c->recovered);
}

static void
set_data(sio_socket *s, sio_step *step, void *arg)
{
	(void)arg;
	sio_set_data(s, "s", "Ann");
	sio_next(step);
}

static void
nothing(sio_socket *s, sio_step *step, void *arg)
{
	(void)s, (void)arg;
	sio_next(step);
}

static void
the_keeper_learns_of_data_that_a_middleware_sets_again(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	assert_told(SIO_KEEP_SESSION);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_told(SIO_KEEP_STORE);
	sio_use(sio_of(fake_io, "/"), set_data, NULL);
	come_back(&c);
	assert_told(SIO_KEEP_SESSION);
	assert_memory_equal(fake_broker.kept.data + fake_broker.kept.len - 4,
		"\xa3"
		"Ann",
		4);
}

static void
a_client_that_comes_back_unchanged_costs_no_message(void **state)
{
	struct recovering c = {0};

	(void)state;
	sio_use(sio_of(fake_io, "/"), nothing, NULL);
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	come_back(&c);
	assert_told(SIO_KEEP_REPLAY);
}

/* Reads the last message up to the fields of its type. */
static struct keep_reader
read_told(void)
{
	struct keep_reader in = {.rest = buffer_text(&fake_broker.kept)};

	(void)keep_get_bytes(&in, 2 + sizeof(uint64_t) + BUS_KEEP_ID + 2 * sizeof(uint64_t));
	return in;
}

static uint64_t
told_session_began(void)
{
	struct keep_reader in = read_told();

	assert_told(SIO_KEEP_SESSION);
	for (unsigned i = 0; i < 3; i++)
		(void)keep_get_text(&in);
	(void)keep_get_bytes(&in, 2);
	return keep_get_u64(&in);
}

/* The worker has measured it. A client cannot name it. */
static void
the_keeper_learns_when_the_connection_of_a_claim_began(void **state)
{
	struct recovering c = {.auth = "\"began\":99"};
	struct keep_reader in;
	struct buffer out;

	(void)state;
	recovering_open(&c, 7);
	recovering_return(&c);
	assert_int_equal(told_session_began(), 0);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	recovering_open(&c, 8);
	recovering_return(&c);
	assert_told(SIO_KEEP_CLAIM);
	in = read_told();
	(void)keep_get_bytes(&in, 2 * sizeof(uint64_t));
	(void)keep_get_text(&in);
	assert_int_equal(keep_get_u8(&in), 0);
	(void)keep_get_text(&in);
	assert_true(text_is(keep_get_text(&in), TEXT("/")));
	assert_int_equal(keep_get_u64(&in), 8);
	assert_false(in.bad || in.rest.n != 0);
	answer_claimed(&c);
	answer_replayed(&c);
	assert_true(c.recovered);
	/* another hub gets the session */
	keep->bus.on_ready(&keep->bus);
	answer_begin(&out, SIO_KEEP_WELCOME);
	buffer_add(&out, "0123456789abcdef", SIO_KEEP_KEY);
	keep_put_u64(&out, 0);
	answer(&out);
	assert_int_equal(told_session_began(), 8);
}

static bool told_late_room;

static void
look_for_late_room(struct text message)
{
	if (message.at[1] == SIO_KEEP_SESSION && text_has(message, TEXT("late room")))
		told_late_room = true;
}

static void
the_keeper_learns_of_a_room_joined_while_disconnecting(void **state)
{
	struct recovering c = {0};

	(void)state;
	recovering_return(&c);
	sio_on_disconnecting(sio_of(fake_io, "/"), join_late, NULL);
	told_late_room = false;
	fake_broker.on_kept = look_for_late_room;
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	assert_true(told_late_room);
	assert_told(SIO_KEEP_STORE);
}

static void
a_namespace_that_is_made_later_has_the_epoch_of_its_name(void **state)
{
	char epoch[SIO_EPOCH_LENGTH];

	(void)state;
	sio_keeper_epoch(keep->key, TEXT("/later"), epoch);
	assert_memory_equal(sio_of(fake_io, "/later")->log->epoch, epoch, sizeof epoch);
}

static char reported[SIO_ID_LENGTH + 1];

static void
on_ended(sio_nsp *nsp, const sio_ended_session *session, void *arg)
{
	(void)arg;
	assert_string_equal(sio_nsp_name(nsp), "/made-1");
	assert_int_equal(session->why, SIO_SESSION_EXPIRED);
	(void)snprintf(reported, sizeof reported, "%s", session->id);
}

/* Another worker made the namespace for a client, and is gone. A name that no pattern matches is left out. */
static void
the_end_of_a_session_in_a_namespace_of_a_pattern_is_reported(void **state)
{
	static const char *const names[] = {"/elsewhere", "/made-1"};
	struct buffer out;

	(void)state;
	reported[0] = '\0';
	sio_on_session_ended(sio_of_pattern(fake_io, "/made-.*", NULL), on_ended, NULL);
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(reported, "");
		answer_begin(&out, SIO_KEEP_ENDED);
		buffer_add_byte(&out, SIO_SESSION_EXPIRED);
		keep_put_text(&out, TEXT("abcdefghijklmnopqrst"));
		keep_put_text(&out, text_from(names[i]));
		keep_put_text(&out, TEXT_NONE);
		answer(&out);
	}
	assert_string_equal(reported, "abcdefghijklmnopqrst");
}

static unsigned passed, passed_recovered;

static void
count(sio_socket *s, sio_step *step, void *arg)
{
	(void)arg;
	passed++;
	passed_recovered += sio_recovered(s);
	sio_next(step);
}

static void
refuse(sio_socket *s, sio_step *step, void *arg)
{
	(void)s, (void)arg;
	sio_refuse(step, "no", NULL);
}

/* The client comes back, and the events that it missed are gone. */
static void
come_back_too_late(struct recovering *c)
{
	struct buffer out;

	claim_again(c);
	assert_told(SIO_KEEP_REPLAY);
	answer_question_with(&out, SIO_KEEP_REPLAYED, SIO_RECOVERY_OFFSET_GONE, c->pid);
	keep_put_u64(&out, 0);
	answer(&out);
}

static void
a_socket_that_is_new_in_the_end_passes_the_middlewares(void **state)
{
	const bool skips[] = {true, false};
	sio_nsp *nsp = sio_of(fake_io, "/");

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct recovering c = {0};

		fake_io->options.skip_middlewares = skips[i];
		recovering_return(&c);
		recovering_lose(&c, EIO_TRANSPORT_CLOSE);
		passed = passed_recovered = 0;
		sio_use(nsp, count, NULL);
		come_back_too_late(&c);
		recovering_read(&c);
		assert_true(c.connected && !c.recovered);
		assert_int_equal(passed, skips[i] ? 1 : 2);
		assert_int_equal(passed_recovered, skips[i] ? 0 : 1);
		sio_unuse(nsp, count, NULL);
	}
}

static void
a_socket_that_is_new_in_the_end_may_be_refused(void **state)
{
	struct recovering c = {0};

	(void)state;
	fake_io->options.skip_middlewares = true;
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	sio_use(sio_of(fake_io, "/"), refuse, NULL);
	come_back_too_late(&c);
	recovering_read(&c);
	assert_false(c.connected);
	assert_int_equal(sio_of(fake_io, "/")->count, 0);
}

/* The answers to all replays together could exceed what the hub may keep for this worker. */
static void
replays_wait_for_their_turn(void **state)
{
	struct recovering first = {0}, second = {0}, third = {0};
	struct recovering *const all[] = {&first, &second, &third};
	struct buffer out;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		recovering_return(all[i]);
		recovering_lose(all[i], EIO_TRANSPORT_CLOSE);
	}
	keep->replays_max = 1;
	claim_again(&first);
	assert_told(SIO_KEEP_REPLAY);
	answer_question(&out, SIO_KEEP_REPLAYED, first.pid); /* the answer to this question, which is sent below */
	keep_put_u64(&out, 0);
	keep_put_u64(&out, 0);
	claim_again(&second);
	claim_again(&third);
	assert_told(SIO_KEEP_CLAIM);
	assert_int_equal(keep->replays_asked, 1);
	recovering_lose(&second, EIO_TRANSPORT_CLOSE); /* the second client has gone before its turn */
	answer(&out);
	recovering_read(&first);
	assert_true(first.recovered);
	assert_told(SIO_KEEP_REPLAY);
	answer_question(&out, SIO_KEEP_REPLAYED, third.pid);
	keep_put_u64(&out, 0);
	keep_put_u64(&out, 0);
	answer(&out);
	recovering_read(&third);
	assert_true(third.recovered);
	assert_int_equal(keep->replays_asked, 0);
	assert_true(list_empty(&keep->waiting));
}

/*
 * The client comes back, and has missed an event. Begins the answer to the question for it, which arrives when the
 * client is lost again.
 */
static void
come_back_for_a_moment(struct recovering *c, struct buffer *out)
{
	const struct wire_target all = {0};
	struct buffer payload;

	recovering_return(c);
	recovering_lose(c, EIO_TRANSPORT_CLOSE);
	claim_again(c);
	assert_told(SIO_KEEP_REPLAY);
	answer_question(out, SIO_KEEP_REPLAYED, c->pid);
	keep_put_u64(out, 1);
	keep_put_u64(out, 1);
	keep_put_text(out, TEXT("offset"));
	buffer_init(&payload, 1 << 20);
	assert_int_equal(wire_write_broadcast(&payload, TEXT("uid"), TEXT("/"), &all, TEXT("[\"e\",1]"), NULL), 0);
	keep_put_text(out, buffer_text(&payload));
	buffer_fini(&payload);
}

/* The session is given back once, and the answer that arrives too late ends nothing. */
static void
assert_released(struct buffer *answer_to_replay)
{
	uint64_t sent = keep->sent;

	assert_told(SIO_KEEP_RELEASE);
	answer(answer_to_replay);
	assert_int_equal(keep->sent, sent);
	assert_int_equal(keep->replays_asked, 0);
}

static void
a_client_lost_before_its_replay_leaves_the_session_to_the_next(void **state)
{
	struct recovering lost = {0}, ghost = {0};
	struct buffer replayed, take;

	(void)state;
	come_back_for_a_moment(&lost, &replayed);
	recovering_lose(&lost, EIO_TRANSPORT_CLOSE);
	assert_released(&replayed);
	/* it is back at another worker before this one has noticed */
	come_back_for_a_moment(&ghost, &replayed);
	answer_begin(&take, SIO_KEEP_TAKE);
	keep_put_text(&take, text_of(ghost.pid, SIO_PID_LENGTH));
	answer(&take);
	assert_released(&replayed);
}

static void
a_client_that_is_closing_gets_no_replay(void **state)
{
	struct recovering c = {0};
	struct buffer replayed;

	(void)state;
	come_back_for_a_moment(&c, &replayed);
	c.session->open = false; /* the end of the turn tells the client's sockets */
	answer(&replayed);
	assert_told(SIO_KEEP_RELEASE);
}

static void
a_replay_that_is_not_answered_ends_no_session_that_was_given_back(void **state)
{
	struct recovering c = {0};
	struct buffer replayed;
	uint64_t sent;

	(void)state;
	come_back_for_a_moment(&c, &replayed);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	sent = keep->sent;
	fake_sleep(8000);
	assert_int_equal(keep->sent, sent);
	assert_true(list_empty(&keep->asked));
	buffer_fini(&replayed);
}

/* After the death of a worker, the hub may need longer than 5 s for all of its clients. Claims wait up to 20 s while
 * answers arrive. */
static void
asks_wait_longer_while_others_are_answered(void **state)
{
	struct recovering first = {0}, second = {0}, third = {0}, *const all[] = {&first, &second, &third};
	struct sio_recovery *recovery = fake_io->recovery;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		recovering_return(all[i]);
		recovering_lose(all[i], EIO_TRANSPORT_CLOSE);
	}
	recovering_return(&first);
	fake_sleep(2000);
	come_back(&second);
	fake_sleep(4000);
	assert_int_equal(recovery->results[SIO_RECOVERY_NO_HUB], 0); /* the last answer came less than 5 s ago */
	for (unsigned i = 0; i < 4; i++) {
		recovering_lose(&second, EIO_TRANSPORT_CLOSE);
		come_back(&second);
		fake_sleep(3000);
	}
	recovering_return(&third);
	assert_int_equal(recovery->results[SIO_RECOVERY_NO_HUB], 0);
	fake_sleep(4000); /* the first has waited for more than 20 s */
	assert_int_equal(recovery->results[SIO_RECOVERY_NO_HUB], 1);
	fake_sleep(3000); /* the third has waited for 7 s, and for the last 5 s no answer came for any client */
	assert_int_equal(recovery->results[SIO_RECOVERY_NO_HUB], 2);
	recovering_read(&first);
	recovering_read(&third);
	assert_false(first.recovered || third.recovered);
}

/* The hub of a newer program answers like this during an upgrade. */
static void
a_keeper_of_another_version_refuses_for_good(void **state)
{
	struct recovering c = {0};
	struct buffer out;

	(void)state;
	recovering_return(&c);
	recovering_lose(&c, EIO_TRANSPORT_CLOSE);
	keep->bus.on_ready(&keep->bus);
	assert_told(SIO_KEEP_HELLO);
	buffer_init(&out, 1 << 20);
	buffer_add_byte(&out, SIO_KEEP_VERSION + 1);
	buffer_add_byte(&out, SIO_KEEP_OTHER_VERSION);
	keep_put_u64(&out, keep->origin);
	answer(&out);
	recovering_return(&c);
	recovering_read(&c); /* at once, as a new client */
	assert_false(c.recovered);
	assert_int_equal(fake_io->recovery->results[SIO_RECOVERY_NO_HUB], 1);
	fake_sleep(60000);
	assert_told(SIO_KEEP_HELLO);
	assert_int_equal(keep->sent, 1);
}

static void
a_lost_hello_is_sent_again(void **state)
{
	uint64_t origin;

	(void)state;
	keep->bus.on_ready(&keep->bus);
	origin = keep->origin;
	fake_sleep(4000);
	assert_int_equal(keep->origin, origin);
	fake_sleep(3000);
	assert_int_not_equal(keep->origin, origin);
	assert_told(SIO_KEEP_HELLO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_keeper_learns_of_data_that_a_middleware_sets_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_client_that_comes_back_unchanged_costs_no_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_keeper_learns_when_the_connection_of_a_claim_began, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_keeper_learns_of_a_room_joined_while_disconnecting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_namespace_that_is_made_later_has_the_epoch_of_its_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_end_of_a_session_in_a_namespace_of_a_pattern_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_socket_that_is_new_in_the_end_passes_the_middlewares, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_that_is_new_in_the_end_may_be_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_client_lost_before_its_replay_leaves_the_session_to_the_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_is_closing_gets_no_replay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_replay_that_is_not_answered_ends_no_session_that_was_given_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(asks_wait_longer_while_others_are_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replays_wait_for_their_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_keeper_of_another_version_refuses_for_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lost_hello_is_sent_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
