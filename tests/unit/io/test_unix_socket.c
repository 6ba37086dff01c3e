/* Listening sockets with a file: their mode, files that a dead process left, and which process removes a file. */
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
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/io/unix_socket.h"

static char folder[] = "/tmp/sockeye-unix-XXXXXX", path[sizeof folder + 8], error[256];

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/s", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* fails if the folder is not empty */
}

static int
connect_to(const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), result;

	memcpy(address.sun_path, where, strlen(where));
	result = connect(fd, (struct sockaddr *)&address, sizeof address);
	close(fd);
	return result;
}

static void
has_its_mode_whatever_the_umask(void **state)
{
	static const mode_t masks[] = {0, 022, 077};
	struct unix_socket file;
	struct listener_set set;
	struct stat found;

	(void)state;
	for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
		mode_t before = umask(masks[i]);

		assert_int_equal(unix_socket_open(&file, &set, path, 0660, error), 0);
		assert_int_equal(umask(before), masks[i]);
		assert_int_equal(lstat(path, &found), 0);
		assert_int_equal(found.st_mode & 0777, 0660);
		assert_int_equal(connect_to(path), 0);
		listener_set_close(&set);
		unix_socket_remove(&file);
		assert_int_equal(lstat(path, &found), -1);
		unix_socket_remove(&file); /* the second call does nothing */
	}
}

static void
replaces_the_socket_of_a_dead_process(void **state)
{
	struct unix_socket dead, file;
	struct listener_set set;

	(void)state;
	assert_int_equal(unix_socket_open(&dead, &set, path, 0660, error), 0);
	listener_set_close(&set);
	assert_int_equal(unix_socket_open(&file, &set, path, 0660, error), 0);
	assert_int_equal(connect_to(path), 0);
	/* the file belongs to another socket now, so the first does not remove it */
	if (dead.inode != file.inode) {
		unix_socket_remove(&dead);
		assert_int_equal(connect_to(path), 0);
	}
	listener_set_close(&set);
	unix_socket_remove(&file);
}

static void
does_not_replace_a_socket_with_a_listener(void **state)
{
	struct unix_socket first, second;
	struct listener_set set, none;

	(void)state;
	assert_int_equal(unix_socket_open(&first, &set, path, 0660, error), 0);
	assert_int_equal(unix_socket_open(&second, &none, path, 0660, error), ERROR_EXISTS);
	assert_non_null(strstr(error, "another program listens"));
	assert_int_equal(none.count, 0);
	unix_socket_remove(&second);
	assert_int_equal(connect_to(path), 0);
	listener_set_close(&set);
	unix_socket_remove(&first);
}

static void
leaves_other_files_alone(void **state)
{
	struct unix_socket file;
	struct listener_set set;

	(void)state;
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(unix_socket_open(&file, &set, path, 0660, error), ERROR_EXISTS);
	assert_non_null(strstr(error, "not a socket"));
	unix_socket_remove(&file);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unix_socket_open(&file, &set, "/nowhere/at/all", 0660, error), ERROR_SYSTEM);
	assert_non_null(strstr(error, "/nowhere/at/all"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_its_mode_whatever_the_umask),
		cmocka_unit_test(replaces_the_socket_of_a_dead_process),
		cmocka_unit_test(does_not_replace_a_socket_with_a_listener),
		cmocka_unit_test(leaves_other_files_alone),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
