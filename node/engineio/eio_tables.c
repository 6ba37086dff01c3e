#include "node/engineio/eio_tables.h"

#include <stddef.h>

#include "node/ws/ws_tables.h"

NAMES_DEFINE(eio_reasons, NAMES_EIO, EIO_REASON_TABLE, EIO_REASON_END, &ws_reasons, NULL);
NAMES_DEFINE(eio_counters, NAMES_EIO, EIO_COUNTER_TABLE, EIO_COUNTER_END, &ws_counters, NULL);
