#include "node/engineio/eio_trace.h"

#include "common/io/conn.h"
#include "node/engineio/eio_handshake.h"
#include "node/http/http_client.h"

static bool
is_traced(const struct eio_session *s)
{
	struct log_subject about = {eio_sid(s), eio_handshake_address(s->handshake), TEXT_NONE};

	return log_filter_passes(&about);
}

void
eio_trace_opened(const struct eio_session *s)
{
	if (is_traced(s))
		log_event(LOG_DEBUG, "session_opened", "sid", LOG_TEXT(log_sid(eio_sid(s))), "address",
			LOG_TEXT(eio_handshake_address(s->handshake)), "transport", LOG_STR(s->transport->name),
			"revision", LOG_INT(s->revision), NULL);
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
	if (is_traced(s))
		log_event(LOG_DEBUG, "session_ended", "sid", LOG_TEXT(log_sid(eio_sid(s))), "reason",
			LOG_STR(eio_close_reason_text(eio_cause_reason((enum eio_cause)s->cause))), "cause",
			LOG_STR(eio_cause_text((enum eio_cause)s->cause)), "description", LOG_STR(s->description),
			NULL);
}
