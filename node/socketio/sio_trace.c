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
wanted(const struct eio_session *session, struct text nsp)
{
	struct log_subject about;

	if (session == NULL)
		return false;
	about = (struct log_subject){eio_sid(session), eio_handshake_address(eio_session_handshake(session)), nsp};
	return log_filter_passes(&about);
}

static struct text
sid_of(const struct eio_session *session)
{
	return log_sid(eio_sid(session));
}

/* One line: the event's name and the id of the acknowledgement are there where the packet has them. */
static void
log_packet(const char *line, const struct eio_session *session, enum sio_packet_type type, struct text nsp,
	struct text name, const uint64_t *id, size_t bytes, unsigned attachments)
{
	struct text sid = sid_of(session);
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

/* The name of an event as it came: without its quotes, if it has some. */
static struct text
bare(struct text name)
{
	return name.n >= 2 && name.at[0] == '"' ? text_of(name.at + 1, name.n - 2) : name;
}

void
sio_trace_in(const struct eio_session *session, const struct sio_packet *p)
{
	bool event = p->type == SIO_EVENT || p->type == SIO_BINARY_EVENT;

	if (wanted(session, p->nsp))
		log_packet("packet_in", session, p->type, p->nsp, event ? bare(p->args[0]) : TEXT_NONE,
			p->has_id ? &p->id : NULL, p->data.n + attachments_bytes(p->blocks), p->attachments);
}

/* The first element of an event's arguments. */
static struct text
name_in(const struct sio_packet_out *p)
{
	struct text rest = p->json, name;

	if (p->type != SIO_EVENT || !json_array_next(&rest, &name))
		return TEXT_NONE;
	return bare(name);
}

void
sio_trace_out(const struct eio_session *session, const struct sio_packet_out *p, const struct sio_encoding *encoded)
{
	size_t bytes = 0;

	if (!wanted(session, p->nsp))
		return;
	for (unsigned i = 0; i < encoded->count; i++)
		bytes += encoded->messages[i]->block->len - encoded->messages[i]->packet_at;
	log_packet("packet_out", session, p->type, p->nsp, name_in(p), p->has_id ? &p->id : NULL, bytes,
		p->attachments != NULL ? p->attachments->count : 0);
}

/* Where the JSON of a packet begins, <type>[<attachments>-][<namespace>,][<ack id>] being before it. */
static size_t
head_length(struct text packet)
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

	if (!wanted(session, TEXT_NONE))
		return;
	sid = sid_of(session);
	if (!binary && (n == 0 || packet.at[0] < '0' || packet.at[0] > '6')) {
		snprintf(reason, sizeof reason, "decode error: position 0");
	} else if (!binary && (head = head_length(packet)) < n) {
		json = text_of(packet.at + head, n - head);
		if (json_check(json, JSON_DEPTH_MAX) < 0)
			snprintf(reason, sizeof reason, "decode error: position %zu",
				head + json_error_position(json, JSON_DEPTH_MAX));
	}
	log_event(LOG_DEBUG, "client_closed", "sid", LOG_TEXT(sid), "reason", LOG_STR(reason), "error", LOG_STR(why),
		"binary", LOG_STR(binary ? "yes" : "no"), "bytes", LOG_INT(n), NULL);
}

void
sio_trace_violation(const struct eio_session *session, const struct sio_packet *p)
{
	struct text sid;

	if (!wanted(session, p->nsp))
		return;
	sid = sid_of(session);
	log_event(LOG_DEBUG, "client_closed", "sid", LOG_TEXT(sid), "reason",
		LOG_STR(p->type == SIO_CONNECT	       ? "it is in this namespace already"
			: p->type == SIO_CONNECT_ERROR ? "a packet that only servers send"
						       : "it is not in this namespace"),
		"namespace", LOG_TEXT(p->nsp), "type", LOG_STR(types[p->type]), NULL);
}

void
sio_trace_refused(const struct eio_session *session, struct text nsp, const char *message)
{
	struct text sid;

	if (!wanted(session, nsp))
		return;
	sid = sid_of(session);
	log_event(LOG_DEBUG, "connect_refused", "sid", LOG_TEXT(sid), "namespace", LOG_TEXT(nsp), "message",
		LOG_STR(message), NULL);
}

void
sio_trace_left(const struct eio_session *session, struct text nsp, struct text id, unsigned reason)
{
	struct text sid;

	if (!wanted(session, nsp))
		return;
	sid = sid_of(session);
	log_event(LOG_DEBUG, "socket_left", "sid", LOG_TEXT(sid), "namespace", LOG_TEXT(nsp), "id", LOG_TEXT(id),
		"reason", LOG_STR(sio_reason_text(reason)), NULL);
}
