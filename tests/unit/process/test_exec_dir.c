/* The private directory, inside a directory of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/process/exec_dir.h"

static char parent[] = "/tmp/sockeye-test-XXXXXX";
static char usual[64]; /* the name that is tried first */

static int
setup(void **state)
{
	(void)state;
	strcpy(parent + strlen(parent) - 6, "XXXXXX");
	assert_non_null(mkdtemp(parent));
	setenv("XDG_RUNTIME_DIR", parent, 1);
	snprintf(usual, sizeof usual, "%s/sockeye-%ld", parent, (long)getpid());
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_int_equal(rmdir(parent), 0); /* fails if the directory is not empty */
	return 0;
}

static void
make_file(const char *dir)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, EXEC_SOCKET);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void
the_directory_is_private_and_is_removed_with_its_content(void **state)
{
	struct exec_dir d;
	struct stat st;
	mode_t mask = umask(0);
	char address[128];

	(void)state;
	assert_int_equal(exec_dir_make(&d), 0);
	umask(mask);
	assert_string_equal(d.path, usual);
	snprintf(address, sizeof address, "unix://%s/backend.sock", usual);
	assert_string_equal(d.address, address);
	assert_int_equal(stat(d.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	make_file(d.path);
	exec_dir_remove(&d);
	assert_int_equal(stat(usual, &st), -1);
	exec_dir_remove(&d); /* nothing is left to remove */
}

static void
a_crashed_process_directory_is_used_again(void **state)
{
	struct exec_dir dead, d;

	(void)state;
	assert_int_equal(exec_dir_make(&dead), 0);
	make_file(dead.path);
	exec_dir_forget(&dead);
	assert_int_equal(exec_dir_make(&d), 0);
	assert_string_equal(d.path, usual);
	assert_int_equal(unlinkat(d.fd, EXEC_SOCKET, 0), -1);
	exec_dir_remove(&d);
}

static void
a_directory_in_use_or_open_to_others_is_left_alone(void **state)
{
	struct exec_dir first, second, third;
	char name[80];

	(void)state;
	assert_int_equal(exec_dir_make(&first), 0);
	make_file(first.path);
	assert_int_equal(exec_dir_make(&second), 0);
	snprintf(name, sizeof name, "%s-2", usual);
	assert_string_equal(second.path, name);
	assert_int_equal(unlinkat(first.fd, EXEC_SOCKET, 0), 0);
	exec_dir_remove(&second);
	exec_dir_remove(&first);

	assert_int_equal(mkdir(usual, 0755), 0);
	assert_int_equal(symlink("/tmp", name), 0);
	snprintf(name, sizeof name, "%s-3", usual);
	assert_int_equal(exec_dir_make(&third), 0);
	assert_string_equal(third.path, name);
	exec_dir_remove(&third);
	assert_int_equal(rmdir(usual), 0);
	snprintf(name, sizeof name, "%s-2", usual);
	assert_int_equal(unlink(name), 0);
}

static void
a_place_too_long_for_a_socket_is_passed_over(void **state)
{
	char deep[200];
	struct exec_dir d;

	(void)state;
	snprintf(deep, sizeof deep, "%s/%0100d", parent, 1);
	assert_int_equal(mkdir(deep, 0700), 0);
	setenv("XDG_RUNTIME_DIR", deep, 1);
	assert_int_equal(exec_dir_make(&d), 0);
	assert_true(strlen(d.address) - strlen("unix://") < EXEC_SOCKET_MAX);
	assert_true(strncmp(d.path, "/run/", 5) == 0 || strncmp(d.path, "/tmp/", 5) == 0);
	exec_dir_remove(&d);
	assert_int_equal(rmdir(deep), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_directory_is_private_and_is_removed_with_its_content, setup, teardown),
		cmocka_unit_test_setup_teardown(a_crashed_process_directory_is_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_directory_in_use_or_open_to_others_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_too_long_for_a_socket_is_passed_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
