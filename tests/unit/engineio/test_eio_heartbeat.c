/* The heartbeat on both transports, with intervals of some tens of milliseconds. */
#include "harness.h"

/*
 * Each time is taken before the event that starts a timer, so a delay of this process cannot make an interval look
 * too short.
 */
#define CLOCK_STEP 1 /* the two clocks may be on different sides of a millisecond */
#define INTERVAL (60 - CLOCK_STEP)

static struct client *
ws_open(void)
{
	struct client *c = client_new();

	client_ws(c, "EIO=4&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	return c;
}

static void
test_polling(void **state)
{
	struct client *c, *d;
	char sid[EIO_SID_LENGTH + 1];
	uint64_t begun;

	(void)state;
	server_start("pingInterval", "60", "pingTimeout", "20000", NULL);
	c = client_new();
	d = client_new();
	begun = clock_ms();
	client_handshake(c, sid);
	for (int i = 0; i < 3; i++) {
		client_poll(c, sid);
		assert_reply(c, 200, "2");
		assert_in_range(clock_ms() - begun, INTERVAL, 20000);
		begun = clock_ms();
		client_post(d, sid, "3");
		assert_reply(d, 200, "ok");
	}
	assert_int_equal(sv.app.closed, 0);
	client_free(c);
	client_free(d);
	server_stop();
}

/* The deadline runs with and without a waiting poll. */
static void
test_polling_timeout(void **state)
{
	struct client *c;
	char sid[EIO_SID_LENGTH + 1];
	uint64_t begun;

	(void)state;
	server_start("pingInterval", "60", "pingTimeout", "300", NULL);
	c = client_new();
	begun = clock_ms();
	client_handshake(c, sid);
	assert_closed(1, "ping timeout");
	assert_in_range(clock_ms() - begun, INTERVAL + 300, PATIENCE_MS);
	assert_unknown(sid);
	client_handshake(c, sid);
	client_poll(c, sid);
	assert_reply(c, 200, "2");
	client_poll(c, sid);
	assert_reply(c, 200, "1");
	assert_closed(2, "ping timeout");
	client_free(c);
	server_stop();
}

static void
test_websocket(void **state)
{
	struct client *c;
	uint64_t begun;

	(void)state;
	server_start("pingInterval", "60", "pingTimeout", "2000", NULL);
	begun = clock_ms();
	c = ws_open();
	for (int i = 0; i < 3; i++) {
		assert_text(c, "2");
		assert_in_range(clock_ms() - begun, INTERVAL, PATIENCE_MS);
		begun = clock_ms();
		ws_out(c, "3");
	}
	assert_text(c, "2");
	assert_ws_closed(c);
	assert_closed(1, "ping timeout");
	client_free(c);
	server_stop();
}

/* An unsolicited pong restarts the interval, and a flood of them has no other effect (CVE-2026-48802). */
static void
test_unasked_pong(void **state)
{
	struct client *c;
	uint64_t begun, took;
	unsigned paused = 0;

	(void)state;
	server_start("pingInterval", "300", "pingTimeout", "2000", NULL);
	c = ws_open();
	/* If the machine pauses this process, the ping is due before the server reads the pongs. Then the test begins
	 * anew. */
	do {
		pump_for(150);
		begun = clock_ms();
		for (int i = 0; i < 1000; i++)
			ws_out(c, "3");
		assert_text(c, "2");
		took = clock_ms() - begun;
	} while (took < 300 - CLOCK_STEP && ++paused < 20);
	assert_in_range(took, 300 - CLOCK_STEP, 20000);
	assert_int_equal(c->n, 0);
	assert_int_equal(sv.app.closed, 0);
	client_free(c);
	server_stop();
}

/* The first other packet after a ping extends the deadline by pingTimeout; further packets do not. */
static void
test_extension(void **state)
{
	struct client *c;
	uint64_t begun, second, end;

	(void)state;
	server_start("pingInterval", "60", "pingTimeout", "2000", NULL);
	sv.app.echo = false;
	begun = clock_ms();
	c = ws_open();
	assert_text(c, "2");
	pump_for(1200);
	ws_out(c, "4a");
	pump_for(1200);
	assert_int_equal(sv.app.closed, 0); /* 2,400 ms after the ping */
	ws_out(c, "4b");
	second = clock_ms();
	assert_closed(1, "ping timeout");
	end = clock_ms();
	assert_in_range(end - begun, INTERVAL + 1200 + 2000, PATIENCE_MS);
	assert_true(end - second < 2000); /* with a second extension it would be at least 2,000 */
	client_free(c);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_polling),
		cmocka_unit_test(test_polling_timeout),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_unasked_pong),
		cmocka_unit_test(test_extension),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
