/* Those who asked, while their answers are on the way. */
#include "broker/broker_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

struct broker_reply {
	struct list link;	/* in nsp->replies */
	struct broker_nsp *nsp; /* NULL: freed meanwhile */
	unsigned refs;
	bool counted, answered;
	size_t id_n;
	char id[];
};

struct broker_reply *
broker_reply_new(struct broker_nsp *n, struct text request_id)
{
	/* small: wire_read() takes no id longer than 128 bytes */
	struct broker_reply *r = mem_zalloc(sizeof *r + request_id.n);

	r->nsp = n;
	r->refs = 1;
	r->id_n = request_id.n;
	memcpy(r->id, request_id.at, request_id.n);
	list_add_tail(&n->replies, &r->link);
	return r;
}

struct broker_reply *
broker_reply_ref(struct broker_reply *r)
{
	r->refs++;
	return r;
}

void
broker_reply_unref(struct broker_reply *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	list_remove(&r->link);
	mem_free(r);
}

void
broker_replies_end(struct broker_nsp *n)
{
	while (!list_empty(&n->replies)) {
		struct broker_reply *r = container_of(n->replies.next, struct broker_reply, link);

		list_remove(&r->link);
		r->nsp = NULL;
	}
}

static void
send_answer(struct broker_reply *r, int rc)
{
	struct broker *b = r->nsp->broker;

	rc = broker_publish(r->nsp, BUS_RESPONSE, TEXT_NONE, rc);
	if (rc < 0)
		broker_unsent(b, broker_channel(r->nsp, BUS_RESPONSE), rc);
}

static struct text
id_of(const struct broker_reply *r)
{
	return text_of(r->id, r->id_n);
}

void
broker_reply_count(struct broker_reply *r, uint64_t clients)
{
	if (r->nsp == NULL || r->counted)
		return;
	r->counted = true;
	send_answer(r, wire_write_count_reply(&r->nsp->broker->out, id_of(r), clients));
}

void
broker_reply_ack(struct broker_reply *r, struct text json, const struct attachments *attachments)
{
	if (r->nsp != NULL)
		send_answer(r, wire_write_ack_reply(&r->nsp->broker->out, id_of(r), json, attachments));
}

void
broker_reply_server_emit(struct broker_reply *r, struct text json, const struct attachments *attachments)
{
	if (r->nsp == NULL || r->answered)
		return;
	r->answered = true;
	send_answer(r, wire_write_server_emit_reply(&r->nsp->broker->out, id_of(r), json, attachments));
}
