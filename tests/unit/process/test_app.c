/* Loading applications: which are refused, and the error line for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>

#include "common/base/error.h"
#include "node/process/app.h"
#include "tests/unit/process/scratch.h"

struct fixture {
	struct scratch scratch;
	struct app app;
	char error[APP_ERROR_MAX];
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	scratch_init(&f->scratch);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	app_unload(&f->app);
	scratch_fini(&f->scratch);
	free(f);
	return 0;
}

static int
load(struct fixture *f, const char *name)
{
	int result = app_load(&f->app, scratch_path(&f->scratch, name), NULL, NULL, f->error);

	if (result < 0)
		assert_null(strchr(f->error, '\n'));
	return result;
}

static void
build(struct fixture *f, const char *source)
{
	scratch_write(&f->scratch, "app.c", source);
	scratch_run(&f->scratch, "cc -shared -fPIC app.c -o app.so");
}

static void
missing_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "nowhere.so"), ERROR_NOT_FOUND);
	assert_non_null(strstr(f->error, "nowhere.so: No such file"));
	assert_null(f->app.object);
}

static void
directory(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "."), ERROR_SYSTEM);
	assert_non_null(strstr(f->error, "not a regular file"));
}

static void
not_an_object(void **state)
{
	static const char *const texts[] = {"int sio_app(void);\n", "x", ""};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		scratch_write(&f->scratch, "app.c", texts[i]);
		assert_int_equal(load(f, "app.c"), ERROR_SYSTEM);
		assert_non_null(strstr(f->error, "app.c: not a shared object; build a C file with cc -shared"));
		assert_null(f->app.object);
	}
}

static void
unknown_function(void **state)
{
	struct fixture *f = *state;

	build(f, "void nobody_has_this(void); int sio_app(void *io) { (void)io; nobody_has_this(); return 0; }\n");
	assert_int_equal(load(f, "app.so"), ERROR_SYSTEM);
	assert_non_null(strstr(f->error, "nobody_has_this"));
}

static void
no_sio_app(void **state)
{
	struct fixture *f = *state;

	build(f, "int other(void) { return 0; }\n");
	assert_int_equal(load(f, "app.so"), ERROR_ARGUMENT);
	assert_non_null(strstr(f->error, "sio_app"));
	assert_null(f->app.object);
}

static void
refuses(void **state)
{
	struct fixture *f = *state;

	build(f, "int sio_app(void *io) { (void)io; return -7; }\n");
	assert_int_equal(load(f, "app.so"), ERROR_STATE);
	assert_non_null(strstr(f->error, "returned -7"));
	assert_non_null(f->app.object);
}

static void
starts(void **state)
{
	struct fixture *f = *state;
	int *calls;

	build(f, "int calls; int sio_app(void *io) { (void)io; calls++; return 0; }\n");
	assert_int_equal(load(f, "app.so"), 0);
	calls = dlsym(f->app.object, "calls");
	assert_non_null(calls);
	assert_int_equal(*calls, 1);
	app_unload(&f->app);
	assert_null(f->app.object);
}

/* A name without a slash is a file in the working directory, not a library of the system. */
static void
bare_name(void **state)
{
	struct fixture *f = *state;
	char *home = getcwd(NULL, 0);

	build(f, "int sio_app(void *io) { (void)io; return 0; }\n");
	assert_int_equal(chdir(f->scratch.dir), 0);
	assert_int_equal(app_load(&f->app, "app.so", NULL, NULL, f->error), 0);
	assert_int_equal(chdir(home), 0);
	free(home);
}

/* A worker that starts again must have the application of its siblings, until SIGHUP. */
static void
kept_file(void **state)
{
	struct fixture *f = *state;
	const char *path;
	struct app_file kept;

	build(f, "int version = 1; int sio_app(void *io) { (void)io; return 0; }\n");
	path = scratch_path(&f->scratch, "app.so");
	app_file_open(&kept, path);
	assert_true(kept.fd >= 0);
	assert_false(app_file_is_replaced(&kept, path));
	assert_int_equal(app_load(&f->app, path, &kept, NULL, f->error), 0);
	app_unload(&f->app);

	scratch_run(&f->scratch, "echo broken > new && mv new app.so");
	path = scratch_path(&f->scratch, "app.so");
	assert_true(app_file_is_replaced(&kept, path));
	assert_int_equal(load(f, "app.so"), ERROR_SYSTEM);
	path = scratch_path(&f->scratch, "app.so");
	assert_int_equal(app_load(&f->app, path, &kept, NULL, f->error), 0);
	assert_int_equal(*(int *)dlsym(f->app.object, "version"), 1);

	scratch_run(&f->scratch, "rm app.so");
	assert_true(app_file_is_replaced(&kept, scratch_path(&f->scratch, "app.so")));
	app_file_close(&kept);
	assert_int_equal(kept.fd, -1);
}

static void
file_written_to_in_place(void **state)
{
	struct fixture *f = *state;
	const char *path;
	struct app_file kept;

	scratch_write(&f->scratch, "app.so", "one");
	path = scratch_path(&f->scratch, "app.so");
	app_file_open(&kept, path);
	assert_false(app_file_is_replaced(&kept, path));
	scratch_write(&f->scratch, "app.so", "other");
	assert_true(app_file_is_replaced(&kept, scratch_path(&f->scratch, "app.so")));
	app_file_close(&kept);
	app_file_open(&kept, "/nowhere/app.so");
	assert_int_equal(kept.fd, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missing_file, setup, teardown),
		cmocka_unit_test_setup_teardown(directory, setup, teardown),
		cmocka_unit_test_setup_teardown(not_an_object, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_function, setup, teardown),
		cmocka_unit_test_setup_teardown(no_sio_app, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(starts, setup, teardown),
		cmocka_unit_test_setup_teardown(bare_name, setup, teardown),
		cmocka_unit_test_setup_teardown(kept_file, setup, teardown),
		cmocka_unit_test_setup_teardown(file_written_to_in_place, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
