#include "broker/broker_trace.h"

#include "common/io/log_filter.h"

static void
trace_message(const char *line, const struct broker_nsp *nsp, enum bus_kind kind, struct text room, size_t bytes)
{
	static const char *const kinds[] = {
		[BUS_BROADCAST] = "broadcast",
		[BUS_REQUEST] = "request",
		[BUS_RESPONSE] = "response",
		[BUS_OWN_RESPONSE] = "response",
	};
	struct log_subject about = {.nsp = broker_nsp_name(nsp)};

	if (log_filter_passes(&about))
		log_event(LOG_DEBUG, line, "namespace", LOG_TEXT(about.nsp), "type", LOG_STR(kinds[kind]), "bytes",
			LOG_INT(bytes), room.n > 0 ? "room" : NULL, LOG_TEXT(room), NULL);
}

void
broker_trace_out(const struct broker_nsp *nsp, enum bus_kind kind, struct text room, size_t bytes)
{
	trace_message("bus_out", nsp, kind, room, bytes);
}

void
broker_trace_in(const struct broker_nsp *nsp, const struct bus_message *message)
{
	trace_message("bus_in", nsp, message->kind, message->room, message->payload.n);
}
