/* Debug log lines for messages between nodes. Callers check log_debug() first. */
#ifndef BROKER_BROKER_TRACE_H
#define BROKER_BROKER_TRACE_H

#include "broker/broker_internal.h"

void broker_trace_out(const struct broker_nsp *nsp, enum bus_kind kind, struct text room, size_t bytes);
void broker_trace_in(const struct broker_nsp *nsp, const struct bus_message *message);

#endif
