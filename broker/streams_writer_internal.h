/*
 * Declarations shared by the files of the writer: streams_writer.c has the states, streams_queue.c the messages that
 * wait, streams_check.c looks for messages whose answers were lost.
 */
#ifndef BROKER_STREAMS_WRITER_INTERNAL_H
#define BROKER_STREAMS_WRITER_INTERNAL_H

#include "broker/bus_link.h"
#include "broker/streams_parser.h"
#include "broker/streams_writer.h"
#include "common/io/log.h"

#define RUN_ID_MAX 64

enum writer_state {
	WRITER_RESTING,
	WRITER_CONNECTING,
	WRITER_NAMING,
	WRITER_CHECKING,
	WRITER_WRITING,
	WRITER_PAUSING,
	WRITER_CLOSING,
	WRITER_CLOSED
};

struct writer_message {
	struct list link; /* in `waiting`, `sent` or `kept` */
	struct block *command;
	uint64_t since; /* loop time at which it was queued */
	uint32_t fields;
	unsigned stream;
	bool doubtful;		      /* sent on an earlier connection; this server may not have it */
	uint64_t answered;	      /* loop time of the answer; 0: none has come */
	struct wire_stream_id before; /* of an answered message: an entry that came before it */
};

struct writer_stream {
	struct text name;
	bool known;		    /* `low` is known */
	struct wire_stream_id low;  /* no entry up to this one is an unanswered message */
	bool there;		    /* the server still has the entry `low` */
	struct wire_stream_id seen; /* newest entry read while checking */
	unsigned entries;	    /* of the last answer */
	struct list *next; /* the message after the last one found, where the search goes on; NULL: none was found */
	bool found;	   /* `next` was set when the streams had been read */
};

struct writer_question {
	enum { ASK_SERVER, ASK_CLIENT, ASK_KILL, ASK_NEWEST, ASK_LOW, ASK_TAIL } kind;
	struct writer_stream *stream; /* of ASK_NEWEST, ASK_LOW and ASK_TAIL */
};

struct streams_writer {
	struct loop *loop;
	const struct streams_writer_ops *ops;
	void *arg;
	struct bus_link link;
	struct streams_parser parser;
	struct wheel_entry timer; /* the pause, the deadline of an answer, or that of the flush */
	struct loop_call call;	  /* reports the end */
	enum writer_state state;
	bool retries;
	bool careful; /* the server refused a message: send one at a time until one is accepted */
	unsigned attempts;
	uint64_t max_queue, max_age_ms, timeout_ms, read_before, flush_until;
	struct log_limit log_limit;
	struct list waiting, sent; /* struct writer_message */
	struct list kept;	   /* answered messages, the oldest first; another server may lack them */
	uint64_t waiting_bytes, sent_bytes, kept_bytes;
	char kept_run_id[RUN_ID_MAX]; /* of the process that has answered them; empty: unknown */
	char run_id[RUN_ID_MAX];      /* of the process that this connection leads to; empty: unknown */
	int64_t client;		      /* number of this connection at the server; 0: unknown */
	char last_run_id[RUN_ID_MAX];
	int64_t last_client; /* this and last_run_id: of the last connection with unanswered messages */
	char *names;
	unsigned count, questions_max;
	unsigned asked, answered;
	struct writer_question *questions; /* a ring */
	uint64_t published, bytes, dropped, refused, expired, uncertain, malformed, connects;
	void (*closed)(void *arg, uint64_t left_ms);
	void *closed_arg;
	struct writer_stream streams[];
};

/* streams_writer.c */
void streams_writer_arm(struct streams_writer *writer, uint64_t after_ms); /* the deadline of an answer */
void streams_writer_start_writing(struct streams_writer *writer); /* the streams have been read to their ends */

/* streams_queue.c */
size_t streams_message_cost(const struct writer_message *message);
void streams_message_free(struct writer_message *message);
struct writer_message *streams_message_first(struct list *list); /* NULL: the list is empty */
void streams_writer_drop_waiting(struct streams_writer *writer, struct writer_message *message);
/* Sends waiting messages until enough are unanswered. */
void streams_writer_send(struct streams_writer *writer);
/* Counts a message that the server has, once. */
void streams_writer_count_published(struct streams_writer *writer, const struct writer_message *message);
/* The oldest sent message has been answered: keeps it, because a server that replaces this one may lack it. */
void streams_writer_keep(struct streams_writer *writer, struct writer_message *message, struct wire_stream_id before);
void streams_writer_forget_kept(struct streams_writer *writer);
/* The server is another process: the kept messages become doubtful, and wait before all others. */
void streams_writer_doubt_kept(struct streams_writer *writer);
bool streams_writer_is_open(const struct streams_writer *writer); /* sends messages */

/* streams_check.c */
void streams_writer_ask_names(
	struct streams_writer *writer); /* which process the server is, and which connection this is */
/* The oldest unanswered question, or NULL. */
const struct writer_question *streams_writer_question(const struct streams_writer *writer);
bool streams_writer_may_refuse(const struct writer_question *question);
void streams_writer_on_question_answered(struct streams_writer *writer, const struct resp_item *answer);
bool streams_writer_on_entry(void *arg, const struct wire_stream_entry *entry);
bool streams_writer_on_too_big(void *arg, struct wire_stream_id id);
/* The search is over. The server lacks the remaining doubtful messages, or the writer cannot tell. */
void streams_writer_resolve_doubts(struct streams_writer *writer);

#endif
