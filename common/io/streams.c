#include "common/io/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* a file's name may be longer; the rest is left out */

void
streams_open(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* the lowest number that is free is this one, since those before it are open */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
			_exit(1); /* and nobody to tell */
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

bool
streams_flush(const char *program)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (errno == EPIPE)
		return true; /* whoever read it has seen enough */
	fprintf(stderr, "%s: standard output cannot be written: %s\n", program, strerror(errno));
	return false;
}

void
streams_complain(const char *program, const char *error)
{
	char line[LINE_MAX_BYTES];
	int n = snprintf(line, sizeof line - 1, "%s: %s", program, error);
	size_t used = n < 0 ? 0 : (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;

	for (size_t i = 0; i < used; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[used] = '\n';
	fwrite(line, 1, used + 1, stderr);
}
