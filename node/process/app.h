/*
 * An application: a shared object with the function sio_app(), loaded into the process. Its handlers stay registered,
 * so it may be unloaded only after the server is freed.
 */
#ifndef NODE_PROCESS_APP_H
#define NODE_PROCESS_APP_H

#include "node/sockeye.h"

#define APP_ERROR_MAX 512

struct app {
	void *object; /* of dlopen(); NULL: not loaded */
};

/*
 * Loads `file`. Errors, with one line in `error`: ERROR_NOT_FOUND, ERROR_SYSTEM, ERROR_ARGUMENT (no sio_app()).
 */
int app_open(struct app *app, const char *file, char error[APP_ERROR_MAX]);

/* The array sio_app_options of a loaded application; NULL: none. */
const sio_option *app_declared_options(const struct app *app);

/*
 * Loads `file` and calls its sio_app(), which registers listeners on `io`. Errors are those of app_open(), and
 * ERROR_STATE (sio_app() did not return 0). After ERROR_STATE the object stays loaded, as it may have registered
 * listeners.
 */
int app_load(struct app *app, const char *file, sio_server *io, char error[APP_ERROR_MAX]);

/* Call it after the server was freed: the server's listeners are code of the application. */
void app_unload(struct app *app);

#endif
