#include "node/socketio/sio_check.h"

#include <string.h>

#include "common/base/utf8.h"
#include "common/io/log.h"
#include "common/io/loop.h"
#include "node/socketio/sio_payload.h"

#define LINES_PER_SECOND 1

bool
sio_is_name(const char *name)
{
	return sio_is_pointer(name) && utf8_valid(name, strlen(name));
}

int
sio_misused(const char *function, const char *name, const char *format, const struct sio_payload *payload, int error)
{
	static _Thread_local struct log_limit limit;
	const char *why = payload != NULL && payload->why != NULL ? payload->why : sio_error_text(error);

	if (error == 0 || error == SIO_ERR_STATE || !log_allow(&limit, LINES_PER_SECOND, loop_wall_ms()))
		return error;
	if (!sio_is_pointer(name))
		name = "";
	if (payload == NULL || !sio_is_pointer(format))
		log_event(LOG_WARN, "call_failed", "function", LOG_STR(function), "name", LOG_STR(name), "reason",
			LOG_STR(why), NULL);
	else
		log_event(LOG_WARN, "call_failed", "function", LOG_STR(function), "name", LOG_STR(name), "format",
			LOG_STR(format), "position", LOG_INT(payload->at + 1), "reason", LOG_STR(why), NULL);
	return error;
}
