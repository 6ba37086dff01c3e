/* Sessions whose output is held back for a while, on both transports. */
#include "harness.h"

static struct eio_session *wanted;

static void
begin(const char *max_buffered)
{
	server_start("pingInterval", "100000", "maxBuffered", max_buffered, NULL);
}

static struct client *
ws_open(void)
{
	struct client *c = client_new();

	client_ws(c, "EIO=4&transport=websocket");
	assert_int_equal(ws_in(c), 1);
	wanted = sv.app.last;
	return c;
}

static struct client *
polling_open(char sid[EIO_SID_LENGTH + 1])
{
	struct client *c = client_new();

	client_handshake(c, sid);
	wanted = sv.app.last;
	return c;
}

static void
test_websocket(void **state)
{
	struct client *c;

	(void)state;
	begin("1m");
	c = ws_open();
	for (int i = 0; i < 2; i++) {
		send_text(wanted, "before"); /* in the same turn */
		eio_cork(wanted);
		send_text(wanted, "a");
		client_silent(c);
		send_text(wanted, "b");
		assert_false(eio_writable(wanted));
		ws_out(c, "4up"); /* input goes on */
		pump_until(strstr(sv.app.log, "up") != NULL);
		client_silent(c);
		eio_uncork(wanted);
		assert_text(c, "4before");
		assert_text(c, "4a");
		assert_text(c, "4b");
		assert_text(c, "4up");
		sv.app.log[0] = '\0';
	}
	eio_uncork(wanted);
	client_free(c);
	server_stop();
}

static void
test_polling(void **state)
{
	char sid[EIO_SID_LENGTH + 1];
	struct client *c;

	(void)state;
	begin("1m");
	c = polling_open(sid);
	client_poll(c, sid);
	pump_settle();
	send_text(wanted, "a");
	eio_cork(wanted);
	client_silent(c);
	send_text(wanted, "b");
	client_silent(c);
	eio_uncork(wanted);
	assert_reply(c, 200,
		"4a\x1e"
		"4b");
	/* the poll that comes while something is held back waits, too */
	eio_cork(wanted);
	send_text(wanted, "c");
	client_poll(c, sid);
	client_silent(c);
	eio_uncork(wanted);
	assert_reply(c, 200, "4c");
	client_free(c);
	server_stop();
}

/* The hold belongs to the session: it continues across an upgrade. */
static void
test_upgraded_while_corked(void **state)
{
	char sid[EIO_SID_LENGTH + 1];
	struct client *c, *d;

	(void)state;
	begin("1m");
	c = polling_open(sid);
	d = client_new();
	client_ws_upgrade(d, sid);
	ws_out(d, "2probe");
	assert_text(d, "3probe");
	eio_cork(wanted);
	send_text(wanted, "a");
	ws_out(d, "5");
	pump_until(strcmp(eio_transport(wanted), "websocket") == 0);
	send_text(wanted, "b");
	client_silent(d);
	eio_uncork(wanted);
	assert_text(d, "4a");
	assert_text(d, "4b");
	client_free(c);
	client_free(d);
	server_stop();
}

/* Output that was held back leaves before the end. */
static void
test_closed_while_corked(void **state)
{
	char sid[EIO_SID_LENGTH + 1];
	struct client *c;

	(void)state;
	begin("1m");
	c = ws_open();
	eio_cork(wanted);
	send_text(wanted, "a");
	eio_close(wanted, false);
	assert_text(c, "4a");
	client_free(c);
	c = polling_open(sid);
	client_poll(c, sid);
	pump_settle();
	eio_cork(wanted);
	send_text(wanted, "a");
	eio_close(wanted, false);
	assert_reply(c, 200, "4a");
	client_free(c);
	server_stop();
}

static void
test_too_much_is_sent(void **state)
{
	char sid[EIO_SID_LENGTH + 1], text[3001];
	struct client *c;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	begin("10k");
	c = ws_open();
	eio_cork(wanted);
	send_text(wanted, "a");
	client_silent(c);
	send_text(wanted, text);
	assert_text(c, "4a");
	assert_true(eio_is_open(wanted));
	client_free(c);
	c = polling_open(sid);
	client_poll(c, sid);
	pump_settle();
	eio_cork(wanted);
	send_text(wanted, "a");
	client_silent(c);
	send_text(wanted, text);
	client_reply(c);
	assert_int_equal(c->body_len, 2 + 1 + 1 + 3000);
	assert_true(eio_is_open(wanted));
	client_free(c);
	server_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_polling),
		cmocka_unit_test(test_upgraded_while_corked),
		cmocka_unit_test(test_closed_while_corked),
		cmocka_unit_test(test_too_much_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
