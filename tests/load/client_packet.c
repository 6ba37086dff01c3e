/*
 * Parses the Socket.IO packets that a client receives (protocol v5, "Packet encoding"). It parses only what the
 * tester needs, because a run receives millions of packets.
 */
#include <string.h>

#include "tests/load/client_internal.h"

#define ATTACHMENTS_MAX 10
#define ID_MAX ((UINT64_C(1) << 53) - 1)

/* Reads decimal digits at *at. False if there are no digits or the number exceeds `max`. */
static bool
cut_digits(const uint8_t **at, const uint8_t *end, uint64_t max, uint64_t *value)
{
	const uint8_t *begin = *at;

	for (*value = 0; *at < end && **at >= '0' && **at <= '9' && *value <= max; (*at)++)
		*value = *value * 10 + (uint64_t)(**at - '0');
	return *at > begin && *value <= max;
}

/* Skips "/name,". False if it is not the client's namespace. */
static bool
skip_own_nsp(const struct client *c, const uint8_t **at, const uint8_t *end)
{
	const char *nsp = c->target->nsp;
	size_t n = strlen(nsp), left = (size_t)(end - *at);

	if (left == 0 || **at != '/')
		return n == 1;
	if (left < n || memcmp(*at, nsp, n) != 0 || (left > n && (*at)[n] != ','))
		return false;
	*at += left > n ? n + 1 : n;
	return true;
}

static void
client_on_connect(struct client *c, struct text object)
{
	if (c->connected) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "CONNECT answered twice");
		return;
	}
	if (!client_recovery_connected(c, object))
		return;
	c->connected = true;
	client_check_joined(c);
}

/*
 * Events that arrive during the upgrade of a new client do not count. A recovered client must receive every event, so
 * all of its events count.
 */
static bool
client_hears(const struct client *c)
{
	return c->state == CLIENT_JOINED || c->recovered;
}

/* An event or acknowledgement arrived. It is reported now, or when its first attachment has arrived. */
static void
client_on_event(struct client *c, bool ack, uint64_t id, uint64_t attachments, const uint8_t *at, size_t n)
{
	if (!c->connected && (ack || !client_recovery_missed(c))) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "an event before CONNECT was answered");
		return;
	}
	c->ack_pending = ack;
	c->ack_id = id;
	c->attachments = (uint8_t)attachments;
	if (attachments > 0)
		return;
	client_recovery_received(c);
	if (!client_hears(c))
		return;
	if (ack)
		c->setup->ops->ack(c, id, at, n);
	else
		c->setup->ops->event(c, at, n);
}

void
client_on_message(struct client *c, uint8_t *bytes, size_t n)
{
	const uint8_t *at = bytes, *end = bytes + n;
	uint64_t attachments = 0, id = 0;
	bool has_id;
	uint8_t type;

	if (n == 0 || c->attachments > 0) {
		client_fail(c, LOAD_ERROR_PROTOCOL, n ? "a packet instead of an attachment" : "an empty packet");
		return;
	}
	type = *at++;
	if ((type == '5' || type == '6') && (!cut_digits(&at, end, ATTACHMENTS_MAX, &attachments) ||
						    attachments == 0 || at == end || *at++ != '-')) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "a binary packet with an invalid number of attachments");
		return;
	}
	if (!skip_own_nsp(c, &at, end)) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "a packet of another namespace");
		return;
	}
	has_id = cut_digits(&at, end, ID_MAX, &id);
	switch (type) {
	case '0':
		client_on_connect(c, text_of((const char *)at, (size_t)(end - at)));
		break;
	case '1':
		client_fail(c, LOAD_ERROR_CLOSED, "the server disconnected the client");
		break;
	case '2':
	case '5':
		if (!has_id) /* an event that wants an acknowledgement has no offset */
			client_recovery_offset(c, at, (size_t)(end - at));
		client_on_event(c, false, 0, attachments, at, (size_t)(end - at));
		break;
	case '3':
	case '6':
		if (has_id) {
			client_on_event(c, true, id, attachments, at, (size_t)(end - at));
			break;
		}
		client_fail(c, LOAD_ERROR_PROTOCOL, "an acknowledgement without an id");
		break;
	case '4':
		client_fail_format(c, LOAD_ERROR_REJECTED, "connect_error %.*s", (int)(end - at > 70 ? 70 : end - at),
			(const char *)at);
		break;
	default:
		client_fail(c, LOAD_ERROR_PROTOCOL, "a Socket.IO packet of unknown type");
	}
}

void
client_on_attachment(struct client *c, uint8_t *bytes, size_t n)
{
	bool told = c->ack_pending;

	if (c->attachments == 0) {
		client_fail(c, LOAD_ERROR_PROTOCOL, "a binary message that no packet announced");
		return;
	}
	/* the first attachment carries the message */
	if (client_hears(c) && !c->attachment_seen) {
		if (told)
			c->setup->ops->ack(c, c->ack_id, bytes, n);
		else
			c->setup->ops->event(c, bytes, n);
	}
	if (--c->attachments == 0)
		client_recovery_received(c);
	c->attachment_seen = c->attachments > 0;
}
