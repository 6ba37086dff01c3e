#include "node/upstream/upstream_tables.h"

#include <stddef.h>

#include "node/http/http_tables.h"

NAMES_DEFINE(upstream_reasons, NAMES_UPSTREAM, UPSTREAM_REASON_TABLE, UPSTREAM_REASON_END, &http_reasons, NULL);
NAMES_DEFINE(upstream_counters, NAMES_UPSTREAM, UPSTREAM_COUNTER_TABLE, UPSTREAM_COUNTER_END, &http_counters, NULL);
