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
	int result = app_load(&f->app, scratch_path(&f->scratch, name), NULL, f->error);

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
	struct fixture *f = *state;

	scratch_write(&f->scratch, "text.so", "int sio_app(void);\n");
	assert_int_equal(load(f, "text.so"), ERROR_SYSTEM);
	assert_non_null(strstr(f->error, "text.so"));
	assert_null(f->app.object);
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
	assert_int_equal(app_load(&f->app, "app.so", NULL, f->error), 0);
	assert_int_equal(chdir(home), 0);
	free(home);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
