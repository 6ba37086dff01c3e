/* Whom the HTTP API speaks to: its user tells. */
#ifndef NODE_API_API_REACH_H
#define NODE_API_API_REACH_H

#include <stdbool.h>

#include "common/base/text.h"
#include "node/sockeye.h"

/* Where a namespace is reached. */
struct api_reach {
	sio_nsp *nsp;	  /* good for the calls of this turn; NULL: nobody has it, which is no error */
	bool queued;	  /* other nodes are away now: they are told when they are back */
	const char *away; /* not NULL: nobody can be reached, and why; 503 */
};

struct api_ops {
	void (*reach)(void *arg, struct text nsp, struct api_reach *out);
};

#endif
