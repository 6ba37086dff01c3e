/* What is said of backends whose frames cannot be carried out, and how long things take. */
#ifndef NODE_BACKEND_BACKEND_LOG_H
#define NODE_BACKEND_BACKEND_LOG_H

#include "node/backend/backend_core.h"

/*
 * `rc` is what the raw entry, or a codec, said to a frame of this kind; 0: nothing. Else the frame was dropped, which
 * is counted, and logged at most BACKEND_LINES a second.
 */
#define BACKEND_LINES 10
void backend_log_result(struct backend_core *core, const struct backend_link *wire, const char *kind, int rc);
void backend_log_dropped(
	struct backend_core *core, const struct backend_link *wire, const char *kind, const char *why);

#endif
