/* The reasons for which a socket disconnects, in Socket.IO's words. */
#ifndef NODE_SOCKETIO_SIO_REASON_H
#define NODE_SOCKETIO_SIO_REASON_H

#include "node/engineio/eio.h"

enum sio_reason {
	SIO_REASON_NONE,
	SIO_REASON_CLIENT_LEFT,	  /* "client namespace disconnect" */
	SIO_REASON_SERVER_LEFT,	  /* "server namespace disconnect" */
	SIO_REASON_SERVER_CLOSED, /* "forced server close" */
	SIO_REASON_SHUTTING_DOWN, /* "server shutting down" */
	SIO_REASON_ENGINE,	  /* plus an enum eio_close_reason */
	SIO_REASONS = SIO_REASON_ENGINE + EIO_CLOSE_REASONS,
};

/* Returns the text that disconnect listeners get for an enum sio_reason. */
const char *sio_reason_text(unsigned reason);

#endif
