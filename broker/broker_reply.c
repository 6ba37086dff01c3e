/* Replies: the addresses of askers whose answers are still outstanding on this node. */
#include "broker/broker_internal.h"
#include "common/base/mem.h"
#include "common/base/must.h"

struct broker_reply {
	struct list link;	/* in nsp->replies */
	struct broker_nsp *nsp; /* NULL: the namespace has been freed */
	unsigned refs;
	bool counted, answered;
	size_t asker_n, id_n;
	char names[]; /* the uid of the asking node, then the id of its request */
};

struct broker_reply *
broker_reply_new(struct broker_nsp *nsp, struct text asker, struct text request_id)
{
	struct broker_reply *reply;

	must(asker.n <= WIRE_ID_MAX && request_id.n <= WIRE_ID_MAX); /* so the struct is small */
	reply = mem_zalloc(sizeof *reply + asker.n + request_id.n);

	reply->nsp = nsp;
	reply->refs = 1;
	reply->asker_n = asker.n;
	reply->id_n = request_id.n;
	if (asker.n > 0) /* an emitter may leave out its uid */
		memcpy(reply->names, asker.at, asker.n);
	memcpy(reply->names + asker.n, request_id.at, request_id.n);
	list_add_tail(&nsp->replies, &reply->link);
	return reply;
}

struct broker_reply *
broker_reply_ref(struct broker_reply *reply)
{
	reply->refs++;
	return reply;
}

void
broker_reply_unref(struct broker_reply *reply)
{
	if (reply == NULL || --reply->refs > 0)
		return;
	list_remove(&reply->link);
	mem_free(reply);
}

void
broker_replies_end(struct broker_nsp *nsp)
{
	while (!list_empty(&nsp->replies)) {
		struct broker_reply *reply = container_of(nsp->replies.next, struct broker_reply, link);

		list_remove(&reply->link);
		reply->nsp = NULL;
	}
}

static void
reply_publish(struct broker_reply *reply, int rc)
{
	broker_publish_answer(reply->nsp, text_of(reply->names, reply->asker_n), rc);
}

static struct wire_from
reply_from(const struct broker_reply *reply)
{
	return broker_from(reply->nsp, text_of(reply->names + reply->asker_n, reply->id_n));
}

void
broker_reply_count(struct broker_reply *reply, uint64_t clients)
{
	struct broker *broker;
	struct wire_from from;

	if (reply->nsp == NULL || reply->counted)
		return;
	reply->counted = true;
	broker = reply->nsp->broker;
	from = reply_from(reply);
	reply_publish(reply, broker->codec->write_count_reply(&broker->out, &from, clients));
}

void
broker_reply_ack(struct broker_reply *reply, struct text json, const struct attachments *attachments)
{
	struct broker *broker;
	struct wire_from from;

	if (reply->nsp == NULL)
		return;
	broker = reply->nsp->broker;
	from = reply_from(reply);
	reply_publish(reply, broker->codec->write_ack_reply(&broker->out, &from, json, attachments));
}

void
broker_reply_server_emit(struct broker_reply *reply, struct text json, const struct attachments *attachments)
{
	struct broker *broker;
	struct wire_from from;

	if (reply->nsp == NULL || reply->answered)
		return;
	reply->answered = true;
	broker = reply->nsp->broker;
	from = reply_from(reply);
	reply_publish(reply, broker->codec->write_server_emit_reply(&broker->out, &from, json, attachments));
}
