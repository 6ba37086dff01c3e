#include "common/io/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* file names may be longer; the rest is cut */

void
streams_open(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* open() returns this number, the lowest free one, since those before it are open */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
			_exit(1); /* stderr may be closed, so the error cannot be reported */
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
}

bool
streams_flush(const char *program)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (errno == EPIPE)
		return true; /* the reader has ended and wants no more */
	fprintf(stderr, "%s: cannot write to standard output: %s\n", program, strerror(errno));
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
