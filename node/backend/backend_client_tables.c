#include "node/backend/backend_client_tables.h"

#include <stddef.h>

#include "node/socketio/sio_tables.h"

NAMES_DEFINE(backend_client_counters, NAMES_ATTACH, BACKEND_CLIENT_TABLE, BACKEND_CLIENT_END, &sio_counters, NULL);
