#include "broker/broker_trace.h"

#include "common/io/log_filter.h"

static void
trace(const char *line, const struct broker_nsp *n, enum bus_kind kind, struct text room, size_t bytes)
{
	static const char *const kinds[] = {
		[BUS_BROADCAST] = "broadcast",
		[BUS_REQUEST] = "request",
		[BUS_RESPONSE] = "response",
		[BUS_OWN_RESPONSE] = "response",
	};
	struct log_subject about = {.nsp = broker_nsp_name(n)};

	if (log_filter_passes(&about))
		log_event(LOG_DEBUG, line, "namespace", LOG_TEXT(about.nsp), "type", LOG_STR(kinds[kind]), "bytes",
			LOG_INT(bytes), room.n > 0 ? "room" : NULL, LOG_TEXT(room), NULL);
}

void
broker_trace_out(const struct broker_nsp *n, enum bus_kind kind, struct text room, size_t bytes)
{
	trace("bus_out", n, kind, room, bytes);
}

void
broker_trace_in(const struct broker_nsp *n, const struct bus_message *message)
{
	trace("bus_in", n, message->kind, message->room, message->payload.n);
}
