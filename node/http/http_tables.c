#include "node/http/http_tables.h"

#include <stddef.h>

#include "common/io/io_tables.h"

NAMES_DEFINE(http_reasons, NAMES_HTTP, HTTP_REASON_TABLE, HTTP_REASON_END, &io_reasons, NULL);
NAMES_DEFINE(http_counters, NAMES_HTTP, HTTP_COUNTER_TABLE, HTTP_COUNTER_END, &io_counters, NULL);
