#include "node/http/http_path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/error.h"
#include "node/http/http_field.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 0x20) - 'a' + 10;
}

int
http_path_decode(struct text path, char out[HTTP_PATH_MAX])
{
	size_t n = 0;

	if (!path.n || path.at[0] != '/')
		return ERROR_SYNTAX;
	for (size_t i = 1; i < path.n; i++) {
		unsigned char c = (unsigned char)path.at[i];
		bool begins = n == 0 || out[n - 1] == '/', escaped = c == '%';

		if (escaped) {
			if (path.n - i < 3 || !http_all(text_of(path.at + i + 1, 2), HTTP_HEX))
				return ERROR_SYNTAX;
			c = (unsigned char)(hex_value(path.at[i + 1]) << 4 | hex_value(path.at[i + 2]));
			i += 2;
		}
		/* a name that begins with a dot is hidden, "." or ".." */
		if (c < 0x20 || c == 0x7f || c == '\\' || (c == '/' && (begins || escaped)) || (c == '.' && begins))
			return ERROR_SYNTAX;
		if (n == HTTP_PATH_MAX - 1)
			return ERROR_TOO_BIG;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return (int)n;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Name by name, no link followed at all. */
int
http_path_open_by_steps(int directory, const char *name)
{
	int at = dup(directory);

	while (at >= 0 && *name) {
		char part[HTTP_PATH_MAX];
		size_t n = strcspn(name, "/");
		int next;

		memcpy(part, name, n);
		part[n] = '\0';
		name += n + (name[n] == '/');
		next = openat(at, part, OPEN_FLAGS | O_NOFOLLOW | (name[0] || name[-1] == '/' ? O_DIRECTORY : 0));
		close(at);
		at = next;
	}
	return at < 0 ? ERROR_NOT_FOUND : at;
}

int
http_path_open(int directory, const char *name)
{
	struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	long fd;
	int tries = 0;

	/* EAGAIN: a rename ran beside the look-up */
	do
		fd = syscall(SYS_openat2, directory, *name ? name : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN) && ++tries < 8);
	if (fd >= 0)
		return (int)fd;
	if (errno == ENOSYS || errno == EPERM)
		return http_path_open_by_steps(directory, name);
	return ERROR_NOT_FOUND;
}
