#include "node/backend/backend_listen.h"

#include <string.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/io/log.h"
#include "node/backend/backend_proof.h"

#define LINES_PER_SECOND 5
#define LINGER_MS 500
#define QUEUE_MAX 65536

enum guest_state { ASKED, BROUGHT, LEAVING, REFUSED };

struct guest {
	struct list siblings; /* backend_listen.guests */
	struct backend_listen *listen;
	struct conn *conn;
	enum guest_state state;
	char nonce[BACKEND_NONCE];
	unsigned worker; /* LEAVING: where to, and its HELLO */
	uint8_t *hello;
	size_t hello_len;
	struct loop_call leave;
};

struct door {
	struct backend_listen *listen;
	struct listener *listener;
	bool tls;
};

struct backend_listen {
	struct loop *loop;
	struct backend_links *links;
	struct tls_context *tls;
	struct backend_listen_setup setup;
	struct conn_limits limits;
	struct list guests;
	unsigned count;
	struct log_limit lines;
	unsigned door_count;
	struct door doors[BACKEND_ADDRESSES_MAX];
};

/* ------------------------------------------------------------------ sending */

/* CHALLENGE or BYE, which are small: what they say does not come from the backend. */
static void
send_frame(struct conn *c, uint8_t type, struct text body)
{
	const struct backend_frame f = {.type = type, .body = body};
	struct block *block = block_new(BACKEND_HEAD + body.n);

	backend_frame_head(block->data, &f);
	memcpy(block->data + BACKEND_HEAD, body.at, body.n);
	conn_send(c, block, 0, block->len);
	block_unref(block);
}

static void
refuse(struct guest *g, enum backend_refusal why, struct text instance)
{
	struct backend_listen *bl = g->listen;
	char address[CONN_ADDRESS_MAX];

	if (g->state == REFUSED)
		return;
	g->state = REFUSED;
	loop_call_cancel(&g->leave);
	counter_add(&bl->loop->counters, COUNT_BACKEND_REFUSED, 1);
	if (log_allow(&bl->lines, LINES_PER_SECOND, bl->loop->now))
		log_event(LOG_WARN, "backend_refused", "reason", LOG_STR(backend_refusal_word(why)), "instance",
			LOG_TEXT(instance), "address", LOG_TEXT(conn_peer_address(g->conn, address)), NULL);
	send_frame(g->conn, BACKEND_BYE, text_from(backend_refusal_word(why)));
	conn_set_deadline(g->conn, 0, NULL);
	conn_finish(g->conn, REASON_FINISHED);
}

/* -------------------------------------------------------------------- HELLO */

static void
guest_free(struct guest *g)
{
	struct backend_listen *bl = g->listen;

	loop_call_cancel(&g->leave);
	list_remove(&g->siblings);
	bl->count--;
	mem_free(g->hello);
	mem_free(g);
}

static void
leave(struct loop_call *call)
{
	struct guest *g = container_of(call, struct guest, leave);
	struct backend_listen *bl = g->listen;

	if (conn_dead(g->conn) || conn_queued(g->conn) > 0) /* on_drain() comes back here */
		return;
	conn_set_deadline(g->conn, 0, NULL);
	if (bl->setup.pass(bl->setup.arg, g->conn, g->worker, text_of((const char *)g->hello, g->hello_len)) != 0) {
		refuse(g, BACKEND_REFUSED_FULL, TEXT(""));
		return;
	}
	counter_add(&bl->loop->counters, COUNT_BACKEND_PASSED, 1);
	if (conn_owner(g->conn) != g) /* a relay has it now */
		guest_free(g);
}

/* It is to be said again, to a sibling. */
static void
keep_hello(struct guest *g, const uint8_t *bytes, size_t n)
{
	g->hello = mem_try_alloc(n);
	if (g->hello == NULL) {
		refuse(g, BACKEND_REFUSED_FULL, TEXT(""));
		return;
	}
	memcpy(g->hello, bytes, n);
	g->hello_len = n;
	loop_defer(g->listen->loop, &g->leave);
}

/* Goes on after HELLO, whose frame is in `bytes`. */
static void
come_in(struct guest *g, struct backend_hello *hello, const uint8_t *bytes, size_t n)
{
	struct backend_listen *bl = g->listen;
	const struct backend_links_setup *us = backend_links_setup(bl->links);
	struct text nonce = text_of(g->nonce, sizeof g->nonce);
	int why;

	if (!hello->speaks_version) {
		refuse(g, BACKEND_REFUSED_VERSION, hello->instance);
	} else if (g->state == ASKED && bl->setup.secret.n > 0 &&
		   !backend_proof_is(bl->setup.secret, nonce, hello->instance, hello->proof)) {
		refuse(g, BACKEND_REFUSED_SECRET, hello->instance);
	} else if (hello->worker >= us->workers || (hello->worker != us->worker && g->state == BROUGHT)) {
		refuse(g, BACKEND_REFUSED_WORKER, hello->instance);
	} else if (hello->worker != us->worker) {
		g->state = LEAVING;
		g->worker = hello->worker;
		keep_hello(g, bytes, n);
	} else if ((why = backend_links_check(bl->links, hello->instance)) >= 0) {
		refuse(g, (enum backend_refusal)why, hello->instance);
	} else {
		struct conn *c = g->conn;

		guest_free(g);
		backend_links_add(bl->links, c, hello);
	}
}

static size_t
on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct guest *g = conn_owner(c);
	struct backend_hello hello;
	struct backend_frame f;
	int64_t taken;
	int result;

	if (g->state == LEAVING)
		return 0;
	taken = backend_frame_read(&f, data, n, BACKEND_HELLO_MAX);
	if (taken == 0)
		return 0;
	result = taken < 0 || f.type != BACKEND_HELLO ? ERROR_SYNTAX : backend_hello_read(&hello, f.body);
	if (result < 0) {
		refuse(g, result == ERROR_MEMORY ? BACKEND_REFUSED_FULL : BACKEND_REFUSED_PROTOCOL, TEXT(""));
		return n;
	}
	come_in(g, &hello, data, (size_t)taken); /* frees the guest, or not */
	backend_hello_fini(&hello);
	return (size_t)taken;
}

static void
on_drain(struct conn *c)
{
	struct guest *g = conn_owner(c);

	if (g->state == LEAVING)
		loop_defer(g->listen->loop, &g->leave);
}

static void
on_closed(struct conn *c, unsigned reason)
{
	(void)reason;
	guest_free(conn_owner(c));
}

static const struct conn_ops guest_ops = {on_data, on_drain, NULL, on_closed};

static void
on_late(struct conn *c)
{
	refuse(conn_owner(c), BACKEND_REFUSED_TIMEOUT, TEXT(""));
}

/* ---------------------------------------------------------------- accepting */

static struct guest *
guest_new(struct backend_listen *bl, int fd, const struct sockaddr *peer, socklen_t peer_len, struct tls_context *tls,
	enum guest_state state)
{
	struct guest *g = mem_zalloc(sizeof *g);

	g->listen = bl;
	g->state = state;
	list_init(&g->siblings);
	list_add_tail(&bl->guests, &g->siblings);
	loop_call_init(&g->leave, leave);
	bl->count++;
	g->conn = conn_new(bl->loop, fd, peer, peer_len, tls, &bl->limits, &guest_ops, g);
	conn_set_service(g->conn);
	conn_set_deadline(g->conn, BACKEND_HELLO_MS, on_late);
	conn_set_cut_timeout(g->conn, bl->setup.cut_ms);
	return g;
}

static void
on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct door *door = arg;
	struct backend_listen *bl = door->listen;
	struct buffer json;
	struct guest *g;

	if (bl->count >= BACKEND_GUESTS_MAX) {
		counter_add(&bl->loop->counters, COUNT_BACKEND_REFUSED, 1);
		close(fd);
		return;
	}
	g = guest_new(bl, fd, peer, peer_len, door->tls ? bl->tls : NULL, ASKED);
	backend_nonce(g->nonce);
	buffer_init(&json, QUEUE_MAX);
	backend_challenge_write(&json, bl->setup.edge, text_of(g->nonce, sizeof g->nonce));
	send_frame(g->conn, BACKEND_CHALLENGE, buffer_text(&json));
	buffer_fini(&json);
}

void
backend_listen_adopt(
	struct backend_listen *bl, int fd, const struct sockaddr *peer, socklen_t peer_len, struct text bytes)
{
	struct guest *g;

	if (bl->door_count == 0 || bl->count >= BACKEND_GUESTS_MAX) {
		close(fd);
		return;
	}
	g = guest_new(bl, fd, peer, peer_len, NULL, BROUGHT);
	conn_put_back(g->conn, bytes.at, bytes.n);
}

struct backend_listen *
backend_listen_new(struct loop *l, struct backend_links *links, struct backend_addresses *addresses,
	struct tls_context *tls, const struct backend_listen_setup *setup)
{
	struct backend_listen *bl = mem_zalloc(sizeof *bl);

	bl->loop = l;
	bl->links = links;
	bl->tls = tls;
	bl->setup = *setup;
	bl->limits = (struct conn_limits){.max_queue = QUEUE_MAX,
		.max_kept = LOOP_SCRATCH_SIZE / 2,
		.stall_ms = BACKEND_HELLO_MS,
		.tls_ms = BACKEND_HELLO_MS,
		.linger_ms = LINGER_MS};
	list_init(&bl->guests);
	for (; bl->door_count < addresses->count; bl->door_count++) {
		struct backend_opened *opened = &addresses->list[bl->door_count];
		struct door *door = &bl->doors[bl->door_count];

		door->listen = bl;
		door->tls = opened->address.kind == BACKEND_ADDRESS_TLS;
		must(!door->tls || tls != NULL);
		door->listener = listener_start(l, &opened->sockets, 0, on_accept, door);
		listener_set_service(door->listener);
	}
	return bl;
}

void
backend_listen_set_tls(struct backend_listen *bl, struct tls_context *tls)
{
	bl->tls = tls;
}

void
backend_listen_stop(struct backend_listen *bl)
{
	struct list *at, *next;

	for (; bl->door_count > 0; bl->door_count--)
		listener_free(bl->doors[bl->door_count - 1].listener);
	list_each(at, next, &bl->guests)
		refuse(list_entry(at, struct guest, siblings), BACKEND_REFUSED_SHUTDOWN, TEXT(""));
}

unsigned
backend_listen_count(const struct backend_listen *bl)
{
	return bl->count;
}

void
backend_listen_free(struct backend_listen *bl)
{
	if (bl == NULL)
		return;
	must(bl->count == 0);
	backend_listen_stop(bl);
	mem_free(bl);
}
