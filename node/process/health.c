#include "node/process/health.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/text.h"

#define STATUS_AT 9 /* in "HTTP/1.1 200" */

/* Returns a connected socket, or -1 with errno. */
static int
health_connect(const struct addrinfo *to)
{
	struct timeval limit = {.tv_sec = HEALTH_MS / 1000};
	int fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol), why;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
		connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

/* Reads the beginning of the answer. Returns the number of bytes. */
static size_t
health_ask(int fd, char *answer, size_t size)
{
	static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
	size_t n = 0;
	ssize_t got;

	if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
		return 0;
	while (n < size && (got = recv(fd, answer + n, size - n, 0)) > 0)
		n += (size_t)got;
	return n;
}

static bool
health_is_wildcard(const char *host)
{
	return !host || host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

int
health_check(const struct admin_options *options, char error[HEALTH_ERROR_MAX])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *all;
	char port[8], answer[STATUS_AT + 3];
	int fd = -1, why;

	if (options->port == 0) {
		snprintf(error, HEALTH_ERROR_MAX, "--health needs the server's --admin-port");
		return ERROR_ARGUMENT;
	}
	snprintf(port, sizeof port, "%u", (unsigned)options->port);
	/* without a host, getaddrinfo() returns the loopback addresses */
	why = getaddrinfo(health_is_wildcard(options->host) ? NULL : options->host, port, &hints, &all);
	if (why != 0) {
		snprintf(error, HEALTH_ERROR_MAX, "cannot resolve \"%.100s\": %s", options->host, gai_strerror(why));
		return ERROR_SYSTEM;
	}
	for (const struct addrinfo *one = all; one && fd < 0; one = one->ai_next)
		fd = health_connect(one);
	why = errno;
	freeaddrinfo(all);
	if (fd < 0) {
		snprintf(error, HEALTH_ERROR_MAX, "the admin port %s does not answer: %s", port, strerror(why));
		return ERROR_SYSTEM;
	}
	why = health_ask(fd, answer, sizeof answer) == sizeof answer &&
	      text_is(text_of(answer + STATUS_AT, 3), TEXT("200"));
	close(fd);
	if (why)
		return 0;
	snprintf(error, HEALTH_ERROR_MAX, "the admin port %s did not answer /healthz with 200", port);
	return ERROR_SYSTEM;
}
