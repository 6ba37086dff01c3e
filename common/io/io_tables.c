#include "common/io/io_tables.h"

#include <stddef.h>

NAMES_DEFINE(io_reasons, NAMES_IO, IO_REASON_TABLE, IO_REASON_END, NULL, NULL);
NAMES_DEFINE(io_counters, NAMES_IO, IO_COUNTER_TABLE, IO_COUNTER_END, NULL, NULL);
