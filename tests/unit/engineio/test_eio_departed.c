/* POSTs that were under way when the server closed their session. */
#include "tests/unit/engineio/polling_pair.h"

#include "node/engineio/eio_departed.h"
#include "tests/unit/engineio/fake_clock.h"

#define UNKNOWN "{\"code\":1,\"message\":\"Session ID unknown\"}"

/* A client that polls has its session closed by the server; its poll gets the close packet. */
static struct pair
closed_pair(bool discard)
{
	struct pair p = pair_open();

	client_poll(p.get, p.sid);
	pump_settle();
	eio_close(sv.app.last, discard);
	assert_reply(p.get, 200, "1");
	pump_settle();
	assert_int_equal(eio_count(sv.engine), 0);
	return p;
}

static void
test_post_after_the_close(void **state)
{
	(void)state;
	server_start("corsOrigin", "https://a.example", NULL);
	assert_false(eio_awaits_posts(sv.engine));
	for (unsigned i = 0; i < 2; i++) {
		struct pair p = closed_pair(i == 1);

		client_post(p.post, p.sid, "4never");
		assert_reply(p.post, 200, "ok");
		assert_true(client_has(p.post, "Content-Type: text/html"));
		assert_true(client_has(p.post, "Access-Control-Allow-Origin: https://a.example"));
		assert_unknown(p.sid);
		clock_advance(EIO_DEPARTED_MS - 1);
		assert_true(eio_awaits_posts(sv.engine));
		client_post(p.post, p.sid, "not a packet");
		assert_reply(p.post, 200, "ok");
		clock_advance(1);
		assert_false(eio_awaits_posts(sv.engine));
		client_post(p.post, p.sid, "4never");
		assert_reply(p.post, 400, UNKNOWN);
		pair_close(&p);
	}
	assert_string_equal(sv.app.log, "");
	server_stop();
}

/* The client fetches the close packet only after the close, because no poll waited. */
static void
test_poll_after_the_close(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	eio_close(sv.app.last, false);
	pump_settle();
	client_poll(p.get, p.sid);
	assert_reply(p.get, 200,
		"6\x1e"
		"1");
	client_post(p.post, p.sid, "4never");
	assert_reply(p.post, 200, "ok");
	assert_string_equal(sv.app.log, "");
	pair_close(&p);
	server_stop();
}

/* Sessions that ended in another way are unknown at once. */
static void
test_other_ends(void **state)
{
	struct pair p;

	(void)state;
	server_start(NULL);
	p = pair_open();
	client_post(p.post, p.sid,
		"4x\x1e"
		"1");
	assert_reply(p.post, 200, "ok");
	client_post(p.post, p.sid, "4never");
	assert_reply(p.post, 400, UNKNOWN);
	client_handshake(p.get, p.sid);
	client_post(p.post, p.sid, "x");
	assert_reply(p.post, 400, "");
	client_post(p.post, p.sid, "4never");
	assert_reply(p.post, 400, UNKNOWN);
	assert_false(eio_awaits_posts(sv.engine));
	assert_string_equal(sv.app.log, "t:x");
	pair_close(&p);
	server_stop();
}

/* However many sessions depart, the memory is the same, and the last one is known. */
static void
test_many(void **state)
{
	struct eio_departed departed = {0};
	char sid[EIO_SID_LENGTH + 1];
	unsigned known = 0;

	(void)state;
	assert_false(eio_departed_has(&departed, TEXT("AAAAAAAAAAAAAAAAAAAA"), 0));
	for (unsigned i = 0; i < 8 * EIO_DEPARTED_MAX; i++) {
		snprintf(sid, sizeof(sid), "%020u", i);
		eio_departed_add(&departed, text_from(sid), 1000);
		assert_true(eio_departed_has(&departed, text_from(sid), 1000));
	}
	for (unsigned i = 0; i < 8 * EIO_DEPARTED_MAX; i++) {
		snprintf(sid, sizeof(sid), "%020u", i);
		known += eio_departed_has(&departed, text_from(sid), 1000 + EIO_DEPARTED_MS - 1);
	}
	assert_in_range(known, EIO_DEPARTED_MAX / 2, EIO_DEPARTED_MAX);
	assert_false(eio_departed_has(&departed, text_from(sid), 1000 + EIO_DEPARTED_MS));
	assert_false(eio_departed_has(&departed, TEXT("0"), 1000));
	eio_departed_fini(&departed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_post_after_the_close),
		cmocka_unit_test(test_poll_after_the_close),
		cmocka_unit_test(test_other_ends),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
