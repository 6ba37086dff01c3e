#include "node/engineio/eio_trace.h"

#include "common/io/conn.h"
#include "node/engineio/eio_handshake.h"
#include "node/engineio/eio_tables.h"
#include "node/http/http_client.h"

static bool
is_traced(const struct eio_session *s)
{
	struct log_subject about = {eio_sid(s), eio_handshake_address(s->handshake), TEXT_NONE};

	return log_filter_passes(&about);
}

#define TRACEPARENT_LENGTH 55 /* of version 00; later versions may append to it */
#define TRACE_ID_AT 3
#define TRACE_ID_LENGTH 32
#define AGENT_MAX 120 /* bytes of User-Agent that are logged */

/* Returns true for lower-case hexadecimal digits that are not all 0. */
static bool
is_trace_hex(struct text hex)
{
	bool zero = true;

	for (size_t i = 0; i < hex.n; i++) {
		char c = hex.at[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		zero = zero && c == '0';
	}
	return !zero;
}

/* version "-" trace-id "-" parent-id "-" flags */
struct text
eio_trace_id(const struct eio_handshake *handshake)
{
	struct text field = eio_handshake_header_get(handshake, "traceparent"), id;
	const char *at = field.at;

	if (field.n < TRACEPARENT_LENGTH || at[2] != '-' || at[35] != '-' || at[52] != '-' ||
		text_starts(field, TEXT("ff")))
		return TEXT_NONE;
	if (field.n > TRACEPARENT_LENGTH && (text_starts(field, TEXT("00")) || at[TRACEPARENT_LENGTH] != '-'))
		return TEXT_NONE;
	id = text_of(at + TRACE_ID_AT, TRACE_ID_LENGTH);
	return is_trace_hex(id) && is_trace_hex(text_of(at + 36, 16)) ? id : TEXT_NONE;
}

/* The last pair of a line. */
#define TRACE_PAIR(id) ((id).n > 0 ? "trace" : NULL), LOG_TEXT(id), NULL

void
eio_trace_sample(struct eio_session *s)
{
	const struct eio_handshake *handshake = s->handshake;
	uint64_t opened = s->all->loop->counters.value[COUNT_EIO_OPENED];
	struct text agent = eio_handshake_header_get(handshake, "user-agent"), id = eio_trace_id(handshake);

	if (opened % s->all->options->log_connections != 0)
		return;
	s->sampled = true;
	agent.n = agent.n < AGENT_MAX ? agent.n : AGENT_MAX;
	log_event(LOG_INFO, "client_came", "sid", LOG_TEXT(log_sid(eio_sid(s))), "address",
		LOG_TEXT(eio_handshake_address(handshake)), "transport", LOG_STR(s->transport->name), "revision",
		LOG_INT(s->revision), "agent", LOG_TEXT(agent), TRACE_PAIR(id));
}

void
eio_trace_client_left(const struct eio_session *s)
{
	uint64_t now = loop_wall_ms(), issued = s->handshake->issued;
	struct text id = eio_trace_id(s->handshake);

	log_event(LOG_INFO, "client_left", "sid", LOG_TEXT(log_sid(eio_sid(s))), "address",
		LOG_TEXT(eio_handshake_address(s->handshake)), "transport", LOG_STR(s->transport->name), "ms",
		LOG_INT(now > issued ? now - issued : 0), "reason",
		LOG_STR(eio_close_reason_text(eio_cause_reason((enum eio_cause)s->cause))), "cause",
		LOG_STR(eio_cause_text((enum eio_cause)s->cause)), TRACE_PAIR(id));
}

void
eio_trace_opened(const struct eio_session *s)
{
	struct text id = eio_trace_id(s->handshake);

	if (is_traced(s))
		log_event(LOG_DEBUG, "session_opened", "sid", LOG_TEXT(log_sid(eio_sid(s))), "address",
			LOG_TEXT(eio_handshake_address(s->handshake)), "transport", LOG_STR(s->transport->name),
			"revision", LOG_INT(s->revision), TRACE_PAIR(id));
}

void
eio_trace_refused(const struct http_request *r, const char *cause, const char *message)
{
	char room[CONN_ADDRESS_MAX];
	struct log_subject about = {.address = http_client_address(r, room)};

	if (log_filter_passes(&about))
		log_event(LOG_DEBUG, "request_refused", "address", LOG_TEXT(about.address), "path", LOG_TEXT(r->path),
			"cause", LOG_STR(cause), "message", LOG_STR(message), NULL);
}

void
eio_trace_probe(const struct eio_session *s)
{
	if (is_traced(s))
		log_event(LOG_DEBUG, "upgrade_begun", "sid", LOG_TEXT(log_sid(eio_sid(s))), NULL);
}

void
eio_trace_upgraded(const struct eio_session *s)
{
	if (is_traced(s))
		log_event(LOG_DEBUG, "upgraded", "sid", LOG_TEXT(log_sid(eio_sid(s))), "transport",
			LOG_STR(s->transport->name), NULL);
}

void
eio_trace_unused(const struct eio_session *s, unsigned reason)
{
	if (is_traced(s))
		log_event(LOG_DEBUG, "upgrade_failed", "sid", LOG_TEXT(log_sid(eio_sid(s))), "reason",
			LOG_STR(names_word(&eio_reasons, reason)), NULL);
}

void
eio_trace_ended(const struct eio_session *s)
{
	struct text id = eio_trace_id(s->handshake);

	if (is_traced(s))
		log_event(LOG_DEBUG, "session_ended", "sid", LOG_TEXT(log_sid(eio_sid(s))), "reason",
			LOG_STR(eio_close_reason_text(eio_cause_reason((enum eio_cause)s->cause))), "cause",
			LOG_STR(eio_cause_text((enum eio_cause)s->cause)), "description", LOG_STR(s->description),
			TRACE_PAIR(id));
}
