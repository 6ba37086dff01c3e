/*
 * From long-polling to WebSocket (Engine.IO protocol v4, "Upgrade"): probe, answer, polling pauses, "5".
 *
 *   probing   "3probe" came               pausing: no new poll, no new POST
 *   pausing   nothing is under way        "5" is sent, all goes by WebSocket
 *   any       the probe failed            the client fails
 *
 * A stock client would stay with polling after that, which is not what was to be measured.
 */
#include "tests/load/client_internal.h"
#include "tests/load/load_options.h"

void
client_upgrade_start(struct client *c)
{
	if (c->state == CLIENT_JOINING)
		client_ws_open(c, client_polling_sid(c));
}

void
client_upgrade_on_text(struct client *c, const uint8_t *bytes, size_t n)
{
	if (!text_is(text_of((const char *)bytes, n), TEXT("3probe"))) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "a probe answered by something else than 3probe");
		return;
	}
	client_polling_pause(c);
}

void
client_polling_paused(struct client *c)
{
	client_ws_send(c, WS_TEXT, TEXT("5"), TEXT_NONE);
	c->over_ws = true;
	client_polling_move(c);
	client_check_joined(c);
}

void
client_upgrade_failed(struct client *c, const char *why)
{
	client_fail(c, LOAD_ERROR_HTTP, why);
}
