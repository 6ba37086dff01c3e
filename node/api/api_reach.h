/* How the HTTP API reaches servers. The caller of api_new() implements struct api_ops. */
#ifndef NODE_API_API_REACH_H
#define NODE_API_API_REACH_H

#include <stdbool.h>

#include "common/base/text.h"
#include "node/sockeye.h"

/* How a namespace is reached. */
struct api_reach {
	sio_server *io;	  /* borrowed; reads histories, even if no server has the namespace */
	sio_nsp *nsp;	  /* valid in this turn; NULL: no server has it, which is not an error */
	bool queued;	  /* other nodes are away; they get the command when they are back */
	const char *away; /* why no node can be reached (503), or NULL */
};

struct api_ops {
	void (*reach)(void *arg, struct text nsp, struct api_reach *out);
};

#endif
