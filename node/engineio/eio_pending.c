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
	struct eio_decision decision;
	bool asking, decided;
};

static void
decision_free(struct eio_decision *d)
{
	mem_free(d->message);
	mem_free(d->type);
	mem_free(d->body);
}

static void
pending_free(struct eio_pending *p)
{
	if (p->all != NULL) {
		list_remove(&p->link);
		p->all->count--;
	}
	loop_call_cancel(&p->call);
	decision_free(&p->decision);
	mem_free(p);
}

static void
pending_finish(struct eio_pending *p)
{
	struct eio_pendings *all = p->all;
	struct http_request *r = p->request;
	struct eio_arrival how = p->how;
	struct eio_decision decision = p->decision;

	p->decision = (struct eio_decision){0};
	pending_free(p);
	if (all != NULL && r != NULL)
		all->decided(all, r, how, &decision);
	decision_free(&decision);
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
		pendings->decided(pendings, r, how, &(struct eio_decision){.allowed = true});
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

/* Takes what the decision owns. */
static void
decide(struct eio_pending *p, struct eio_decision decision)
{
	must(!p->decided); /* an answer is given once */
	p->decided = true;
	p->decision = decision;
	if (p->all == NULL)
		pending_free(p);
	else if (!p->asking)
		loop_defer(p->all->loop, &p->call);
}

void
eio_allow(struct eio_pending *pending)
{
	decide(pending, (struct eio_decision){.allowed = true});
}

void
eio_allow_as(struct eio_pending *pending, uint32_t ticket)
{
	pending->how.ticket = ticket;
	eio_allow(pending);
}

void
eio_refuse(struct eio_pending *pending, const char *message)
{
	/* without memory for the application's words the refusal has the standard ones */
	decide(pending,
		(struct eio_decision){.message = message != NULL ? mem_try_text(message, strlen(message)) : NULL});
}

void
eio_answer(struct eio_pending *pending, int status, const char *content_type, struct text body)
{
	struct eio_decision d = {.status = status,
		.type = content_type != NULL ? mem_try_text(content_type, strlen(content_type)) : NULL,
		.body = mem_try_text(body.n != 0 ? body.at : "", body.n),
		.body_len = body.n};

	if (d.body == NULL || (content_type != NULL && d.type == NULL)) {
		decision_free(&d);
		d = (struct eio_decision){.status = 503};
	}
	decide(pending, d);
}

struct http_request *
eio_pending_request(const struct eio_pending *pending)
{
	return pending->request;
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
