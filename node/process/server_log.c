/* sio_log(): lines of the application in the server's log. */
#include <stdarg.h>

#include "common/io/log.h"
#include "node/process/server.h"
#include "node/socketio/sio_check.h"

#define LOG_PAIRS 8 /* documented in sockeye.h */

/* A NULL value may mean that the key was the last argument, so reading must stop there. */
int
sio_log(sio_server *io, const char *event, ...)
{
	SIO_NEEDS(SIO_A_SERVER, io, SIO_ERR_ARGUMENT);
	const char *key[LOG_PAIRS + 1] = {NULL}; /* the first NULL ends the line */
	struct log_value value[LOG_PAIRS + 1];
	const char *wrong = NULL;
	unsigned n = 0;
	va_list args;

	if (!sio_is_pointer(event))
		return sio_misused(__func__, event, NULL, NULL, SIO_ERR_ARGUMENT);
	if (!log_enabled(LOG_INFO))
		return 0;
	va_start(args, event);
	while (n < LOG_PAIRS && !wrong && (key[n] = va_arg(args, const char *))) {
		const char *text = sio_is_pointer(key[n]) ? va_arg(args, const char *) : NULL;

		if (!sio_is_pointer(text))
			wrong = sio_is_pointer(key[n]) ? key[n] : event;
		if (!sio_is_pointer(key[n]))
			key[n] = NULL;
		else
			value[n++] = *LOG_STR(sio_is_pointer(text) ? text : "");
	}
	va_end(args);
	key[n] = NULL;
	log_event(LOG_INFO, event, key[0], &value[0], key[1], &value[1], key[2], &value[2], key[3], &value[3], key[4],
		&value[4], key[5], &value[5], key[6], &value[6], key[7], &value[7], NULL);
	return wrong ? sio_misused(__func__, wrong, NULL, NULL, SIO_ERR_ARGUMENT) : 0;
}
