/* The args of a frame, in the form that the raw entry (sio_raw.h) takes. */
#ifndef NODE_BACKEND_BACKEND_ARGS_H
#define NODE_BACKEND_BACKEND_ARGS_H

#include "node/backend/backend_frame.h"
#include "node/socketio/sio_raw.h"

struct backend_args {
	struct attachments attachments; /* copies of the frame's bytes */
	struct sio_content content;	/* its JSON text points into the frame */
};

/*
 * Reads the args at the end of a frame. Returns 0; then call backend_args_fini(). ERROR_SYNTAX: the frame is
 * malformed. ERROR_TOO_MANY: too many attachments. ERROR_MEMORY: an attachment could not be copied.
 */
int backend_args_take(struct backend_args *out, struct text body, uint8_t flags);
void backend_args_fini(struct backend_args *args);

#endif
