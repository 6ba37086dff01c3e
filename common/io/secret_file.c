#include "common/io/secret_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"

int
secret_file_read(char **out, const char *path, char error[SECRET_FILE_ERROR_MAX])
{
	FILE *file = fopen(path, "re");
	char bytes[SECRET_FILE_MAX + 3]; /* with a line end of two bytes, and one byte too many */
	size_t n = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
	bool failed = file == NULL || ferror(file);

	if (failed)
		snprintf(error, SECRET_FILE_ERROR_MAX, "cannot read \"%.200s\": %s", path, strerror(errno));
	if (file != NULL)
		fclose(file);
	if (failed)
		return ERROR_SYSTEM;
	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
		n--;
	if (n > SECRET_FILE_MAX || memchr(bytes, '\0', n) != NULL) {
		snprintf(error, SECRET_FILE_ERROR_MAX, "\"%.200s\" is longer than %d bytes or contains a NUL byte",
			path, SECRET_FILE_MAX);
		return ERROR_ARGUMENT;
	}
	*out = mem_text(bytes, n);
	explicit_bzero(bytes, sizeof bytes);
	return 0;
}
