/* What the files of the broker share. */
#ifndef BROKER_BROKER_INTERNAL_H
#define BROKER_BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/seal.h"
#include "common/base/table.h"
#include "common/io/log.h"

struct broker {
	struct loop *loop;
	const struct broker_ops *ops;
	const struct bus_form *form;
	struct bus_end *end;
	struct seal *seal; /* NULL: none */
	uint64_t requests_timeout_ms;
	bool visitor;
	struct list nsps;
	struct table questions; /* struct question by request id */
	struct table handles;	/* the same by handle */
	struct list ended;	/* struct question whose end is told at the end of the turn */
	struct loop_call call;
	uint64_t last_handle;
	struct wire_message message; /* the one being read */
	struct buffer out;	     /* scratch of what is being written */
	struct broker_stats stats;
	struct log_limit log_limit;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct broker_nsp {
	struct list link;
	struct broker *broker;
	void *owner;
	struct bus_member member; /* not alone */
	char uid[WIRE_UID_LENGTH];
	unsigned others;       /* nodes that have it, when last counted */
	struct list questions; /* struct question */
	struct list held;      /* those that wait until the answers will be heard */
	struct list replies;   /* struct broker_reply */
	size_t name_n;
	char name[];
};

static inline struct text
broker_nsp_name(const struct broker_nsp *n)
{
	return text_of(n->name, n->name_n);
}

static inline struct text
broker_nsp_uid(const struct broker_nsp *n)
{
	return text_of(n->uid, sizeof n->uid);
}

/* Attachments where there are some. */
static inline const struct attachments *
broker_attachments(const struct wire_message *m)
{
	return m->attachments.count > 0 ? &m->attachments : NULL;
}

/* The way of messages that are not for one room alone, for log lines. */
static inline struct text
broker_channel(struct broker_nsp *n, enum bus_kind kind)
{
	return n->broker->form->channel(n->broker->end, &n->member, kind, TEXT_NONE);
}

/* Publishes b->out, unless `rc` tells that writing it failed; then the result is that. `room`: see bus_form. */
int broker_publish(struct broker_nsp *n, enum bus_kind kind, struct text room, int rc);

/* What broker_publish() publishes: b->out with its seal, which is empty then. NULL: `*rc` has the error. */
struct block *broker_finish(struct broker_nsp *n, enum bus_kind kind, struct text room, int *rc);

/* True: the message is of somebody who knows the secret, if there is one; the tag is off. Else it is counted. */
bool broker_open_seal(struct broker *b, struct text channel, struct text *payload);

/* A message of another node that cannot be used: counted, and logged now and then. */
void broker_refuse(struct broker *b, struct text channel, int error);
/* The same for an answer of this node that could not be made or sent: whoever asked goes without. */
void broker_unsent(struct broker *b, struct text channel, int error);

/* broker_respond.c */
void broker_on_request(struct broker_nsp *n, const struct bus_message *message);

/* broker_reply.c */
struct broker_reply *broker_reply_new(struct broker_nsp *n, struct text request_id);
void broker_replies_end(struct broker_nsp *n);

/* broker_question.c */
void broker_on_response(struct broker_nsp *n, const struct bus_message *message);
void broker_questions_settled(struct broker_nsp *n); /* answers are heard now, or the bus is down */
void broker_questions_end(struct broker_nsp *n);
void broker_questions_tell(struct broker *b); /* end of turn */

#endif
