#include "broker/broker_tables.h"

#include <stddef.h>

#include "common/io/io_tables.h"

NAMES_DEFINE(broker_reasons, NAMES_BROKER, BROKER_REASON_TABLE, BROKER_REASON_END, &io_reasons, NULL);
