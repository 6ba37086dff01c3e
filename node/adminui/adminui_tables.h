/* The counters of this layer (names.h). */
#ifndef NODE_ADMINUI_ADMINUI_TABLES_H
#define NODE_ADMINUI_ADMINUI_TABLES_H

#include "common/base/names.h"

/*        number                      name of the metric     help */
#define ADMINUI_COUNTER_TABLE(X)                                                                                     \
	X(COUNT_ADMINUI_LOGINS, "admin_ui_logins", "log-ins to the admin UI with a password")                        \
	X(COUNT_ADMINUI_REFUSED, "admin_ui_logins_refused", "log-ins to the admin UI that were refused")             \
	X(COUNT_ADMINUI_COMMANDS, "admin_ui_commands", "commands of the admin UI that were carried out")             \
	X(COUNT_ADMINUI_COMMANDS_REFUSED, "admin_ui_commands_refused",                                               \
		"commands of the admin UI that were malformed or failed")                                            \
	X(COUNT_ADMINUI_DROPPED, "admin_ui_events_dropped",                                                          \
		"events not shown in the admin UI because there were too many in a second")

NAMES_DECLARE(NAMES_ADMINUI, ADMINUI_COUNTER_TABLE, ADMINUI_COUNTER_END);
extern const struct names adminui_counters;

#endif
