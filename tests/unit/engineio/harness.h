/* An Engine.IO server, raw clients, and what tests assert about both. */
#ifndef TESTS_UNIT_ENGINEIO_HARNESS_H
#define TESTS_UNIT_ENGINEIO_HARNESS_H

#include "tests/unit/engineio/harness_client.h"

#define assert_closed(count, reason)                                                                                 \
	do {                                                                                                         \
		pump_until(sv.app.closed >= (count));                                                                \
		assert_int_equal(sv.app.closed, count);                                                              \
		assert_string_equal(eio_close_reason_text(sv.app.reasons[(count)-1]), reason);                       \
	} while (0)

/* The session is unknown to the server: a poll gets that answer. */
HELPER void
assert_unknown(const char *sid)
{
	struct client *c = client_new();

	client_poll(c, sid);
	assert_reply(c, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
	client_free(c);
}

HELPER void
send_text(struct eio_session *s, const char *text)
{
	struct eio_message *m = eio_message_text(text_from(text));

	eio_send(s, &m, 1);
	eio_message_unref(m);
}

#endif
