/*
 * Declarations shared by the files of the log: bus_log.c has its life and calls the scripts, bus_log_write.c records
 * messages, bus_log_hear.c handles the messages that are heard, bus_log_read.c catches up.
 */
#ifndef BROKER_BUS_LOG_INTERNAL_H
#define BROKER_BUS_LOG_INTERNAL_H

#include "broker/bus_log.h"
#include "broker/bus_log_scripts.h"
#include "broker/bus_senders.h"
#include "broker/bus_store.h"
#include "broker/log_marks.h"
#include "broker/wire.h"

#define LOG_BATCH_MAX 16	       /* messages in one entry */
#define LOG_BATCH_BYTES_MAX (64 << 10) /* an entry gets no further message beyond this */
/* maximum bytes of an entry: the batch before its last message, that message, and what is added to each */
#define LOG_ENTRY_MAX (WIRE_PAYLOAD_MAX + (256 << 10))

/*
 * One answer of the script that reads, which is handled in one turn: about so many messages, and no further entry
 * after so many bytes.
 */
#define LOG_READ_MESSAGES 256
#define LOG_READ_BYTES (1 << 20)

#define COUNTER_END "-count" /* of the name of the counter's key */
#define LOG_RUN_ID_MAX 64
#define LOG_ERROR_MAX 512 /* longer ones are cut off; MOVED with the longest name of a host fits */

struct bus_log {
	struct bus *bus;
	char *stream, *counter; /* keys */
	uint64_t length;
	char sender[BUS_SENDER_LENGTH + 1];
	bool sealed;
	bool active;   /* the server of this connection keeps a log, as far as known */
	bool flushes;  /* what waits is sent at the end of this turn */
	bool renumber; /* the doubtful messages that are missing get new numbers, because their order may be broken */
	bool introduced, answered; /* the introduction was sent and answered on this connection */
	bool refused; /* the server has refused the log once on this connection; the next refusal is final */
	bool waits;   /* the check message has come back, but the introduction is not answered yet */
	char run_id[LOG_RUN_ID_MAX]; /* of the process that the command link leads to; empty: unknown */
	int64_t client;		     /* number of the command link at the server; 0: unknown */
	/* run_id and client of the last connection that was lost with unanswered messages */
	char doubtful_run_id[LOG_RUN_ID_MAX];
	int64_t doubtful_client;
	char error[LOG_ERROR_MAX]; /* the first error of the transaction that is being answered; empty: none */
	struct log_marks marks;
	uint64_t last_number;
	uint64_t last_event; /* number of the newest event that was sent (bus_record()) */
	bool hole;	     /* events after last_event were dropped */
	struct log_script {
		struct text text;
		char sha[LOG_SCRIPT_SHA_LENGTH];
		bool loaded; /* on this connection */
	} scripts[LOG_SCRIPT_COUNT];
	struct list sent, doubtful; /* struct waiting_publish: not answered, and sent on an older connection */
	size_t sent_bytes;
	struct loop_call flush;

	bool known;		      /* there is a position */
	bool behind;		      /* messages may have been missed since */
	bool reading;		      /* the log is being read */
	unsigned reads;		      /* calls of the script without an answer; only the last answer counts */
	bool gap;		      /* a gap has been counted since the bus was away */
	bool met;		      /* the entry at the position has been read, so nothing after it is missing */
	struct bus_position position; /* everything up to here has been handled */
	struct bus_position latest;   /* the newest one that came on the command link; messages are stamped with it */
	struct bus_position floor;    /* this node's unanswered messages come after it */
	struct bus_position head;     /* of the last check message */
	struct bus_position from;     /* the next read starts here */
	uint64_t deadline;	      /* of the reading, in loop time */
	uint64_t entries;	      /* entries read so far */
	unsigned messages;	      /* read with the last answer */
	unsigned read_count;	      /* maximum entries of the next answer */

	struct list held; /* struct held_message */
	size_t held_bytes;
	bool overflowed; /* held messages were dropped; they are read from the log */

	uint64_t check_sent; /* loop time */
	bool clock_known;
	int64_t clock_ahead; /* the server's clock minus loop time, in ms; never below the true difference */

	struct bus_senders senders; /* other nodes; `at` is the number of the newest message that was read, or 0 */
	struct table rooms;	    /* struct log_room: those that appeared while behind */
	struct bus_point point; /* where this node is in the log; point.event belongs to the message in delivery */
	/* The message that was heard last, and the subscription by which it came. */
	struct log_heard {
		char sender[BUS_SENDER_LENGTH];
		uint64_t number; /* 0: no such message, or a repeat */
		struct bus_position position;
		bool prefix;
		size_t name_n;
	} heard;
};

/* bus_log.c */
void bus_log_send_read(struct bus_log *log);

/* bus_log_write.c */
void bus_log_introduce(struct bus_log *log);
/* Ends the connection that the doubtful messages were sent on, so that the server does not execute them any more. */
void bus_log_end_old_connection(struct bus_log *log);
void bus_log_count_published(struct bus_log *log, const struct waiting_publish *publish);

/* bus_log_read.c. The answer to the introduction has come. Returns false if the bus is lost. */
bool bus_log_on_introduced(struct bus_log *log);
/* The answer of the script that reads. Returns false if the bus is lost. */
bool bus_log_on_read(struct bus_log *log, struct text answer);

/* bus_log_hear.c */
void bus_log_forget(struct bus_log *log); /* frees the held messages, and forgets senders and rooms */
void bus_log_forget_held(struct bus_log *log);
void bus_log_forget_rooms(struct bus_log *log);
bool bus_log_is_own(const struct bus_log *log, struct text sender);
/* Returns false if a message that was read from the log had been heard or read before. */
bool bus_log_reads_new(struct bus_log *log, const struct bus_stamp *stamp);
/* Everything up to the position has been handled. */
void bus_log_reach(struct bus_log *log, struct bus_position position);
/* Everything before this message has been handled, and it is the next one to be delivered. */
void bus_log_reach_message(struct bus_log *log, const struct bus_stamp *stamp);
/* The node has caught up: delivers the held messages that were not read. Makes up-calls. */
void bus_log_deliver_held(struct bus_log *log);
/* Returns the server's time in ms at which the room appeared while the node was behind, or 0. */
uint64_t bus_log_room_since(const struct bus_log *log, struct text channel);

#endif
