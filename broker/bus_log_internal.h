/* Declarations shared by the files of the log: bus_log.c sends, bus_log_read.c hears and catches up. */
#ifndef BROKER_BUS_LOG_INTERNAL_H
#define BROKER_BUS_LOG_INTERNAL_H

#include "broker/bus_log.h"
#include "broker/bus_log_scripts.h"
#include "broker/wire.h"

/* One answer of the script that reads: at most so many entries, and no further one after so many bytes. */
#define LOG_READ_COUNT "256"
#define LOG_READ_BYTES "1048576"

struct bus_log {
	struct bus *bus;
	char *stream, *fence; /* keys */
	char length[24];
	char sender[BUS_SENDER_LENGTH + 1];
	bool sealed;
	bool active;   /* the server of this connection keeps a log, as far as known */
	bool flushes;  /* what waits is sent at the end of this turn */
	bool renumber; /* the doubtful messages that are missing get new numbers, because their order may be broken */
	uint64_t epoch; /* number of the command connection */
	uint64_t last_number;
	struct log_script {
		char *text, sha[LOG_SCRIPT_SHA_LENGTH];
		bool loaded; /* on this connection */
	} scripts[LOG_SCRIPT_COUNT];
	/* struct waiting_publish: not answered, refused and to be sent again, sent on an older connection */
	struct list sent, refused, doubtful;
	size_t sent_bytes;
	struct loop_call flush;

	bool known;		      /* there is a position */
	bool behind;		      /* messages may have been missed since */
	bool reading;		      /* the log is being read */
	unsigned reads;		      /* answers of the script that are still to come; only the last one counts */
	bool gap;		      /* one was counted since the bus was away */
	bool met;		      /* the entry of the position has been read, so nothing is missing behind it */
	struct bus_position position; /* the newest that was handled */
	struct bus_position floor;    /* own messages without an answer are behind it */
	struct bus_position head;     /* of the last check message */
	struct bus_position from;     /* read next, from here */
	struct bus_position read_to;  /* what is not newer has been read; 0-0 when no such message comes any more */
	uint64_t deadline;	      /* of the reading, in loop time */
	uint64_t entries;	      /* read so far */

	struct list held; /* struct held_message */
	size_t held_bytes;
	bool overflowed; /* held messages were dropped; they are read from the log */

	uint64_t check_sent; /* loop time */
	bool clock_known;
	int64_t clock_ahead; /* the server's clock minus loop time, in ms; not less than the truth */

	struct table senders; /* struct log_sender */
	struct table rooms;   /* struct log_room: those that appeared while behind */
};

/* bus_log.c */
void bus_log_send_read(struct bus_log *log);
void bus_log_send_fence(struct bus_log *log);
void bus_log_count_published(struct bus_log *log, const struct waiting_publish *publish);

/* bus_log_read.c: the answer of the script that reads. Returns false if the bus is lost. */
bool bus_log_on_read(struct bus_log *log, struct text answer);
void bus_log_forget(struct bus_log *log); /* frees what is held and known */

#endif
