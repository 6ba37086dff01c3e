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
 * The file as it was when the program started, kept open. A worker that starts after the file has been replaced, and
 * before SIGHUP, loads the same application as its siblings.
 */
struct app_file {
	int fd; /* -1: none */
	struct stat opened;
};

void app_file_open(struct app_file *file, const char *path); /* on failure fd is -1; app_open() says why */
void app_file_close(struct app_file *file);
/* Has another file taken the place of the open one, or has it been written to? Also true if it is gone. */
bool app_file_is_replaced(const struct app_file *file, const char *path);

struct app {
	void *object; /* of dlopen(); NULL: not loaded */
};

/*
 * Loads the file at `path`, or `kept` (may be NULL) if that is another file by now. Errors, with one line in `error`:
 * ERROR_NOT_FOUND, ERROR_SYSTEM, ERROR_ARGUMENT (no sio_app()).
 */
int app_open(struct app *app, const char *path, const struct app_file *kept, char error[APP_ERROR_MAX]);

/* The array sio_app_options of a loaded application; NULL: none. */
const sio_option *app_declared_options(const struct app *app);

/*
 * As app_open(), and calls sio_app(), which registers listeners on `io`. Errors are those of app_open(), and
 * ERROR_STATE (sio_app() did not return 0). After ERROR_STATE the object stays loaded, as it may have registered
 * listeners.
 */
int app_load(
	struct app *app, const char *path, const struct app_file *kept, sio_server *io, char error[APP_ERROR_MAX]);

/* Call it after the server was freed: the server's listeners are code of the application. */
void app_unload(struct app *app);

#endif
