/* Logs frames of backends that could not be carried out. */
#ifndef NODE_BACKEND_BACKEND_LOG_H
#define NODE_BACKEND_BACKEND_LOG_H

#include "node/backend/backend_core.h"

/*
 * Reports the result of carrying out a frame of this kind. `rc` comes from the raw entry or a codec; 0 means success.
 * Otherwise the frame was dropped: it is counted, and logged at most BACKEND_LINES times a second.
 */
#define BACKEND_LINES 10 /* log lines a second */
void backend_log_result(struct backend_core *core, const struct backend_link *wire, const char *kind, int rc);
/* Counts and logs a dropped frame of this kind. */
void backend_log_dropped(
	struct backend_core *core, const struct backend_link *wire, const char *kind, const char *why);

#endif
