#include "node/socketio/sio_tables.h"

#include <stddef.h>

#include "node/engineio/eio_tables.h"

NAMES_DEFINE(sio_counters, NAMES_SIO, SIO_COUNTER_TABLE, SIO_COUNTER_END, &eio_counters, NULL);
