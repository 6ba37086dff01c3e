/*
 * An application: a shared object with the function sio_app(), loaded into the process. Its handlers stay registered,
 * so it may be unloaded only after the server is freed.
 */
#ifndef NODE_PROCESS_APP_H
#define NODE_PROCESS_APP_H

#include <stdbool.h>
#include <sys/stat.h>

#include "node/sockeye.h"

#define APP_ERROR_MAX 512

/*
 * The application's file, kept open since the program started. If the file is replaced, workers that start before
 * SIGHUP load the kept file and thus the same application as their siblings.
 */
struct app_file {
	int fd; /* -1: none */
	struct stat opened;
};

void app_file_open(struct app_file *file, const char *path); /* on failure fd is -1; app_open() says why */
void app_file_close(struct app_file *file);
/* Returns true if the file at `path` is not the open file, has been written to since it was opened, or is missing. */
bool app_file_is_replaced(const struct app_file *file, const char *path);

struct app {
	void *object; /* of dlopen(); NULL: not loaded */
};

/*
 * Loads the file at `path`, or `kept` (may be NULL) if the file at `path` has been replaced. Errors, with one line in
 * `error`: ERROR_NOT_FOUND, ERROR_SYSTEM, ERROR_ARGUMENT (no sio_app()).
 */
int app_open(struct app *app, const char *path, const struct app_file *kept, char error[APP_ERROR_MAX]);

/* Returns the array sio_app_options of a loaded application; NULL if it has none. */
const sio_option *app_declared_options(const struct app *app);

/*
 * Does the same as app_open(), then calls sio_app(), which registers listeners on `io`. Returns the errors of
 * app_open(), and ERROR_STATE if sio_app() did not return 0. After ERROR_STATE the object stays loaded, because the
 * application may have registered listeners.
 */
int app_load(
	struct app *app, const char *path, const struct app_file *kept, sio_server *io, char error[APP_ERROR_MAX]);

/* Call it after the server was freed: the server's listeners are code of the application. */
void app_unload(struct app *app);

#endif
