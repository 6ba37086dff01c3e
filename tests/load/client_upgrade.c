/*
 * The upgrade from long-polling to WebSocket (Engine.IO protocol v4, "Upgrade"): the probe and its answer, a pause of
 * polling, then "5".
 *
 *   probing   "3probe" arrives            pausing: no new poll, no new POST
 *   pausing   nothing is under way        "5" is sent, all packets go by WebSocket
 *   any       the probe fails             the client fails
 *
 * A stock client would go on with polling after a failed probe, but that is not what the run measures.
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
		client_fail(c, LOAD_ERROR_PROTOCOL, "a probe answered by something other than 3probe");
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
