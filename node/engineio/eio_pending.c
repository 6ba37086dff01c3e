/*
 * eio_pending: asked -> decided (eio_allow, eio_refuse), at once or later -> handshake or refusal.
 * The peer may leave and the server may go first: the application's pointer stays good until it has decided.
 */
#include "node/engineio/eio_pending.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

struct eio_pending {
	struct eio_pendings *all;     /* NULL: the server is gone */
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
	if (p->all != NULL) {
		list_remove(&p->link);
		p->all->count--;
	}
	loop_call_cancel(&p->call);
	mem_free(p->message);
	mem_free(p);
}

static void
pending_finish(struct eio_pending *p)
{
	struct eio_pendings *all = p->all;
	struct http_request *r = p->request;
	struct eio_arrival how = p->how;
	bool allowed = p->allowed;
	char *message = p->message;

	p->message = NULL;
	pending_free(p);
	if (all != NULL && r != NULL)
		all->decided(all, r, how, allowed, message);
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
eio_pending_ask(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival how)
{
	struct eio_pending *p;

	if (pendings->ops->on_allow == NULL) {
		pendings->decided(pendings, r, how, true, NULL);
		return;
	}
	p = mem_zalloc(sizeof(*p));
	p->all = pendings;
	p->request = r;
	p->how = how;
	list_init(&p->link);
	list_add_tail(&pendings->list, &p->link);
	pendings->count++;
	loop_call_init(&p->call, pending_run);
	http_wait(r, &pending_ops, p, 0);
	p->asking = true;
	pendings->ops->on_allow(pendings->arg, p, r);
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
	/* without memory for the application's words the refusal has the standard ones */
	p->message = message != NULL ? mem_try_text(message, strlen(message)) : NULL;
	if (p->all == NULL)
		pending_free(p);
	else if (!p->asking)
		loop_defer(p->all->loop, &p->call);
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
eio_pendings_stop(struct eio_pendings *pendings)
{
	struct list *it, *next;

	list_each(it, next, &pendings->list)
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
		p->all = NULL;
		pendings->count--;
	}
}
