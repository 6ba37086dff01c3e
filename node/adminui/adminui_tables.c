#include "node/adminui/adminui_tables.h"

#include <stddef.h>

NAMES_DEFINE(adminui_counters, NAMES_ADMINUI, ADMINUI_COUNTER_TABLE, ADMINUI_COUNTER_END, NULL, NULL);
