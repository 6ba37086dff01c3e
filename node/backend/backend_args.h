/* The args of a frame as the raw entry takes them. */
#ifndef NODE_BACKEND_BACKEND_ARGS_H
#define NODE_BACKEND_BACKEND_ARGS_H

#include "node/backend/backend_frame.h"
#include "node/socketio/sio_raw.h"

struct backend_args {
	struct attachments attachments; /* copies of the frame's bytes */
	struct sio_content content;	/* its text is the frame's */
};

/* 0, to be followed by backend_args_fini(); ERROR_SYNTAX: the frame is malformed; ERROR_TOO_MANY, ERROR_MEMORY. */
int backend_args_take(struct backend_args *out, struct text body, uint8_t flags);
void backend_args_fini(struct backend_args *args);

#endif
