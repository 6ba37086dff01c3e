#include "node/process/process_tables.h"

#include <stddef.h>

#include "broker/broker_tables.h"
#include "node/engineio/eio_tables.h"
#include "node/socketio/sio_tables.h"

NAMES_DEFINE(process_reasons, NAMES_PROCESS, PROCESS_REASON_TABLE, PROCESS_REASON_END, &eio_reasons, &broker_reasons);
NAMES_DEFINE(process_counters, NAMES_PROCESS, PROCESS_COUNTER_TABLE, PROCESS_COUNTER_END, &sio_counters, NULL);
