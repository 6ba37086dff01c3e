#include "node/socketio/sio_reason.h"

const char *
sio_reason_text(unsigned reason)
{
	static const char *const texts[] = {
		[SIO_REASON_NONE] = "",
		[SIO_REASON_CLIENT_LEFT] = "client namespace disconnect",
		[SIO_REASON_SERVER_LEFT] = "server namespace disconnect",
		[SIO_REASON_SERVER_CLOSED] = "forced server close",
		[SIO_REASON_SHUTTING_DOWN] = "server shutting down",
	};

	if (reason >= SIO_REASON_ENGINE)
		return eio_close_reason_text((enum eio_close_reason)(reason - SIO_REASON_ENGINE));
	return texts[reason];
}
