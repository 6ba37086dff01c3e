/* What the files of the broker share. */
#ifndef BROKER_BROKER_INTERNAL_H
#define BROKER_BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/seal.h"
#include "common/io/log.h"

struct broker {
	struct loop *loop;
	const struct broker_ops *ops;
	struct bus *bus; /* NULL: alone */
	enum broker_form form;
	char *key;
	struct seal *seal; /* NULL: none */
	uint64_t requests_timeout_ms;
	struct list nsps;
	struct table questions; /* struct question by request id */
	struct table handles;	/* the same by handle */
	struct list ended;	/* struct question whose end is told at the end of the turn */
	struct loop_call call;
	uint64_t last_handle;
	struct wire_message message; /* the one being read */
	struct buffer out, channel;  /* scratch of what is being written */
	struct broker_stats stats;
	struct log_limit log_limit;
	void (*closed)(void *arg);
	void *closed_arg;
};

enum { BROKER_BROADCASTS, BROKER_REQUESTS, BROKER_RESPONSES, BROKER_OWN_RESPONSES, BROKER_CHANNELS };

struct broker_nsp {
	struct list link;
	struct broker *broker;
	void *owner;
	char uid[WIRE_UID_LENGTH];
	struct bus_subscription subscriptions[BROKER_CHANNELS];
	char *channels[BROKER_CHANNELS];
	struct list questions; /* struct question */
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

/* Publishes b->out on a channel, unless `rc` tells that writing it failed; then the result is that. */
int broker_publish(struct broker *b, struct text channel, int rc);

/* True: the message is of somebody who knows the secret, if there is one; the tag is off. Else it is counted. */
bool broker_open_seal(struct broker *b, struct text channel, struct text *payload);

/* A message that cannot be used: counted, and logged now and then. */
void broker_refuse(struct broker *b, struct text channel, int error);

/* broker_respond.c */
void broker_on_request(struct bus_subscription *s, struct text channel, struct text payload);

/* broker_reply.c */
struct broker_reply *broker_reply_new(struct broker_nsp *n, struct text request_id);
void broker_replies_end(struct broker_nsp *n);

/* broker_question.c */
void broker_on_response(struct bus_subscription *s, struct text channel, struct text payload);
void broker_on_own_response(struct bus_subscription *s, struct text channel, struct text payload);
void broker_questions_end(struct broker_nsp *n);
void broker_questions_tell(struct broker *b); /* end of turn */

struct broker_nsp *broker_nsp_of(struct bus_subscription *s, unsigned which);

#endif
