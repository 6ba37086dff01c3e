/*
 * A backend that sends anything: the link survives or ends, reports its end once, and leaves nothing behind. The
 * first byte is the number of pieces that the rest is cut into.
 */
#include <assert.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/backend/backend_links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ev_loop *ev;
static struct loop loop;
static struct backend_links *links;
static unsigned ready, lost;

static void
on_ready(void *arg, struct backend_link *link)
{
	(void)arg;
	ready++;
	backend_begin(link, BACKEND_CLOSED, 0, backend_link_nsp(link, TEXT("/a")), backend_link_new_handle(link), 0);
	backend_put_text(link, TEXT("gone"));
	backend_end(link);
}

static bool
on_frame(void *arg, struct backend_link *link, const struct backend_frame *f)
{
	struct text name = backend_link_nsp_name(link, f->nsp);

	(void)arg;
	assert(name.n == 0 || name.at[0] == '/');
	if (f->flags & BACKEND_F_CLOSE)
		backend_link_close(link, BACKEND_LOST_SHUTDOWN);
	backend_begin(link, BACKEND_EVENT, 0, 0, f->handle, 0);
	backend_put(link, f->body.at, f->body.n);
	backend_end(link);
	return f->type != BACKEND_HANDOFF;
}

static void
on_nothing(void *arg, struct backend_link *link)
{
	(void)arg;
	(void)link;
}

static void
on_lost(void *arg, struct backend_link *link, const char *reason)
{
	(void)arg;
	(void)link;
	(void)reason;
	lost++;
}

static const struct backend_link_ops ops = {on_ready, on_frame, on_nothing, on_nothing, on_lost};

static void
write_options(void *arg, struct buffer *out)
{
	(void)arg;
	buffer_add_text(out, TEXT("{}"));
}

static void
no_log(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level, (void)line, (void)n;
}

static void
start(void)
{
	const struct backend_links_setup setup = {
		.edge = TEXT("e"),
		.workers = 1,
		.window = 65536,
		.max_frame = 65536,
		.ping = 1000,
		.stall_timeout = 5000,
		.write_options = write_options,
		.ops = &ops,
	};

	signal(SIGPIPE, SIG_IGN); /* the link may have ended before the next piece is written */
	log_set_sink(no_log, NULL);
	ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&loop, ev);
	links = backend_links_new(&loop, &setup);
}

static void
turn(void)
{
	ev_run(ev, EVRUN_NOWAIT);
	loop_finish_turn(&loop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conn_ops none = {NULL, NULL, NULL, NULL};
	static const struct conn_limits limits = {0, 1024, 0, 0, 0};
	static uint8_t thrown_away[1 << 20];
	struct backend_hello hello;
	struct conn *c;
	size_t piece;
	int ends[2];

	if (links == NULL)
		start();
	if (size < 2)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return 0;
	assert(backend_hello_read(&hello, TEXT("{\"v\":[1],\"instance\":\"x\"}")) == 0);
	c = conn_new(&loop, ends[0], NULL, 0, NULL, &limits, &none, NULL);
	conn_set_service(c);
	ready = lost = 0;
	backend_links_add(links, c, &hello);
	backend_hello_fini(&hello);
	piece = size / (data[0] % 4u + 1) + 1;
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (write(ends[1], data + at, n) != (ssize_t)n)
			break;
		turn();
		while (read(ends[1], thrown_away, sizeof thrown_away) > 0)
			;
	}
	close(ends[1]);
	for (unsigned i = 0; backend_links_count(links) > 0; i++) {
		assert(i < 100);
		turn();
	}
	assert(ready == 1 && lost == 1 && loop.services == 0);
	return 0;
}
