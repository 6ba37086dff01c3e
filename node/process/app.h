/*
 * An application: a shared object with sio_app(), loaded into the program.
 * Its handlers stay registered, so it is unloaded only after the server is freed.
 */
#ifndef NODE_PROCESS_APP_H
#define NODE_PROCESS_APP_H

#include "node/sockeye.h"

#define APP_ERROR_MAX 512

struct app {
	void *object; /* dlopen's; NULL: nothing is loaded */
};

/*
 * Loads `file` and lets it register its listeners on `io`. ERROR_NOT_FOUND, ERROR_SYSTEM, ERROR_ARGUMENT (no
 * sio_app()), ERROR_STATE (it returned other than 0); `error` then holds one line. After ERROR_STATE the object stays
 * loaded, since it may have registered some.
 */
int app_load(struct app *app, const char *file, sio_server *io, char error[APP_ERROR_MAX]);

/* After the server was freed, whose listeners are in it. */
void app_unload(struct app *app);

#endif
