/*
 * Both ends of links in one process. The edge's ends are real; the test plays the backends on the other ends of
 * socket pairs. Nothing waits: a turn of the loop handles what was written before, and the clock stands still until
 * rig_advance(). The rig records in `rig.heard` what the links report to their owner.
 */
#ifndef TESTS_UNIT_BACKEND_LINK_RIG_H
#define TESTS_UNIT_BACKEND_LINK_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/backend/backend_links.h"
#include "tests/unit/backend/golden.h"

#define WINDOW (64 * 1024)
#define MAX_FRAME (128 * 1024)
#define PING_MS 1000
#define STALL_MS 6000
#define UNUSED __attribute__((unused))

struct rig {
	struct ev_loop *ev;
	struct loop loop;
	struct backend_links *links;
	struct backend_link_ops ops;
	struct buffer heard;
	bool nonsense;		   /* on_frame() returns false */
	struct backend_link *last; /* the latest link to become ready */
	void (*in_frame)(struct backend_link *link, const struct backend_frame *f);
};

static struct rig rig;
static uint64_t fake_ms = 1000000;

/* Replaces the system's clock for this program. */
int
clock_gettime(clockid_t which, struct timespec *out)
{
	(void)which;
	*out = (struct timespec){(time_t)(fake_ms / 1000), (long)(fake_ms % 1000) * 1000000};
	return 0;
}

static void
rig_turn(void)
{
	for (int i = 0; i < 4; i++) {
		ev_run(rig.ev, EVRUN_NOWAIT);
		loop_finish_turn(&rig.loop);
	}
}

UNUSED static void
rig_advance(uint64_t ms)
{
	fake_ms += ms;
	rig.loop.now = fake_ms;
	wheel_run(rig.loop.wheel, rig.loop.now);
	rig_turn();
}

/* Expects what was recorded since the last call. */
#define assert_heard(expected)                                                                                       \
	do {                                                                                                         \
		buffer_add_byte(&rig.heard, '\0');                                                                   \
		assert_string_equal((const char *)rig.heard.data, expected);                                         \
		buffer_reset(&rig.heard);                                                                            \
	} while (0)

/* --------------------------------------------------------------- the owner */

static void
note(const char *what, struct backend_link *link)
{
	struct text name = backend_link_hello(link)->instance;

	buffer_printf(&rig.heard, "%s %.*s\n", what, (int)name.n, name.at);
}

static void
rig_ready(void *arg, struct backend_link *link)
{
	(void)arg;
	rig.last = link;
	note("ready", link);
}

static bool
rig_frame(void *arg, struct backend_link *link, const struct backend_frame *f)
{
	(void)arg;
	buffer_printf(&rig.heard, "%s %u %.*s\n", backend_type_name(f->type), f->handle,
		(int)(f->body.n < 40 ? f->body.n : 40), f->body.at);
	if (rig.in_frame != NULL)
		rig.in_frame(link, f);
	return !rig.nonsense;
}

static void
rig_drain(void *arg, struct backend_link *link)
{
	(void)arg;
	note("drain", link);
	backend_begin(link, BACKEND_CLOSED, 0, 0, 77, 0);
	backend_end(link);
}

static void
rig_window(void *arg, struct backend_link *link)
{
	(void)arg;
	note("window", link);
}

static void
rig_lost(void *arg, struct backend_link *link, const char *reason)
{
	(void)arg;
	note("lost", link);
	buffer_printf(&rig.heard, "  %s\n", reason);
}

static void
rig_options(void *arg, struct buffer *out)
{
	(void)arg;
	buffer_add_text(out, TEXT("{\"pingInterval\":25000}"));
}

static void
rig_upstream(void *arg, struct text url, bool there)
{
	(void)arg;
	buffer_printf(&rig.heard, "%s %.*s\n", there ? "upstream" : "no upstream", (int)url.n, url.at);
}

static void
no_log(void *arg, enum log_level level, const char *line, size_t n)
{
	(void)arg, (void)level, (void)line, (void)n;
}

UNUSED static int
rig_start(void **state)
{
	struct backend_links_setup setup = {
		.edge = TEXT("e1"),
		.worker = 1,
		.workers = 2,
		.window = WINDOW,
		.max_frame = MAX_FRAME,
		.ping = PING_MS,
		.stall_timeout = STALL_MS,
		.write_options = rig_options,
		.on_upstream = rig_upstream,
	};

	(void)state;
	log_set_sink(no_log, NULL);
	memset(&rig, 0, sizeof rig);
	rig.ev = ev_loop_new(EVFLAG_AUTO);
	loop_init(&rig.loop, rig.ev);
	buffer_init(&rig.heard, 1 << 20);
	rig.ops = (struct backend_link_ops){rig_ready, rig_frame, rig_drain, rig_window, rig_lost};
	setup.ops = &rig.ops;
	rig.links = backend_links_new(&rig.loop, &setup);
	return 0;
}

UNUSED static int
rig_stop(void **state)
{
	(void)state;
	backend_links_close(rig.links);
	rig_turn();
	rig_advance(60000); /* lets lingering connections end */
	assert_int_equal(backend_links_count(rig.links), 0);
	assert_int_equal(rig.loop.services, 0);
	backend_links_free(rig.links);
	loop_finish_turn(&rig.loop);
	loop_fini(&rig.loop);
	ev_loop_destroy(rig.ev);
	buffer_fini(&rig.heard);
	return 0;
}

/* -------------------------------------------------------------- a backend */

struct peer {
	int fd;
	bool ended; /* the edge has closed the link */
	struct buffer got;
	size_t at;
};

static void
peer_read(struct peer *p)
{
	uint8_t bytes[65536];
	ssize_t n;

	while ((n = read(p->fd, bytes, sizeof bytes)) > 0)
		buffer_add(&p->got, bytes, (size_t)n);
	p->ended |= n == 0 || (n < 0 && errno != EAGAIN);
}

/* Reads the next frame from the edge; false if there is none. The body is valid until the next rig_turn(). */
static bool
peer_next(struct peer *p, struct backend_frame *f)
{
	int64_t n;

	peer_read(p);
	n = backend_frame_read(f, p->got.data + p->at, p->got.len - p->at, 64 << 20);
	assert_true(n >= 0);
	p->at += (size_t)n;
	return n > 0;
}

static struct backend_frame
peer_expect(struct peer *p, enum backend_type type)
{
	struct backend_frame f = {.type = 255};

	if (!peer_next(p, &f) || f.type != type)
		fail_msg("instead of %s came %s: %.*s", backend_type_name(type), backend_type_name(f.type),
			(int)(f.body.n < 80 ? f.body.n : 80), f.body.n ? f.body.at : "");
	return f;
}

/* Expects BYE with this reason, the last frame of a link. */
UNUSED static void
peer_expect_bye(struct peer *p, const char *reason)
{
	struct backend_frame f = peer_expect(p, BACKEND_BYE);

	assert_text_equal(f.body, text_from(reason));
	peer_read(p);
	assert_true(p->ended);
}

UNUSED static void
peer_expect_nothing(struct peer *p)
{
	struct backend_frame f;

	if (peer_next(p, &f))
		fail_msg("nothing was expected, but %s came", backend_type_name(f.type));
	assert_false(p->ended);
}

static void
peer_send_bytes(struct peer *p, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t sent = write(p->fd, at, n);

		if (sent < 0) {
			assert_int_equal(errno, EAGAIN);
			rig_turn();
			peer_read(p);
			continue;
		}
		at += sent;
		n -= (size_t)sent;
	}
}

/* Writes one frame, without a turn. */
static void
peer_put(struct peer *p, uint8_t type, uint8_t flags, uint16_t nsp, uint32_t handle, uint32_t id, struct text body)
{
	const struct backend_frame f = {type, flags, nsp, handle, id, body};
	uint8_t head[BACKEND_HEAD];

	backend_frame_head(head, &f);
	peer_send_bytes(p, head, sizeof head);
	peer_send_bytes(p, body.at, body.n);
}

UNUSED static void
peer_send(struct peer *p, uint8_t type, uint32_t handle, struct text body)
{
	peer_put(p, type, 0, 0, handle, 0, body);
	rig_turn();
}

static void
peer_init(struct peer *p, int fd)
{
	memset(p, 0, sizeof *p);
	p->fd = fd;
	buffer_init(&p->got, 64 << 20);
}

UNUSED static void
peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	buffer_fini(&p->got);
	rig_turn();
}

/* A peer with a ready link that has read WELCOME and PEERS. */
UNUSED static struct backend_link *
peer_join(struct peer *p, const char *hello_json)
{
	static const struct conn_ops none = {NULL, NULL, NULL, NULL};
	static const struct conn_limits limits = {0, 1024, 0, 0, 0};
	struct backend_hello hello;
	struct conn *c;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	peer_init(p, ends[1]);
	assert_int_equal(backend_hello_read(&hello, text_from(hello_json)), 0);
	assert_int_equal(backend_links_check(rig.links, hello.instance), -1);
	c = conn_new(&rig.loop, ends[0], NULL, 0, NULL, &limits, &none, NULL);
	conn_set_service(c);
	backend_links_add(rig.links, c, &hello);
	backend_hello_fini(&hello);
	rig_turn();
	peer_expect(p, BACKEND_WELCOME);
	peer_expect(p, BACKEND_PEERS);
	return rig.last;
}

#define HELLO(name) "{\"v\":[1],\"instance\":\"" name "\"}"
#define LINK_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)

UNUSED static struct text
zeros(size_t n)
{
	static char bytes[MAX_FRAME + 1];

	assert_true(n <= sizeof bytes);
	return text_of(bytes, n);
}

/* The result of backend_links_check() for an instance of this name. */
UNUSED static int
may_come(const char *name)
{
	return backend_links_check(rig.links, text_from(name));
}

UNUSED static void
send_event(struct backend_link *link, uint32_t handle, size_t size)
{
	backend_begin(link, BACKEND_EVENT, 0, 0, handle, 0);
	backend_put(link, zeros(size - BACKEND_HEAD).at, size - BACKEND_HEAD);
	assert_true(backend_end(link));
}

UNUSED static void
give_back(struct peer *p, uint32_t bytes)
{
	peer_put(p, BACKEND_WINDOW, 0, 0, 0, bytes, TEXT(""));
	rig_turn();
}

#endif
