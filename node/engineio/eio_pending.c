/*
 * Requests that wait for something other than a transport: for the application's yes or no, or for their end because
 * nobody serves their path.
 *
 *   eio_pending: asked -> decided (eio_allow, eio_refuse), at once or later -> handshake or refusal
 *   The peer may leave and the server may go first: the application's pointer stays good until it has decided.
 */
#include "node/engineio/eio_server.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

struct eio_pending {
	struct eio_server *server;    /* NULL: the server is gone */
	struct http_request *request; /* NULL: the peer is gone */
	struct list link;
	struct loop_call call; /* a decision that came later: the handshake calls up, so it is not made inside */
	struct eio_arrival how;
	char *message;
	bool asking, decided, allowed;
};

static void
pending_free(struct eio_pending *p)
{
	if (p->server != NULL) {
		list_remove(&p->link);
		p->server->pending_count--;
	}
	loop_call_cancel(&p->call);
	mem_free(p->message);
	mem_free(p);
}

static void
pending_finish(struct eio_pending *p)
{
	struct eio_server *e = p->server;
	struct http_request *r = p->request;
	struct eio_arrival how = p->how;
	bool allowed = p->allowed;
	char *message = p->message;

	p->message = NULL;
	pending_free(p);
	if (e != NULL && r != NULL) {
		if (allowed)
			eio_server_handshake(e, r, how);
		else
			eio_server_refuse(e, r, how.websocket, EIO_CONTEXT_FORBIDDEN, message);
	}
	mem_free(message);
}

static void
pending_run(struct loop_call *call)
{
	pending_finish(container_of(call, struct eio_pending, call));
}

static void
pending_aborted(struct http_request *r, void *user)
{
	struct eio_pending *p = user;

	(void)r;
	p->request = NULL;
}

static const struct http_exchange_ops pending_ops = {.on_abort = pending_aborted};

void
eio_pending_ask(struct eio_server *e, struct http_request *r, struct eio_arrival how)
{
	struct eio_pending *p;

	if (e->ops->on_allow == NULL) {
		eio_server_handshake(e, r, how);
		return;
	}
	p = mem_zalloc(sizeof(*p));
	p->server = e;
	p->request = r;
	p->how = how;
	list_init(&p->link);
	list_add_tail(&e->pendings, &p->link);
	e->pending_count++;
	loop_call_init(&p->call, pending_run);
	http_wait(r, &pending_ops, p, 0);
	p->asking = true;
	e->ops->on_allow(e->arg, p, r);
	p->asking = false;
	if (p->decided)
		pending_finish(p);
}

static void
decide(struct eio_pending *p, bool allowed, const char *message)
{
	must(!p->decided); /* an answer is given once */
	p->decided = true;
	p->allowed = allowed;
	p->message = message != NULL ? mem_text(message, strlen(message)) : NULL;
	if (p->server == NULL)
		pending_free(p);
	else if (!p->asking)
		loop_defer(p->server->loop, &p->call);
}

void
eio_allow(struct eio_pending *pending)
{
	decide(pending, true, NULL);
}

void
eio_refuse(struct eio_pending *pending, const char *message)
{
	decide(pending, false, message);
}

void
eio_pending_stop(struct eio_server *e)
{
	struct list *it, *next;

	list_each(it, next, &e->pendings)
	{
		struct eio_pending *p = list_entry(it, struct eio_pending, link);

		if (p->request != NULL)
			http_destroy(p->request, REASON_SHUTDOWN);
		p->request = NULL;
		if (p->decided) {
			pending_free(p);
			continue;
		}
		list_remove(&p->link);
		p->server = NULL;
		e->pending_count--;
	}
}

/* An upgrade on nobody's path, until destroyUpgradeTimeout. */
struct unclaimed {
	struct wheel_entry timer;
	struct list link;
	struct eio_server *server;
	struct http_request *request;
};

static void
unclaimed_free(struct unclaimed *u)
{
	loop_disarm(u->server->loop, &u->timer);
	list_remove(&u->link);
	mem_free(u);
}

static void
unclaimed_fire(struct wheel_entry *entry)
{
	struct unclaimed *u = container_of(entry, struct unclaimed, timer);

	http_destroy(u->request, REASON_HTTP_UNHANDLED);
	unclaimed_free(u);
}

static void
unclaimed_aborted(struct http_request *r, void *user)
{
	(void)r;
	unclaimed_free(user);
}

static const struct http_exchange_ops unclaimed_ops = {.on_abort = unclaimed_aborted};

void
eio_handle_unclaimed_upgrade(struct eio_server *e, struct http_request *r)
{
	struct unclaimed *u;

	if (!e->options->destroy_upgrade) {
		http_close_after(r);
		http_reply(r, 404, NULL, TEXT(""), false);
		return;
	}
	u = mem_zalloc(sizeof(*u));
	u->server = e;
	u->request = r;
	list_init(&u->link);
	list_add_tail(&e->unclaimed, &u->link);
	wheel_entry_init(&u->timer, unclaimed_fire);
	http_wait(r, &unclaimed_ops, u, 0);
	loop_arm(e->loop, &u->timer, e->options->destroy_upgrade_timeout);
}

void
eio_unclaimed_stop(struct eio_server *e)
{
	struct list *it, *next;

	list_each(it, next, &e->unclaimed)
	{
		struct unclaimed *u = list_entry(it, struct unclaimed, link);

		http_destroy(u->request, REASON_SHUTDOWN);
		unclaimed_free(u);
	}
}
