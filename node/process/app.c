#include "node/process/app.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/mem.h"

/* dlopen() searches the library path for a name without a slash. A file named on the command line is a path. */
static void *
app_open_object(const char *file)
{
	size_t n = strlen(file);
	char *path;
	void *object;

	if (strchr(file, '/'))
		return dlopen(file, RTLD_NOW | RTLD_LOCAL);
	path = mem_alloc(n + 3);
	memcpy(path, "./", 2);
	memcpy(path + 2, file, n + 1);
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	mem_free(path);
	return object;
}

static int
app_check_file(const char *file, char error[APP_ERROR_MAX])
{
	struct stat st;

	if (stat(file, &st) < 0) {
		snprintf(error, APP_ERROR_MAX, "cannot load application %s: %s", file, strerror(errno));
		return ERROR_NOT_FOUND;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(error, APP_ERROR_MAX, "cannot load application %s: not a regular file", file);
		return ERROR_SYSTEM;
	}
	return 0;
}

/* POSIX guarantees that data and function pointers have the same size; ISO C has no cast between them. */
static int (*app_start_function(const struct app *app))(sio_server *io)
{
	int (*start)(sio_server * io);

	*(void **)&start = dlsym(app->object, "sio_app");
	return start;
}

int
app_open(struct app *app, const char *file, char error[APP_ERROR_MAX])
{
	int result;

	app->object = NULL;
	result = app_check_file(file, error);
	if (result < 0)
		return result;
	app->object = app_open_object(file);
	if (!app->object) {
		snprintf(error, APP_ERROR_MAX, "cannot load application: %s", dlerror());
		return ERROR_SYSTEM;
	}
	if (!app_start_function(app)) {
		snprintf(error, APP_ERROR_MAX,
			"application %s has no function \"int sio_app(sio_server *io)\"; is it a Sockeye "
			"application?",
			file);
		app_unload(app);
		return ERROR_ARGUMENT;
	}
	return 0;
}

const sio_option *
app_declared_options(const struct app *app)
{
	return dlsym(app->object, "sio_app_options");
}

int
app_load(struct app *app, const char *file, sio_server *io, char error[APP_ERROR_MAX])
{
	int result = app_open(app, file, error);

	if (result < 0)
		return result;
	result = app_start_function(app)(io);
	if (result != 0) {
		snprintf(error, APP_ERROR_MAX, "application %s failed to start: sio_app() returned %d", file, result);
		return ERROR_STATE;
	}
	return 0;
}

void
app_unload(struct app *app)
{
	if (app->object)
		dlclose(app->object);
	app->object = NULL;
}
