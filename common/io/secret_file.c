#include "common/io/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"

/* Opens a regular file. Returns its descriptor, or -1 with the reason. A FIFO would block the process until a writer
 * comes. */
static int
secret_file_open(const char *path, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	*why = fd < 0 ? strerror(errno) : S_ISDIR(st.st_mode) ? strerror(EISDIR) : "it is not a regular file";
	if (fd >= 0)
		close(fd);
	return -1;
}

ssize_t
secret_file_bytes(const char *path, char *bytes, size_t max, const char **why)
{
	int fd = secret_file_open(path, why);
	size_t n = 0;
	ssize_t got = fd < 0 ? -1 : 1;

	if (fd < 0)
		return -1;
	while (got > 0 && n < max) {
		got = read(fd, bytes + n, max - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
	}
	if (got < 0)
		*why = strerror(errno);
	close(fd);
	return got < 0 ? -1 : (ssize_t)n;
}

int
secret_file_read(char **out, const char *path, char error[SECRET_FILE_ERROR_MAX])
{
	char bytes[SECRET_FILE_MAX + 3]; /* with a line end of two bytes, and one byte too many */
	const char *why;
	ssize_t got = secret_file_bytes(path, bytes, sizeof bytes, &why);
	size_t n = got > 0 ? (size_t)got : 0;
	int rc = 0;

	if (got < 0) {
		snprintf(error, SECRET_FILE_ERROR_MAX, "cannot read \"%.200s\": %s", path, why);
		rc = ERROR_SYSTEM;
	}
	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
		n--;
	if (rc == 0 && n == 0) {
		snprintf(error, SECRET_FILE_ERROR_MAX, "\"%.200s\" is empty", path);
		rc = ERROR_ARGUMENT;
	} else if (n > SECRET_FILE_MAX || memchr(bytes, '\0', n) != NULL) {
		snprintf(error, SECRET_FILE_ERROR_MAX, "\"%.200s\" is longer than %d bytes or contains a NUL byte",
			path, SECRET_FILE_MAX);
		rc = ERROR_ARGUMENT;
	}
	if (rc == 0)
		*out = mem_text(bytes, n);
	explicit_bzero(bytes, sizeof bytes);
	return rc;
}

void
secret_free(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	mem_free(secret);
}
