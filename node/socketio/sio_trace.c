#include "node/socketio/sio_trace.h"

#include <stdio.h>

#include "common/base/json.h"
#include "common/io/log_filter.h"
#include "node/engineio/eio_handshake.h"
#include "node/socketio/sio_reason.h"

static const char *const types[] = {
	[SIO_CONNECT] = "connect",
	[SIO_DISCONNECT] = "disconnect",
	[SIO_EVENT] = "event",
	[SIO_ACK] = "ack",
	[SIO_CONNECT_ERROR] = "connect_error",
	[SIO_BINARY_EVENT] = "event",
	[SIO_BINARY_ACK] = "ack",
};

static bool
trace_wanted(const struct eio_session *session, struct text nsp)
{
	struct log_subject about;

	if (session == NULL)
		return false;
	about = (struct log_subject){eio_sid(session), eio_handshake_address(eio_session_handshake(session)), nsp};
	return log_filter_passes(&about);
}

static struct text
trace_sid(const struct eio_session *session)
{
	return log_sid(eio_sid(session));
}

/* Writes one line, with the event's name and the acknowledgement's id if the packet has them. */
static void
trace_log_packet(const char *line, const struct eio_session *session, enum sio_packet_type type, struct text nsp,
	struct text name, const uint64_t *id, size_t bytes, unsigned attachments)
{
	struct text sid = trace_sid(session);
	const char *key[3] = {NULL, NULL, NULL};
	struct log_value value[3];
	unsigned n = 0;

	if (name.n > 0) {
		key[n] = "name";
		value[n++] = *LOG_TEXT(name);
	}
	if (id != NULL) {
		key[n] = "id";
		value[n++] = *LOG_INT(*id);
	}
	log_event(LOG_DEBUG, line, "sid", LOG_TEXT(sid), "namespace", LOG_TEXT(nsp), "type", LOG_STR(types[type]),
		"bytes", LOG_INT(bytes), "attachments", LOG_INT(attachments), key[0], &value[0], key[1], &value[1],
		key[2], &value[2], NULL);
}

/* Removes the quotes from the name of an event. A name that is a number has no quotes. */
static struct text
without_quotes(struct text name)
{
	return name.n >= 2 && name.at[0] == '"' ? text_of(name.at + 1, name.n - 2) : name;
}

static struct text
trace_name_in(const struct sio_packet *packet)
{
	return packet->values.at != NULL ? packet->name : without_quotes(packet->args[0]);
}

void
sio_trace_in(const struct eio_session *session, const struct sio_packet *packet)
{
	bool event = packet->type == SIO_EVENT || packet->type == SIO_BINARY_EVENT;

	if (trace_wanted(session, packet->nsp))
		trace_log_packet("packet_in", session, packet->type, packet->nsp,
			event ? trace_name_in(packet) : TEXT_NONE, packet->has_id ? &packet->id : NULL,
			packet->values.at != NULL ? packet->values.n
						  : packet->data.n + attachments_bytes(packet->blocks),
			packet->attachments);
}

/* Returns the first element of an event's array. */
static struct text
event_name_of(const struct sio_packet_out *packet)
{
	struct text rest = packet->json, name;

	if (packet->late != NULL)
		return packet->late->name;
	if (packet->type != SIO_EVENT || !json_array_next(&rest, &name))
		return TEXT_NONE;
	return without_quotes(name);
}

void
sio_trace_out(
	const struct eio_session *session, const struct sio_packet_out *packet, const struct sio_encoding *encoded)
{
	size_t bytes = 0;

	if (!trace_wanted(session, packet->nsp))
		return;
	for (int i = 0; i < encoded->count; i++)
		bytes += encoded->messages[i]->frame.block->len - encoded->messages[i]->frame.payload_at;
	trace_log_packet("packet_out", session, packet->type, packet->nsp, event_name_of(packet),
		packet->has_id ? &packet->id : NULL, bytes,
		packet->late != NULL	      ? packet->late->values.bins
		: packet->attachments != NULL ? packet->attachments->count
					      : 0);
}

/* Returns the length of <type>[<attachments>-][<namespace>,][<ack id>], after which the JSON of a packet begins. */
static size_t
trace_head_length(struct text packet)
{
	size_t at = 1, before = at;

	while (at < packet.n && packet.at[at] >= '0' && packet.at[at] <= '9')
		at++;
	at = at < packet.n && packet.at[at] == '-' ? at + 1 : before;
	if (at < packet.n && packet.at[at] == '/') {
		const char *comma = memchr(packet.at + at, ',', packet.n - at);

		at = comma != NULL ? (size_t)(comma - packet.at) + 1 : packet.n;
	}
	while (at < packet.n && packet.at[at] >= '0' && packet.at[at] <= '9')
		at++;
	return at;
}

void
sio_trace_undecodable(const struct eio_session *session, const char *why, bool binary, const uint8_t *data, size_t n)
{
	struct text packet = text_of((const char *)data, n), json, sid;
	char reason[64] = "decode error";
	size_t head;

	if (!trace_wanted(session, TEXT_NONE))
		return;
	sid = trace_sid(session);
	if (!binary && (n == 0 || packet.at[0] < '0' || packet.at[0] > '6')) {
		snprintf(reason, sizeof reason, "decode error: position 0");
	} else if (!binary && (head = trace_head_length(packet)) < n) {
		json = text_of(packet.at + head, n - head);
		if (json_check(json, JSON_DEPTH_MAX) < 0)
			snprintf(reason, sizeof reason, "decode error: position %zu",
				head + json_error_position(json, JSON_DEPTH_MAX));
	}
	log_event(LOG_DEBUG, "client_closed", "sid", LOG_TEXT(sid), "reason", LOG_STR(reason), "error", LOG_STR(why),
		"binary", LOG_STR(binary ? "yes" : "no"), "bytes", LOG_INT(n), NULL);
}

void
sio_trace_violation(const struct eio_session *session, const struct sio_packet *packet)
{
	struct text sid;

	if (!trace_wanted(session, packet->nsp))
		return;
	sid = trace_sid(session);
	log_event(LOG_DEBUG, "client_closed", "sid", LOG_TEXT(sid), "reason",
		LOG_STR(packet->type == SIO_CONNECT	    ? "already in this namespace"
			: packet->type == SIO_CONNECT_ERROR ? "a packet type that only servers send"
							    : "not in this namespace"),
		"namespace", LOG_TEXT(packet->nsp), "type", LOG_STR(types[packet->type]), NULL);
}

void
sio_trace_refused(const struct eio_session *session, struct text nsp, const char *message)
{
	struct text sid;

	if (!trace_wanted(session, nsp))
		return;
	sid = trace_sid(session);
	log_event(LOG_DEBUG, "connect_refused", "sid", LOG_TEXT(sid), "namespace", LOG_TEXT(nsp), "message",
		LOG_STR(message), NULL);
}

void
sio_trace_left(const struct eio_session *session, struct text nsp, struct text id, unsigned reason)
{
	struct text sid;

	if (!trace_wanted(session, nsp))
		return;
	sid = trace_sid(session);
	log_event(LOG_DEBUG, "socket_left", "sid", LOG_TEXT(sid), "namespace", LOG_TEXT(nsp), "id", LOG_TEXT(id),
		"reason", LOG_STR(sio_reason_text(reason)), NULL);
}
