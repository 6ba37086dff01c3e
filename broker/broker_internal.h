/* Declarations shared by the broker_*.c files. */
#ifndef BROKER_BROKER_INTERNAL_H
#define BROKER_BROKER_INTERNAL_H

#include "broker/answerers.h"
#include "broker/broker.h"
#include "broker/broker_joined.h"
#include "broker/wire_codec.h"
#include "broker/seal.h"
#include "common/base/table.h"
#include "common/io/log.h"

struct broker {
	struct loop *loop;
	const struct broker_ops *ops;
	const struct bus_form *form;
	const struct wire_codec *codec; /* the codec of the form */
	struct bus_end *end;
	struct seal *seal; /* NULL: messages are not sealed */
	uint64_t requests_timeout_ms;
	bool visitor;
	uint64_t visitor_events; /* recorded broadcasts of a visitor, counted also if the bus keeps no log */
	bool keeper;
	bool by_stream;
	struct members *members; /* NULL after broker_close() */
	struct bus_presence presence;
	uint64_t (*clients)(void *arg);
	void *clients_arg;
	struct list nsps;
	struct table questions; /* struct question by request id */
	struct table handles;	/* struct question by handle */
	struct list ended;	/* struct question that end at the end of the turn */
	struct wheel_entry recount_timer;
	bool recounting;				       /* the timer runs */
	const struct member_record *silent[BROKER_SILENT_MAX]; /* of the question that ends now */
	unsigned silent_count;
	struct loop_call call;
	struct list answering;	  /* struct answering, in order of arrival */
	uint64_t answering_names; /* bytes of their names */
	struct loop_call answering_call;
	struct list readings;	 /* struct list_reading, in order of arrival */
	uint64_t readings_bytes; /* of their messages */
	struct loop_call reading_call;
	uint64_t last_handle;
	bool warned_of_mode;	     /* logged that another node has another subscription mode */
	struct wire_message message; /* the incoming message being handled */
	struct buffer out;	     /* scratch buffer for the outgoing message */
	struct buffer entry;	     /* the message of broker_stream_read() */
	struct broker_stats stats;
	struct log_limit log_limit;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct broker_nsp {
	struct list link;
	struct broker *broker;
	void *owner;
	struct bus_member member; /* unused with bus_alone */
	char uid[WIRE_ID_LENGTH_MAX];
	unsigned others; /* other nodes in the namespace at the last count */
	struct bus_count recount;
	struct list questions; /* struct question */
	struct list held;      /* struct question not sent yet: the namespace does not receive answers yet */
	struct list replies;   /* struct broker_reply */
	struct broker_joined joined;
	size_t name_n;
	char name[];
};

static inline struct text
broker_nsp_name(const struct broker_nsp *nsp)
{
	return text_of(nsp->name, nsp->name_n);
}

static inline struct text
broker_nsp_uid(const struct broker_nsp *nsp)
{
	return text_of(nsp->uid, nsp->broker->codec->id_length);
}

/* `request_id` is TEXT_NONE for a statement. */
static inline struct wire_from
broker_from(const struct broker_nsp *nsp, struct text request_id)
{
	return (struct wire_from){broker_nsp_uid(nsp), broker_nsp_name(nsp), request_id, nsp->broker->presence.id};
}

/* Returns NULL if the message has no attachments. */
static inline const struct attachments *
broker_attachments(const struct wire_message *decoded)
{
	return decoded->attachments.count > 0 ? &decoded->attachments : NULL;
}

struct bus_keep;
/* broker_keep.c: sends and releases the block. Returns ERROR_MEMORY if the block is NULL. */
int broker_keep_send_block(struct broker *broker, struct bus_keep *keep, struct block *message);

/* Returns the number that the keeper has given the event, and takes it off the payload; 0: it has none. */
uint64_t broker_keep_number(const struct broker *broker, struct text *payload);

/*
 * Publishes broker->out. If `rc` is negative, writing the message has failed: the message is dropped and `rc` is
 * returned. `address` is as in struct bus_form.
 */
int broker_publish(struct broker_nsp *nsp, enum bus_kind kind, struct text address, int rc);

/* Publishes broker->out as an answer to the node `asker`. `rc` is as above; an error is counted and logged. */
void broker_publish_answer(struct broker_nsp *nsp, struct text asker, int rc);

/*
 * Seals broker->out, returns it as a block and empties the buffer. Returns NULL with the error in `*rc` if the
 * message cannot be made or `*rc` was negative already.
 */
struct block *broker_take_payload(struct broker_nsp *nsp, enum bus_kind kind, struct text address, int *rc);

/*
 * Checks and removes the seal of an incoming message. Returns false and counts the message as forged if the seal is
 * wrong. Always returns true if the broker has no secret.
 */
bool broker_check_seal(struct broker *broker, struct text channel, struct text *payload);

/* Counts an incoming message without a valid seal; logs it at most once a second. */
void broker_count_forged(struct broker *broker, struct text channel);

/* Counts an incoming message that cannot be used; logs it at most once a second. */
void broker_drop_message(struct broker *broker, struct text channel, int error);
/*
 * Counts an answer to another node that could not be encoded or sent, and logs it at most once a second. The asker
 * does not get the answer.
 */
void broker_answer_lost(struct broker_nsp *nsp, struct text asker, int error);

/* broker_nsp.c: what the form of the bus calls */
extern const struct bus_form_ops broker_form_ops;

/* broker_stream.c */
void broker_on_own(struct bus_member *member, uint64_t number, uint64_t entry);
void broker_on_direct(struct bus_member *member, struct text channel, struct text payload);

/* An event as text, or as MessagePack. */
struct broker_event {
	struct text data;
	const struct attachments *attachments;
	const struct wire_outgoing *late; /* NULL: text */
};

/* Writes a broadcast to broker->out. `apart`: it goes to the channel of its only room. */
int broker_write_broadcast(
	struct broker_nsp *nsp, const struct wire_target *to, bool apart, const struct broker_event *event);

/* broker_respond.c */
void broker_on_request(struct broker_nsp *nsp, const struct bus_message *message);
void broker_respond(struct broker_nsp *nsp, const struct wire_message *decoded); /* a request of another node */

/* broker_answering.c: answers with the sockets that match, their ids, or all rooms, as the question's type says */
void broker_answer_list(struct broker_nsp *nsp, const struct wire_message *decoded, const struct wire_target *who);
void broker_answering_init(struct broker *broker);
void broker_answering_end(struct broker_nsp *nsp);
void broker_answering_fini(struct broker *broker);

/* broker_reading.c */
/* Returns true if the message is a long answer, which is read over the next turns, or dropped. */
bool broker_read_list(struct broker_nsp *nsp, const struct bus_message *message);
void broker_readings_init(struct broker *broker);
void broker_readings_end(struct broker_nsp *nsp);
void broker_readings_fini(struct broker *broker);

/* broker_reply.c */
struct broker_reply *broker_reply_new(struct broker_nsp *nsp, struct text asker, struct text request_id);
void broker_replies_end(struct broker_nsp *nsp);

/* broker_question_answers.c */
/* Handles a message on the channel of answers. */
void broker_on_response(struct broker_nsp *nsp, const struct bus_message *message);
/*
 * Decides what to do with an answer that could be read in parts. `node` names the member that answers; empty:
 * unknown. On BROKER_EXPECTS_LIST, `*question` is the handle of the question.
 */
enum broker_expects {
	BROKER_EXPECTS_LIST,
	BROKER_EXPECTS_NOTHING, /* the question is not of this node or has ended, or the member has answered it */
	BROKER_EXPECTS_OTHER
};
enum broker_expects broker_question_expects(
	struct broker_nsp *nsp, struct text request_id, struct text node, uint64_t *question);
/* Returns true if the question with this handle has not ended. */
bool broker_question_lives(const struct broker *broker, uint64_t question);
/* Passes up a part of the list. The question must live; the callee may end it. */
void broker_question_part(
	struct broker *broker, uint64_t question, struct text json, const struct attachments *attachments);
/* Counts an answer. `pass_up`: its value goes up first; otherwise its parts have gone up already. */
void broker_question_answered(struct broker_nsp *nsp, const struct wire_message *decoded, bool pass_up);

/* broker_recount.c */
/* Members have become silent, were lost or have left: questions that waited for them may end. */
void broker_questions_members_changed(struct broker *broker);

/* broker_question.c */
void broker_questions_settled(struct broker_nsp *nsp); /* the namespace receives answers now, or the bus is down */
/* Ends all questions of a namespace that is being freed, with ERROR_CLOSED. */
void broker_questions_end(struct broker_nsp *nsp);
/* Calls on_end for the questions that have ended in this turn. Called at the end of the turn. */
void broker_questions_report(struct broker *broker);
void broker_questions_init(struct broker *broker);
void broker_questions_fini(struct broker *broker);   /* all namespaces must have been freed */
void broker_questions_begin(struct broker_nsp *nsp); /* initialises the lists of a new namespace */

#endif
