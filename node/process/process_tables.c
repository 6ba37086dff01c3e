#include "node/process/process_tables.h"

#include <stddef.h>

#include "broker/broker_tables.h"
#include "node/adminui/adminui_tables.h"
#include "node/backend/backend_tables.h"
#include "node/engineio/eio_tables.h"
#include "node/upstream/upstream_tables.h"

/* This table has no rows; it joins the engine's reasons and the upstream's. */
static const struct names served_reasons = {NAMES_PROCESS, 0, NULL, &eio_reasons, &upstream_reasons};

NAMES_DEFINE(
	process_reasons, NAMES_PROCESS, PROCESS_REASON_TABLE, PROCESS_REASON_END, &served_reasons, &broker_reasons);
/* This table has no rows either; it joins the backends' counters and the admin UI's. */
static const struct names served_counters = {NAMES_PROCESS, 0, NULL, &backend_counters, &adminui_counters};

NAMES_DEFINE(process_counters, NAMES_PROCESS, PROCESS_COUNTER_TABLE, PROCESS_COUNTER_END, &served_counters,
	&upstream_counters);
