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
	struct list siblings; /* in backend_listen.guests */
	struct backend_listen *listen;
	struct conn *conn;
	enum guest_state state;
	char nonce[BACKEND_NONCE];
	unsigned worker; /* LEAVING: the worker that takes the connection, and the HELLO for it */
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
	struct door doors[BACKEND_OPENED_MAX];
};

/* ------------------------------------------------------------------ sending */

/* Sends CHALLENGE or BYE. They are small, and their content does not come from the backend. */
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
guest_refuse(struct guest *guest, enum backend_refusal why, struct text instance)
{
	struct backend_listen *bl = guest->listen;
	char address[CONN_ADDRESS_MAX];

	if (guest->state == REFUSED)
		return;
	guest->state = REFUSED;
	loop_call_cancel(&guest->leave);
	counter_add(&bl->loop->counters, COUNT_BACKEND_REFUSED, 1);
	if (log_allow(&bl->lines, LINES_PER_SECOND, bl->loop->now))
		log_event(LOG_WARN, "backend_refused", "reason", LOG_STR(backend_refusal_word(why)), "instance",
			LOG_TEXT(instance), "address", LOG_TEXT(conn_peer_address(guest->conn, address)), NULL);
	send_frame(guest->conn, BACKEND_BYE, text_from(backend_refusal_word(why)));
	conn_set_deadline(guest->conn, 0, NULL);
	conn_finish(guest->conn, REASON_FINISHED);
}

/* -------------------------------------------------------------------- HELLO */

static void
guest_free(struct guest *guest)
{
	struct backend_listen *bl = guest->listen;

	loop_call_cancel(&guest->leave);
	list_remove(&guest->siblings);
	bl->count--;
	mem_free(guest->hello);
	mem_free(guest);
}

static void
guest_leave(struct loop_call *call)
{
	struct guest *guest = container_of(call, struct guest, leave);
	struct backend_listen *bl = guest->listen;

	if (conn_dead(guest->conn) || conn_queued(guest->conn) > 0) /* guest_on_drain() defers this call again */
		return;
	conn_set_deadline(guest->conn, 0, NULL);
	if (bl->setup.pass(bl->setup.arg, guest->conn, guest->worker,
		    text_of((const char *)guest->hello, guest->hello_len)) != 0) {
		guest_refuse(guest, BACKEND_REFUSED_FULL, TEXT(""));
		return;
	}
	counter_add(&bl->loop->counters, COUNT_BACKEND_PASSED, 1);
	if (conn_owner(guest->conn) != guest) /* otherwise a relay owns the connection now */
		guest_free(guest);
}

/* Keeps the bytes of HELLO, because the sibling reads it again. */
static void
guest_keep_hello(struct guest *guest, const uint8_t *bytes, size_t n)
{
	guest->hello = mem_try_alloc(n);
	if (guest->hello == NULL) {
		guest_refuse(guest, BACKEND_REFUSED_FULL, TEXT(""));
		return;
	}
	memcpy(guest->hello, bytes, n);
	guest->hello_len = n;
	loop_defer(guest->listen->loop, &guest->leave);
}

/* Decides about a HELLO. `bytes` holds its whole frame. */
static void
guest_admit(struct guest *guest, struct backend_hello *hello, const uint8_t *bytes, size_t n)
{
	struct backend_listen *bl = guest->listen;
	const struct backend_links_setup *us = backend_links_setup(bl->links);
	struct text nonce = text_of(guest->nonce, sizeof guest->nonce);
	int why;

	if (!hello->speaks_version) {
		guest_refuse(guest, BACKEND_REFUSED_VERSION, hello->instance);
	} else if (guest->state == ASKED && bl->setup.secret.n > 0 &&
		   !backend_proof_is(bl->setup.secret, nonce, hello->instance, hello->proof)) {
		guest_refuse(guest, BACKEND_REFUSED_SECRET, hello->instance);
	} else if (hello->worker >= us->workers || (hello->worker != us->worker && guest->state == BROUGHT)) {
		guest_refuse(guest, BACKEND_REFUSED_WORKER, hello->instance);
	} else if (hello->worker != us->worker) {
		guest->state = LEAVING;
		guest->worker = hello->worker;
		guest_keep_hello(guest, bytes, n);
	} else if ((why = backend_links_check(bl->links, hello->instance)) >= 0) {
		guest_refuse(guest, (enum backend_refusal)why, hello->instance);
	} else {
		struct conn *c = guest->conn;

		guest_free(guest);
		backend_links_add(bl->links, c, hello);
	}
}

static size_t
guest_on_data(struct conn *c, uint8_t *data, size_t n)
{
	struct guest *guest = conn_owner(c);
	struct backend_hello hello;
	struct backend_frame f;
	int64_t taken;
	int result;

	if (guest->state == LEAVING)
		return 0;
	taken = backend_frame_read(&f, data, n, BACKEND_HELLO_MAX);
	if (taken == 0)
		return 0;
	result = taken < 0 || f.type != BACKEND_HELLO ? ERROR_SYNTAX : backend_hello_read(&hello, f.body);
	if (result < 0) {
		guest_refuse(
			guest, result == ERROR_MEMORY ? BACKEND_REFUSED_FULL : BACKEND_REFUSED_PROTOCOL, TEXT(""));
		return n;
	}
	guest_admit(guest, &hello, data, (size_t)taken); /* may free the guest */
	backend_hello_fini(&hello);
	return (size_t)taken;
}

static void
guest_on_drain(struct conn *c)
{
	struct guest *guest = conn_owner(c);

	if (guest->state == LEAVING)
		loop_defer(guest->listen->loop, &guest->leave);
}

static void
guest_on_closed(struct conn *c, unsigned reason)
{
	(void)reason;
	guest_free(conn_owner(c));
}

static const struct conn_ops guest_ops = {guest_on_data, guest_on_drain, NULL, guest_on_closed};

static void
guest_on_late(struct conn *c)
{
	guest_refuse(conn_owner(c), BACKEND_REFUSED_TIMEOUT, TEXT(""));
}

/* ---------------------------------------------------------------- accepting */

static struct guest *
guest_new(struct backend_listen *bl, int fd, const struct sockaddr *peer, socklen_t peer_len, struct tls_context *tls,
	enum guest_state state)
{
	struct guest *guest = mem_zalloc(sizeof *guest);

	guest->listen = bl;
	guest->state = state;
	list_init(&guest->siblings);
	list_add_tail(&bl->guests, &guest->siblings);
	loop_call_init(&guest->leave, guest_leave);
	bl->count++;
	guest->conn = conn_new(bl->loop, fd, peer, peer_len, tls, &bl->limits, &guest_ops, guest);
	conn_set_service(guest->conn);
	conn_set_deadline(guest->conn, BACKEND_HELLO_MS, guest_on_late);
	conn_set_cut_timeout(guest->conn, bl->setup.cut_ms);
	return guest;
}

/*
 * Closes the oldest connection if there are BACKEND_GUESTS_MAX. Otherwise a peer that opens so many connections
 * without HELLO would keep the backends out. Returns false if all of them are already ending or moving to a sibling.
 */
static bool
guests_make_room(struct backend_listen *bl)
{
	struct list *at, *next;

	if (bl->count < BACKEND_GUESTS_MAX)
		return true;
	list_each(at, next, &bl->guests)
	{
		struct guest *guest = list_entry(at, struct guest, siblings);

		if (guest->state == LEAVING || conn_dead(guest->conn))
			continue;
		counter_add(&bl->loop->counters, COUNT_BACKEND_REFUSED, 1);
		conn_close(guest->conn, REASON_TOO_MANY);
		return true;
	}
	return false;
}

static void
door_on_accept(void *arg, int fd, const struct sockaddr *peer, socklen_t peer_len)
{
	struct door *door = arg;
	struct backend_listen *bl = door->listen;
	struct buffer json;
	struct guest *guest;

	if (!guests_make_room(bl)) {
		counter_add(&bl->loop->counters, COUNT_BACKEND_REFUSED, 1);
		close(fd);
		return;
	}
	guest = guest_new(bl, fd, peer, peer_len, door->tls ? bl->tls : NULL, ASKED);
	backend_nonce(guest->nonce);
	buffer_init(&json, QUEUE_MAX);
	backend_challenge_write(&json, bl->setup.edge, text_of(guest->nonce, sizeof guest->nonce));
	send_frame(guest->conn, BACKEND_CHALLENGE, buffer_text(&json));
	buffer_fini(&json);
}

void
backend_listen_adopt(
	struct backend_listen *bl, int fd, const struct sockaddr *peer, socklen_t peer_len, struct text bytes)
{
	struct guest *guest;

	if (bl->door_count == 0 || !guests_make_room(bl)) {
		close(fd);
		return;
	}
	guest = guest_new(bl, fd, peer, peer_len, NULL, BROUGHT);
	conn_put_back(guest->conn, bytes.at, bytes.n);
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
		door->listener = listener_start(l, &opened->sockets, 0, door_on_accept, door);
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
		guest_refuse(list_entry(at, struct guest, siblings), BACKEND_REFUSED_SHUTDOWN, TEXT(""));
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
