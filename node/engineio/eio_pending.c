/*
 * Life of an eio_pending: asked; decided by eio_allow(), eio_refuse() or eio_answer(), now or later; then the
 * handshake continues or is refused. If the peer or the server goes first, the application's pointer stays valid
 * until its decision.
 */
#include "node/engineio/eio_pending.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/small.h"

struct eio_pending {
	struct eio_pendings *all;     /* NULL: the server is gone */
	struct http_request *request; /* NULL: the peer is gone */
	struct list link;
	struct loop_call
		call; /* carries out a later decision: the handshake calls up, so it cannot run inside eio_allow() */
	struct eio_arrival arrival;
	struct eio_decision decision;
	bool asking, decided;
};

static void
decision_free(struct eio_decision *decision)
{
	mem_free(decision->message);
	mem_free(decision->type);
	mem_free(decision->body);
}

static void
pending_free(struct eio_pending *pending)
{
	if (pending->all != NULL) {
		list_remove(&pending->link);
		pending->all->count--;
	}
	loop_call_cancel(&pending->call);
	decision_free(&pending->decision);
	small_free(pending, sizeof(*pending));
}

static void
pending_finish(struct eio_pending *pending)
{
	struct eio_pendings *all = pending->all;
	struct http_request *r = pending->request;
	struct eio_arrival arrival = pending->arrival;
	struct eio_decision decision = pending->decision;

	pending->decision = (struct eio_decision){0};
	pending_free(pending);
	if (all != NULL && r != NULL)
		all->decided(all, r, arrival, &decision);
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
	struct eio_pending *pending = user;

	(void)r;
	pending->request = NULL;
}

static const struct http_exchange_ops pending_ops = {.on_abort = pending_aborted};

void
eio_pending_ask(struct eio_pendings *pendings, struct http_request *r, struct eio_arrival arrival)
{
	struct eio_pending *pending;

	if (pendings->ops->on_allow == NULL) {
		pendings->decided(pendings, r, arrival, &(struct eio_decision){.allowed = true});
		return;
	}
	pending = small_zalloc(sizeof(*pending));
	pending->all = pendings;
	pending->request = r;
	pending->arrival = arrival;
	list_init(&pending->link);
	list_add_tail(&pendings->list, &pending->link);
	pendings->count++;
	loop_call_init(&pending->call, pending_run);
	http_wait(r, &pending_ops, pending, 0);
	pending->asking = true;
	pendings->ops->on_allow(pendings->arg, pending, r);
	pending->asking = false;
	if (pending->decided)
		pending_finish(pending);
}

/* Takes ownership of the texts of the decision. */
static void
pending_decide(struct eio_pending *pending, struct eio_decision decision)
{
	must(!pending->decided); /* decided twice */
	pending->decided = true;
	pending->decision = decision;
	if (pending->all == NULL)
		pending_free(pending);
	else if (!pending->asking)
		loop_defer(pending->all->loop, &pending->call);
}

void
eio_allow(struct eio_pending *pending)
{
	pending_decide(pending, (struct eio_decision){.allowed = true});
}

void
eio_allow_as(struct eio_pending *pending, uint32_t ticket)
{
	pending->arrival.ticket = ticket;
	eio_allow(pending);
}

void
eio_refuse(struct eio_pending *pending, const char *message)
{
	/* if memory for the message runs out, the client gets the default message */
	pending_decide(pending,
		(struct eio_decision){.message = message != NULL ? mem_try_text(message, strlen(message)) : NULL});
}

void
eio_answer(struct eio_pending *pending, int status, const char *content_type, struct text body)
{
	struct eio_decision decision = {.status = status,
		.type = content_type != NULL ? mem_try_text(content_type, strlen(content_type)) : NULL,
		.body = mem_try_text(body.n != 0 ? body.at : "", body.n),
		.body_len = body.n};

	if (decision.body == NULL || (content_type != NULL && decision.type == NULL)) {
		decision_free(&decision);
		decision = (struct eio_decision){.status = 503};
	}
	pending_decide(pending, decision);
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
		struct eio_pending *pending = list_entry(it, struct eio_pending, link);

		if (pending->request != NULL)
			http_destroy(pending->request, REASON_SHUTDOWN);
		pending->request = NULL;
		if (pending->decided) {
			pending_free(pending);
			continue;
		}
		list_remove(&pending->link);
		pending->all = NULL;
		pendings->count--;
	}
}
