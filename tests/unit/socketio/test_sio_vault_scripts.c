/*
 * The scripts of sio_vault_scripts.h in a real redis-server: the order of the claims of a session, whose open
 * events a replay awaits, and for how long a stranger counts.
 */
#include "tests/unit/broker/broker_bench.h"

#include <hiredis.h>
#include <string.h>

#include "node/socketio/sio_vault_scripts.h"

#define REPLACED_MAX 32 /* so many claims have noted numbers */

static struct redis_bench redis;
static redisContext *commands, *subscriber;
static char key[64], answered[512];
static unsigned cases;

static const char worker_a[] = "aaaaaaaa", worker_b[] = "bbbbbbbb";
static const char claim_a[] = "aaaaaaaa000000000001", claim_b[] = "bbbbbbbb000000000002",
		  claim_c[] = "bbbbbbbb000000000003";

/* Runs a command, and returns its answer as text until the next one. An error fails the test. */
static const char *
run(int count, const char *const *args)
{
	redisReply *reply = redisCommandArgv(commands, count, (const char **)args, NULL);

	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", args[0], reply->str);
	if (reply->type == REDIS_REPLY_INTEGER)
		(void)snprintf(answered, sizeof answered, "%lld", reply->integer);
	else
		(void)snprintf(answered, sizeof answered, "%s", reply->str != NULL ? reply->str : "");
	freeReplyObject(reply);
	return answered;
}

#define RUN(...) run((int)(sizeof(const char *[]){__VA_ARGS__} / sizeof(char *)), (const char *const[]){__VA_ARGS__})
/* `keys`: their number, as text; the keys and the arguments follow */
#define SCRIPT(script, keys, ...) RUN("EVAL", sio_vault_script(script).at, keys, __VA_ARGS__)

/* The subscriber gets a subscription of this worker, or loses it. */
static void
subscribe(const char *command, const char *worker)
{
	redisReply *reply = redisCommand(subscriber, "%s keep#%s", command, worker);

	while (reply != NULL && reply->type == REDIS_REPLY_ARRAY && strcmp(reply->element[0]->str, "message") == 0) {
		freeReplyObject(reply);
		assert_int_equal(redisGetReply(subscriber, (void **)&reply), REDIS_OK);
	}
	assert_non_null(reply);
	freeReplyObject(reply);
}

static const char *
claim_numbered(const char *claim, const char *number)
{
	char worker[9];

	(void)snprintf(worker, sizeof worker, "%s", claim);
	return SCRIPT(VAULT_CLAIM, "3", key, "stranger#/", "stranger#", worker, claim, "/", "30000", "keep#",
		"session", "servers", "1", number, "16");
}

/* A claim whose number the worker does not know: the first attempt, or the answers so far were lost. */
static const char *
claims(const char *claim)
{
	return claim_numbered(claim, "0");
}

/* The script gives the session to the claim. Answer C contains the claim's number. */
static void
assert_taken(const char *answer, const char *number)
{
	char wanted[64];

	(void)snprintf(wanted, sizeof wanted, "C 6 4 0 1 0 0 %s 0\nrecordmark", number);
	assert_string_equal(answer, wanted);
}

/* The session of a socket that is connected at this worker. */
static void
begin(const char *worker)
{
	(void)snprintf(key, sizeof key, "session#%u", ++cases);
	(void)RUN("HSET", key, "w", worker, "n", "/", "s", "record", "c", "mark", "m", "1", "l", "1");
}

/* The socket has left. */
static void
leave(const char *worker)
{
	assert_string_equal(SCRIPT(VAULT_STORE, "1", key, worker, "60000", ""), "1");
}

/* ------------------------------------------------------------ order of claims */

static void
a_claim_whose_number_was_lost_does_not_overtake_a_later_one(void **state)
{
	(void)state;
	begin(worker_a);
	subscribe("SUBSCRIBE", worker_a);
	assert_string_equal(claims(claim_a), "L1");
	assert_string_equal(claims(claim_b), "L2");
	assert_string_equal(claims(claim_a), "L1");
	assert_string_equal(claim_numbered(claim_b, "2"), "L2");
	leave(worker_a);
	assert_taken(claim_numbered(claim_b, "2"), "2");
	assert_taken(claims(claim_b), "2"); /* that answer was lost, too */
	assert_string_equal(claims(claim_a), "P");
	subscribe("UNSUBSCRIBE", worker_a);
}

static void
a_claim_that_got_the_session_unawares_does_not_take_it_back(void **state)
{
	(void)state;
	begin(worker_a);
	leave(worker_a);
	assert_taken(claims(claim_a), "1"); /* the answer is lost, and so is the worker's subscription */
	assert_taken(claims(claim_b), "2");
	assert_string_equal(claims(claim_a), "P");
	/* the later claim is given back, and the earlier one must not get the session either */
	assert_string_equal(SCRIPT(VAULT_RELEASE, "1", key, claim_b), "1");
	assert_string_equal(claims(claim_a), "P");
	assert_taken(claims(claim_c), "3");
}

static void
the_numbers_that_are_noted_have_a_maximum(void **state)
{
	char claim[32], number[8];

	(void)state;
	begin(worker_a);
	leave(worker_a);
	for (unsigned i = 1; i <= 3 * REPLACED_MAX; i++) {
		(void)snprintf(claim, sizeof claim, "%s%012u", worker_a, i);
		(void)snprintf(number, sizeof number, "%u", i);
		assert_taken(claims(claim), number);
	}
	assert_int_equal(atoi(RUN("HSTRLEN", key, "a")), REPLACED_MAX * (1 + 20 + 1 + 16));
	for (unsigned i = 2 * REPLACED_MAX; i < 3 * REPLACED_MAX; i++) {
		(void)snprintf(claim, sizeof claim, "%s%012u", worker_a, i);
		assert_string_equal(claims(claim), "P");
	}
}

static void
a_session_that_is_claimed_too_often_goes_to_one_of_the_first_claims(void **state)
{
	char claim[32], number[8];

	(void)state;
	begin(worker_a);
	subscribe("SUBSCRIBE", worker_a);
	for (unsigned i = 1; i <= 20; i++) {
		(void)snprintf(claim, sizeof claim, "%s%012u", worker_b, i);
		(void)snprintf(number, sizeof number, "L%u", i);
		assert_string_equal(claims(claim), i <= 16 ? number : "N");
	}
	assert_string_equal(claims("bbbbbbbb000000000016"), "L16"); /* it is known */
	leave(worker_a);
	assert_taken(claims("bbbbbbbb000000000016"), "16");
	assert_string_equal(claims("bbbbbbbb000000000015"), "P");
	assert_taken(claims(claim_a), "17");
	subscribe("UNSUBSCRIBE", worker_a);
}

/* The new master has lost the last second, in which the claim got its number. */
static void
after_a_failover_two_claims_with_one_number_do_not_take_the_session_in_turn(void **state)
{
	(void)state;
	begin(worker_a);
	leave(worker_a);
	assert_taken(claims(claim_b), "1");
	assert_string_equal(claim_numbered(claim_a, "1"), "P");
	assert_string_equal(RUN("HGET", key, "v"), claim_b);
	/* a claim's number is at least that of each one that waits */
	begin(worker_a);
	subscribe("SUBSCRIBE", worker_a);
	assert_string_equal(claim_numbered(claim_a, "5"), "L5");
	assert_string_equal(claims(claim_b), "L6");
	subscribe("UNSUBSCRIBE", worker_a);
}

/* ---------------------------------------------------------------- open events */

static const char *
stream_name(void)
{
	static char name[80];

	(void)snprintf(name, sizeof name, "log#%s", key);
	return name;
}

/* Reads the log after its first entry, for a client that has received one event of the worker `ownaaaaa`. */
static const char *
reads(const char *claim, const char *worker, const char *channel)
{
	const char *first = "1-0";

	return SCRIPT(VAULT_READ, "2", key, stream_name(), claim, first, first, "", "0", "ownaaaaa", "1", "1", "1",
		"1000", "socket.io#/#", channel, "R1 ", worker, "keep#");
}

static void
record(const char *id, const char *message)
{
	char entry[128];

	(void)snprintf(entry, sizeof entry, "12 %zu\nsocket.io#/#%s", strlen(message), message);
	assert_string_equal(RUN("XADD", stream_name(), id, "m", entry), id);
}

/* Worker a has the session, and its client has received an event that the log lacks. Claim b has the session now. */
static void
begin_with_open_event(void)
{
	begin(worker_a);
	record("1-0", "1-0:1/aotheraaaaaaa/1");
	leave(worker_a);
	assert_taken(claims(claim_b), "1");
}

static void
a_replay_waits_for_the_worker_that_holds_an_event_back(void **state)
{
	(void)state;
	begin_with_open_event();
	subscribe("SUBSCRIBE", worker_a);
	assert_string_equal(reads(claim_b, worker_b, "keep#bbbbbbbb"), "O");
	assert_string_equal(RUN("HGET", key, "w"), worker_a);
	subscribe("UNSUBSCRIBE", worker_a);
	assert_string_equal(reads(claim_b, worker_b, "keep#bbbbbbbb"), "G"); /* it has died */
	record("2-0", "1-0:1/aownaaaaaxxxx/1");
	assert_string_equal(reads(claim_b, worker_b, ""), "R"); /* only a check */
	assert_string_equal(RUN("HGET", key, "w"), worker_a);
	assert_string_equal(reads(claim_b, worker_b, "keep#bbbbbbbb"), "R");
	assert_string_equal(RUN("HGET", key, "w"), worker_b);
	assert_string_equal(reads(claim_b, worker_b, "keep#bbbbbbbb"), "N"); /* the claim has ended */
}

/* Releases the session as a worker does whose replay may have come too late. */
static void
release_and_store(const char *claim, const char *number, const char *worker)
{
	assert_string_equal(SCRIPT(VAULT_RELEASE, "1", key, claim, number, worker, "60000", "loss"), "1");
	assert_string_equal(RUN("HGET", key, "w"), worker); /* it reports the end of the session */
	assert_string_equal(RUN("HGET", key, "e"), "loss");
	assert_string_equal(RUN("HEXISTS", key, "l"), "0");
	assert_string_equal(RUN("HEXISTS", key, "v"), "0");
}

static void
a_worker_that_has_replayed_nothing_holds_no_events_back(void **state)
{
	(void)state;
	for (unsigned alive = 0; alive < 2; alive++) {
		begin_with_open_event();
		release_and_store(claim_b, "1", worker_b);
		assert_taken(claims(claim_c), "2");
		release_and_store(claim_c, "2", worker_b);
		assert_taken(claims(claim_a), "3");
		subscribe("SUBSCRIBE", alive != 0 ? worker_a : worker_b);
		assert_string_equal(reads(claim_a, worker_a, "keep#aaaaaaaa"), alive != 0 ? "O" : "G");
		subscribe("UNSUBSCRIBE", alive != 0 ? worker_a : worker_b);
	}
}

/* The client has its newest events from the worker that has replayed them, so that worker is asked. */
static void
a_worker_that_has_replayed_may_hold_events_back(void **state)
{
	(void)state;
	begin_with_open_event();
	release_and_store(claim_b, "1", worker_b);
	assert_taken(claims(claim_c), "2");
	record("2-0", "1-0:1/aownaaaaaxxxx/1");
	assert_string_equal(reads(claim_c, worker_b, "keep#bbbbbbbb"), "R");
	release_and_store(claim_c, "2", worker_b);
	assert_taken(claims(claim_a), "3");
	assert_string_equal(
		RUN("XDEL", stream_name(), "2-0"), "1"); /* as if the replayed event were not recorded yet */
	subscribe("SUBSCRIBE", worker_b);
	assert_string_equal(reads(claim_a, worker_a, "keep#aaaaaaaa"), "O");
	subscribe("UNSUBSCRIBE", worker_b);
}

/* ------------------------------------------------------------------ strangers */

static void
a_note_of_a_stranger_does_not_shorten_an_earlier_one(void **state)
{
	char noted[32];

	(void)state;
	assert_string_equal(SCRIPT(VAULT_STRANGER, "1", "stranger#", "60000", "15000"), "1");
	(void)snprintf(noted, sizeof noted, "%.31s", RUN("GET", "stranger#"));
	assert_string_equal(SCRIPT(VAULT_STRANGER, "1", "stranger#", "60000", "0"), "1");
	assert_string_equal(RUN("GET", "stranger#"), noted);
	assert_string_equal(SCRIPT(VAULT_STRANGER, "1", "stranger#", "60000", "30000"), "1");
	assert_true(atoll(RUN("GET", "stranger#")) > atoll(noted));
	assert_string_equal(RUN("DEL", "stranger#"), "1");
}

static void
a_note_from_a_clock_that_was_ahead_does_not_stay(void **state)
{
	(void)state;
	assert_string_equal(RUN("SET", "stranger#", "99999999999999"), "OK");
	assert_string_equal(SCRIPT(VAULT_STRANGER, "1", "stranger#", "60000", "15000"), "1");
	assert_true(atoll(RUN("GET", "stranger#")) < 99999999999999);
	assert_string_equal(RUN("DEL", "stranger#"), "1");
}

/* ----------------------------------------------------------------------- life */

static int
start(void **state)
{
	(void)state;
	redis_start(&redis, NULL);
	commands = redisConnect("127.0.0.1", redis.port);
	subscriber = redisConnect("127.0.0.1", redis.port);
	return commands == NULL || commands->err != 0 || subscriber == NULL || subscriber->err != 0;
}

static int
stop(void **state)
{
	(void)state;
	redisFree(commands);
	redisFree(subscriber);
	redis_stop(&redis);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_claim_whose_number_was_lost_does_not_overtake_a_later_one),
		cmocka_unit_test(a_claim_that_got_the_session_unawares_does_not_take_it_back),
		cmocka_unit_test(the_numbers_that_are_noted_have_a_maximum),
		cmocka_unit_test(a_session_that_is_claimed_too_often_goes_to_one_of_the_first_claims),
		cmocka_unit_test(after_a_failover_two_claims_with_one_number_do_not_take_the_session_in_turn),
		cmocka_unit_test(a_replay_waits_for_the_worker_that_holds_an_event_back),
		cmocka_unit_test(a_worker_that_has_replayed_nothing_holds_no_events_back),
		cmocka_unit_test(a_worker_that_has_replayed_may_hold_events_back),
		cmocka_unit_test(a_note_of_a_stranger_does_not_shorten_an_earlier_one),
		cmocka_unit_test(a_note_from_a_clock_that_was_ahead_does_not_stay),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
