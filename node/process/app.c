#include "node/process/app.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Of a text file, dlopen() says only "file too short" or "invalid ELF header". If the file cannot be opened, it says why. */
static bool
app_is_object(const char *file)
{
	static const char elf[4] = {0x7f, 'E', 'L', 'F'};
	char first[sizeof elf];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return true;
	n = read(fd, first, sizeof first);
	close(fd);
	return n == (ssize_t)sizeof elf && memcmp(first, elf, sizeof elf) == 0;
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
	if (!app_is_object(file)) {
		snprintf(error, APP_ERROR_MAX,
			"cannot load application %s: not a shared object; build a C file with cc -shared -fPIC; "
			"to run another program, use --exec",
			file);
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

void
app_file_open(struct app_file *file, const char *path)
{
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd >= 0 && fstat(file->fd, &file->opened) < 0)
		app_file_close(file);
}

void
app_file_close(struct app_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

static bool
app_file_is_at(const struct app_file *file, const char *path, struct stat *now)
{
	return stat(path, now) == 0 && now->st_dev == file->opened.st_dev && now->st_ino == file->opened.st_ino;
}

bool
app_file_is_replaced(const struct app_file *file, const char *path)
{
	const struct timespec *then = &file->opened.st_mtim;
	struct stat now;

	return !app_file_is_at(file, path, &now) || now.st_size != file->opened.st_size ||
	       now.st_mtim.tv_sec != then->tv_sec || now.st_mtim.tv_nsec != then->tv_nsec;
}

int
app_open(struct app *app, const char *file, const struct app_file *kept, char error[APP_ERROR_MAX])
{
	char by_number[64];
	struct stat now;
	int result;

	app->object = NULL;
	if (kept && kept->fd >= 0 && !app_file_is_at(kept, file, &now)) {
		snprintf(by_number, sizeof by_number, "/proc/self/fd/%d", kept->fd);
		file = by_number;
	}
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
app_load(struct app *app, const char *file, const struct app_file *kept, sio_server *io, char error[APP_ERROR_MAX])
{
	int result = app_open(app, file, kept, error);

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
