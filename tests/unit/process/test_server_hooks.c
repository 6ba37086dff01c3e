/*
 * sio_on_headers() of a whole server: its function may emit, close sockets and close the server while requests
 * arrive, sessions open, and an upgrade completes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/io/log.h"
#include "node/sockeye.h"

enum deed { EMIT, LEAVE, DISCONNECT, DRAIN, CLOSE, DEEDS };

#define SID_LENGTH 20

struct fixture {
	struct ev_loop *ev;
	sio_server *io;
	enum deed deed;
	unsigned asked, done, countdown; /* the deed is done when the countdown ends */
	bool ending;
	char sid[SID_LENGTH + 1];
};

static void
no_log(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level, (void)line, (void)n;
}

static void
on_done(sio_server *io, void *arg)
{
	struct fixture *f = arg;

	(void)io;
	f->done++;
}

static void
on_headers(sio_server *io, sio_request *request, bool initial, void *arg)
{
	struct fixture *f = arg;
	sio_nsp *nsp = sio_of(io, "/");

	f->asked++;
	assert_int_equal(sio_add_header(request, "X-App", initial ? "first" : "later"), SIO_OK);
	assert_non_null(sio_request_url(request));
	if (f->countdown == 0 || --f->countdown > 0)
		return;
	f->ending = f->deed >= DRAIN;
	if (f->deed == EMIT)
		sio_emit(sio_all(nsp), "from the hook", "i", 1);
	else if (f->deed == LEAVE)
		sio_disconnect_sockets(sio_all(nsp), false);
	else if (f->deed == DISCONNECT)
		sio_disconnect_sockets(sio_all(nsp), true);
	else if (f->deed == DRAIN)
		sio_drain(io, 1, on_done, f);
	else
		sio_close(io, on_done, f);
}

static void
on_connection(sio_socket *socket, void *arg)
{
	(void)arg;
	sio_emit(sio_only(socket), "welcome", "");
}

static void
turns(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		ev_run(f->ev, EVRUN_NOWAIT);
}

static int
connect_to(struct fixture *f)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(sio_port(f->io))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)!connect(fd, (struct sockaddr *)&a, sizeof a); /* a closing server does not listen */
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
say(struct fixture *f, int fd, const char *method, const char *fields, const char *transport, const char *body)
{
	char request[1024], sid[32] = "";
	int n;

	if (f->sid[0] != '\0')
		snprintf(sid, sizeof sid, "&sid=%s", f->sid);
	n = snprintf(request, sizeof request,
		"%s /socket.io/?EIO=4&transport=%s%s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n%s", method,
		transport, sid, fields, strlen(body), body);
	(void)!send(fd, request, (size_t)n, MSG_NOSIGNAL);
	turns(f);
}

/* A masked frame of text. */
static void
say_frame(struct fixture *f, int fd, const char *text)
{
	uint8_t frame[64] = {0x81, (uint8_t)(0x80 | strlen(text))}; /* the mask is 0 */

	memcpy(frame + 6, text, strlen(text));
	(void)!send(fd, frame, 6 + strlen(text), MSG_NOSIGNAL);
	turns(f);
}

#define UPGRADE                                                                                                      \
	"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                 \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* A client that polls, joins, and upgrades while a poll waits. What it receives depends on the deed. */
static void
run_client(struct fixture *f)
{
	char reply[4096] = "";
	int get = connect_to(f), post = connect_to(f), ws = connect_to(f);
	ssize_t n;
	char *sid;

	f->sid[0] = '\0';
	say(f, get, "GET", "", "polling", "");
	n = recv(get, reply, sizeof reply - 1, 0);
	sid = n > 0 ? strstr(reply, "\"sid\":\"") : NULL;
	if (sid != NULL)
		memcpy(f->sid, sid + 7, SID_LENGTH);
	say(f, post, "POST", "", "polling", "40");
	say(f, get, "GET", "", "polling", "");
	say(f, get, "GET", "", "polling", "");
	say(f, ws, "GET", UPGRADE, "websocket", "");
	say_frame(f, ws, "2probe");
	say(f, post, "POST", "", "polling", "42[\"x\"]");
	say_frame(f, ws, "5");
	say_frame(f, ws, "42[\"y\"]");
	say(f, get, "GET", "", "polling", "");
	close(get);
	close(post);
	close(ws);
	turns(f);
}

static unsigned
run(enum deed deed, unsigned countdown)
{
	struct fixture f = {.deed = deed, .countdown = countdown};
	char error[SIO_ERROR_LINE];

	f.ev = ev_loop_new(EVFLAG_AUTO);
	f.io = sio_server_new(f.ev);
	assert_int_equal(sio_set_option(f.io, "host", "127.0.0.1", error), SIO_OK);
	assert_int_equal(sio_set_option(f.io, "port", "0", error), SIO_OK);
	sio_on_headers(f.io, on_headers, &f);
	sio_on_connection(sio_of(f.io, "/"), on_connection, NULL);
	assert_int_equal(sio_listen(f.io, error), SIO_OK);
	run_client(&f);
	run_client(&f);
	if (!f.ending)
		sio_close(f.io, on_done, &f);
	while (f.done == 0)
		ev_run(f.ev, EVRUN_ONCE);
	assert_int_equal(f.done, 1);
	sio_server_free(f.io);
	ev_loop_destroy(f.ev);
	return f.asked;
}

static void
test_headers_may_do_anything(void **state)
{
	unsigned most;

	(void)state;
	log_set_sink(no_log, NULL);
	for (int deed = 0; deed < DEEDS; deed++) {
		most = run((enum deed)deed, 0);
		assert_true(most > 12); /* the requests of both clients came through */
		for (unsigned at = 1; at <= most; at++)
			run((enum deed)deed, at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_may_do_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
