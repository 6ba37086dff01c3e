#include "node/ws/ws_tables.h"

#include <stddef.h>

#include "node/http/http_tables.h"

NAMES_DEFINE(ws_reasons, NAMES_WS, WS_REASON_TABLE, WS_REASON_END, &http_reasons, NULL);
NAMES_DEFINE(ws_counters, NAMES_WS, WS_COUNTER_TABLE, WS_COUNTER_END, &http_counters, NULL);
