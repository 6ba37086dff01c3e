/* Replies: the addresses of askers whose answers are still outstanding on this node. */
#include "broker/broker_internal.h"
#include "common/base/error.h"
#include "common/base/mem.h"

struct broker_reply {
	struct list link;	/* in nsp->replies */
	struct broker_nsp *nsp; /* NULL: the namespace has been freed */
	unsigned refs;
	bool counted, answered;
	size_t id_n;
	char id[];
};

struct broker_reply *
broker_reply_new(struct broker_nsp *nsp, struct text request_id)
{
	/* small: wire_read_request() limits ids to 128 bytes */
	struct broker_reply *reply = mem_zalloc(sizeof *reply + request_id.n);

	reply->nsp = nsp;
	reply->refs = 1;
	reply->id_n = request_id.n;
	memcpy(reply->id, request_id.at, request_id.n);
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
	struct broker *broker = reply->nsp->broker;

	rc = broker_publish(reply->nsp, BUS_RESPONSE, TEXT_NONE, rc);
	if (rc < 0)
		broker_answer_lost(broker, broker_channel(reply->nsp, BUS_RESPONSE), rc);
}

static struct text
reply_id(const struct broker_reply *reply)
{
	return text_of(reply->id, reply->id_n);
}

void
broker_reply_count(struct broker_reply *reply, uint64_t clients)
{
	if (reply->nsp == NULL || reply->counted)
		return;
	reply->counted = true;
	reply_publish(reply, wire_write_count_reply(&reply->nsp->broker->out, reply_id(reply), clients));
}

void
broker_reply_ack(struct broker_reply *reply, struct text json, const struct attachments *attachments)
{
	if (reply->nsp != NULL)
		reply_publish(
			reply, wire_write_ack_reply(&reply->nsp->broker->out, reply_id(reply), json, attachments));
}

void
broker_reply_server_emit(struct broker_reply *reply, struct text json, const struct attachments *attachments)
{
	if (reply->nsp == NULL || reply->answered)
		return;
	reply->answered = true;
	reply_publish(
		reply, wire_write_server_emit_reply(&reply->nsp->broker->out, reply_id(reply), json, attachments));
}
