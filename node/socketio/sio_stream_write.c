/*
 * The writes of sessions to Redis, whose answers are checked. If Redis refuses a record, because its memory is full
 * or an ACL forbids it, it still has an older one, with which the client would come back with wrong rooms or data. So
 * the older record is removed. The newest command of a session decides what follows:
 *
 *   Redis has not taken                what follows
 *   the newest command, a SET          DEL. If the client is connected, its session is stored again after 1 to 32 s,
 *                                      or at its next change
 *   a SET without XX, if all later     the same, because the later ones have no key that they could replace
 *   commands are SETs with XX
 *   the newest command, a DEL          after 1 to 32 s GETRANGE, and if that is the record to be removed, EVAL,
 *                                      which removes it if it is still the same (sio_stream_swap.h), or DEL if
 *                                      Redis refuses scripts; again, until the record must have expired
 *   another command                    nothing
 *
 * A DEL that waits for Redis could remove the session of another worker, which has taken this one for dead and
 * continues the session. So while the stream is away, the removal begins with GETRANGE, too.
 *
 * If Redis answers nil to the newest command, a SET with XX, another server has claimed the session, or Redis has
 * lost it. The record is not made again, because the client may have continued the session elsewhere.
 *
 * While Redis has an outdated record, no worker continues it: the record names this worker, which no longer has the
 * session (sio_stream_claim.c).
 */
#include "node/socketio/sio_stream_write.h"

#include <stdio.h>

#include "broker/broker.h"
#include "broker/bus_error.h"
#include "broker/bus_stream_store.h"
#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_expiry.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_stream_key.h"
#include "node/socketio/sio_stream_record.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_store.h"
#include "node/socketio/sio_stream_swap.h"

#define WAIT_MS 600000 /* how long a command may wait while Redis is away, and then for its answer */
#define DEL_MS 2000    /* the same for a DEL */
#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS 32000

enum write_kind { WRITE_SET, WRITE_SET_XX, WRITE_DEL };

struct stream_write {
	struct table_node node; /* in stream->newest by the pid; its key is NULL if a later command has been sent */
	struct list link;	/* in stream->writes, or in stream->removals */
	struct bus_stream_question question;
	struct sio_stream *stream;
	struct sio_nsp *nsp;	    /* kept by sio_nsp_used() */
	struct stream_write *needs; /* SET_XX: the SET without XX before it, if that is not answered; else NULL */
	enum write_kind kind;
	uint64_t until; /* DEL: loop time when the record must have expired */
	bool stored;	/* DEL: of a session whose client is away */
	bool late;	/* DEL: Redis has not done it at once */
	bool looks;	/* DEL: GETRANGE has been sent for it */
	bool swaps;	/* DEL: EVAL has been sent for it */
	bool unsafe;	/* DEL: Redis refuses EVAL */
	uint8_t pid_n;
	char pid[SIO_STREAM_PID_MAX];
};

static void write_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer);

static struct text
write_pid(const struct stream_write *write)
{
	return text_of(write->pid, write->pid_n);
}

static struct stream_write *
write_new(struct sio_nsp *nsp, struct text pid, enum write_kind kind)
{
	struct stream_write *write = mem_zalloc(sizeof *write);

	must(pid.n <= SIO_STREAM_PID_MAX);
	write->stream = nsp->io->recovery->stream;
	write->nsp = nsp;
	sio_nsp_used(nsp);
	write->kind = kind;
	write->pid_n = (uint8_t)pid.n;
	memcpy(write->pid, pid.at, pid.n);
	list_init(&write->link);
	return write;
}

/* The write must be in no list. */
static void
write_free(struct stream_write *write)
{
	if (write->node.key != NULL)
		table_remove(&write->stream->newest, &write->node);
	sio_nsp_unused(write->nsp);
	mem_free(write);
}

/* Returns the newest command of the session that is not done, or NULL. */
static struct stream_write *
write_find(const struct sio_stream *stream, struct text pid)
{
	struct table_node *node = table_find(&stream->newest, pid);

	return node != NULL ? container_of(node, struct stream_write, node) : NULL;
}

/* Takes a DEL out of those that wait for their next attempt. */
static void
removal_unqueue(struct stream_write *write)
{
	list_remove(&write->link);
	write->stream->removals_count--;
}

void
sio_stream_write_forget(struct sio_stream *stream, struct text pid)
{
	struct stream_write *old = write_find(stream, pid);

	if (old == NULL)
		return;
	table_remove(&stream->newest, &old->node);
	old->node.key = NULL;
	if (old->kind == WRITE_DEL && old->question.command == NULL) {
		removal_unqueue(old);
		write_free(old);
	}
}

/* Makes the write the newest one of its session. Forgets a DEL that waits. */
static void
write_is_newest(struct stream_write *write)
{
	struct sio_stream *stream = write->stream;
	struct stream_write *old = write_find(stream, write_pid(write));

	if (old != NULL && write->kind == WRITE_SET_XX)
		write->needs = old->kind == WRITE_SET ? old : old->needs;
	sio_stream_write_forget(stream, write_pid(write));
	table_add(&stream->newest, &write->node, write_pid(write));
}

static int
write_send(struct stream_write *write, uint64_t wait_ms, unsigned count, const struct text *args)
{
	struct sio_stream *stream = write->stream;
	int rc;

	write->question = (struct bus_stream_question){
		.on_end = write_on_end, .repeatable = wait_ms == WAIT_MS, .reported = true, .wait_ms = wait_ms};
	rc = broker_stream_ask(stream->broker, &write->question, count, args);
	if (rc == 0)
		list_add_tail(&stream->writes, &write->link);
	return rc == ERROR_TOO_BIG ? ERROR_TOO_MANY : rc;
}

/* Returns the session of the pid, if its socket is at this worker. */
static struct sio_recovery_session *
live_session(const struct sio_stream *stream, struct text pid)
{
	struct sio_recovery_session *session = sio_recovery_session_find(stream->recovery, pid);

	return session == NULL || session->claimed || session->socket == NULL ? NULL : session;
}

/* ------------------------------------------------------------------ again */

static void
write_again_later(struct sio_stream *stream)
{
	if (!wheel_armed(&stream->again_timer))
		loop_arm(stream->recovery->io->loop, &stream->again_timer, stream->again_pause);
}

static void
removals_drop_oldest(struct sio_stream *stream)
{
	struct stream_write *oldest = container_of(stream->removals.next, struct stream_write, link);

	removal_unqueue(oldest);
	write_free(oldest);
	if (log_allow(&stream->removals_log, 1, stream->recovery->io->loop->now))
		log_event(LOG_ERROR, "recovery", "warning",
			LOG_STR("too many sessions wait to be removed from Redis; the oldest stay until they expire"),
			NULL);
}

static void
removal_later(struct stream_write *write)
{
	struct sio_stream *stream = write->stream;

	if (stream->removals_count == SIO_STREAM_REMOVALS_MAX)
		removals_drop_oldest(stream);
	list_add_tail(&stream->removals, &write->link);
	stream->removals_count++;
	write_again_later(stream);
}

static void
removal_delete(struct stream_write *write)
{
	struct text args[2] = {TEXT("DEL"), sio_stream_key(write->stream, write_pid(write))};

	if (write_send(write, DEL_MS, 2, args) != 0)
		removal_later(write);
}

/* Removes the record if it is still this one. */
static void
removal_swap(struct stream_write *write, struct text value)
{
	struct text args[SIO_STREAM_SWAP_ARGS];
	char digits[SIO_STREAM_SWAP_MS];

	sio_stream_swap_write(args, digits, sio_stream_key(write->stream, write_pid(write)), value, TEXT(""), 0);
	write->swaps = write_send(write, DEL_MS, SIO_STREAM_SWAP_ARGS, args) == 0;
	if (!write->swaps)
		removal_later(write);
}

/* Reads the record, to see whose it is. */
static void
removal_look(struct stream_write *write)
{
	char last[24];
	struct text args[4] = {TEXT("GETRANGE"), sio_stream_key(write->stream, write_pid(write)), TEXT("0"),
		text_of(last, (size_t)snprintf(last, sizeof last, "%d", BASE64_ENCODED(SIO_STREAM_SESSION_MAX)))};

	write->looks = write_send(write, WAIT_MS, 4, args) == 0;
	if (!write->looks)
		removal_later(write);
}

static void
removal_send(struct stream_write *write)
{
	if (write->late || write->nsp->log->early != 0 || !broker_stream_up(write->stream->broker))
		removal_look(write);
	else
		removal_delete(write);
}

/* Returns true if the record is the one to be removed, or if memory is too short to read it. */
static bool
removal_fits(const struct stream_write *write, struct text value)
{
	struct sio_stream_session record;
	struct buffer map, rooms;
	bool fits = false;

	buffer_init(&map, SIO_STREAM_SESSION_MAX + 16);
	buffer_init(&rooms, 2 * SIO_STREAM_SESSION_MAX);
	switch (sio_stream_record_read(write->stream, write->nsp, write_pid(write), value, &map, &rooms, &record)) {
	case SIO_RECOVERY_RECOVERED:
		fits = record.owner.n == 0 ? write->stored : text_is(record.owner, broker_nsp_id(write->nsp->broker));
		break;
	case SIO_RECOVERY_FAILED:
		fits = true;
		break;
	default:
		break;
	}
	buffer_fini(&map);
	buffer_fini(&rooms);
	return fits;
}

/* The newest command of a session was a DEL, or stood for one, and the record may still be there. */
static void
removal_on_end(struct stream_write *write, int error, const struct resp_item *answer)
{
	if (error != 0 && answer != NULL && write->swaps)
		write->unsafe = true;
	write->looks = write->swaps = false;
	write->late = true;
	if (error != 0)
		removal_later(write);
	else if (write->nsp->broker == NULL || answer->type != RESP_BULK || !removal_fits(write, answer->text))
		write_free(write);
	else if (write->unsafe)
		removal_delete(write);
	else
		removal_swap(write, answer->text);
}

static void
removals_send(struct sio_stream *stream)
{
	struct list due;

	list_init(&due);
	list_move_all(&due, &stream->removals);
	stream->removals_count = 0;
	while (!list_empty(&due)) {
		struct stream_write *write = container_of(due.next, struct stream_write, link);

		list_remove(&write->link);
		if (stream->recovery->io->loop->now >= write->until)
			write_free(write);
		else
			removal_send(write);
	}
}

static void
again_on_timer(struct wheel_entry *entry)
{
	struct sio_stream *stream = container_of(entry, struct sio_stream, again_timer);

	if (stream->again_pause < AGAIN_MAX_MS)
		stream->again_pause *= 2;
	while (!list_empty(&stream->unsaved)) {
		struct sio_recovery_session *session =
			container_of(stream->unsaved.next, struct sio_recovery_session, kept);

		list_remove(&session->kept);
		session->log->touched(session);
	}
	removals_send(stream);
}

/* ---------------------------------------------------------------- failures */

static enum sio_unsaved
reason_of_error(int error)
{
	switch (error) {
	case ERROR_TOO_MANY:
		return SIO_UNSAVED_QUEUE_FULL;
	case ERROR_TIMEOUT:
		return SIO_UNSAVED_TIMEOUT;
	case ERROR_TOO_BIG:
		return SIO_UNSAVED_TOO_BIG;
	default:
		return SIO_UNSAVED_FAILED;
	}
}

static enum sio_unsaved
reason_of_answer(struct text error)
{
	if (text_starts(error, TEXT("OOM ")))
		return SIO_UNSAVED_OUT_OF_MEMORY;
	return bus_error_is_refusal(error) ? SIO_UNSAVED_DENIED : SIO_UNSAVED_REFUSED;
}

/* Counts it, and logs it once until Redis stores sessions again. `answer`: the error of Redis, or TEXT_NONE. */
static void
report_unsaved(struct sio_stream *stream, enum sio_unsaved reason, struct text answer)
{
	uint64_t now = stream->recovery->io->loop->now;
	char why[BUS_WHY_MAX];

	stream->recovery->unsaved[reason]++;
	if (reason == SIO_UNSAVED_TOO_BIG || (stream->unsaved_known && stream->unsaved_why == reason) ||
		!log_allow(&stream->unsaved_log, 1, now))
		return;
	stream->unsaved_known = true;
	stream->unsaved_why = reason;
	bus_error_write(why, "sessions are not stored in Redis",
		answer.at != NULL ? answer : text_from(sio_recovery_unsaved_word(reason)), NULL);
	log_event(LOG_ERROR, "recovery", "warning", LOG_STR(why), NULL);
}

static void
report_saved(struct sio_stream *stream)
{
	stream->again_pause = AGAIN_MIN_MS;
	if (!stream->unsaved_known)
		return;
	stream->unsaved_known = false;
	log_event(LOG_INFO, "recovery", "note", LOG_STR("sessions are stored in Redis again"), NULL);
}

/* Redis does not have the newest record of the session. Removes the older one, and stores a live session again. */
static void
record_failed(struct sio_nsp *nsp, struct text pid, enum sio_unsaved reason)
{
	struct sio_stream *stream = nsp->io->recovery->stream;
	struct sio_recovery_session *session = live_session(stream, pid);

	if (session != NULL) {
		session->saved = false;
		list_remove(&session->kept);
		if (reason != SIO_UNSAVED_TOO_BIG) {
			list_add_tail(&stream->unsaved, &session->kept);
			write_again_later(stream);
		}
	}
	sio_stream_remove(nsp, pid, false);
}

static void
write_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer)
{
	struct stream_write *write = container_of(question, struct stream_write, question);
	struct sio_stream *stream = write->stream;
	struct stream_write *newest = write_find(stream, write_pid(write));
	bool needed = newest != NULL && newest->needs == write;
	enum sio_unsaved reason;

	list_remove(&write->link);
	if (needed)
		newest->needs = NULL;
	if (write->kind == WRITE_DEL && (error != 0 || write->looks) && write == newest) {
		removal_on_end(write, error, answer);
		return;
	}
	if (write->kind != WRITE_DEL && error != 0) {
		reason = answer != NULL ? reason_of_answer(answer->text) : reason_of_error(error);
		report_unsaved(stream, reason, answer != NULL ? answer->text : TEXT_NONE);
		if (write == newest || needed)
			record_failed(write->nsp, write_pid(write), reason);
	} else if (write->kind != WRITE_DEL && answer->type != RESP_NIL) {
		report_saved(stream);
	}
	write_free(write);
}

/* -------------------------------------------------------------------- calls */

int
sio_stream_write(struct sio_nsp *nsp, struct text pid, bool again, unsigned count, const struct text *args)
{
	struct stream_write *write = write_new(nsp, pid, again ? WRITE_SET_XX : WRITE_SET);
	int rc = write_send(write, WAIT_MS, count, args);

	if (rc == 0)
		write_is_newest(write);
	else
		write_free(write);
	return rc;
}

void
sio_stream_write_failed(struct sio_nsp *nsp, struct text pid, int error)
{
	enum sio_unsaved reason = reason_of_error(error);

	report_unsaved(nsp->io->recovery->stream, reason, TEXT_NONE);
	record_failed(nsp, pid, reason);
}

void
sio_stream_remove(struct sio_nsp *nsp, struct text pid, bool stored)
{
	struct sio_stream *stream = nsp->io->recovery->stream;
	struct stream_write *write = write_find(stream, pid);
	bool removes = write != NULL && write->kind == WRITE_DEL, sent = removes && write->question.command != NULL;

	if (!removes) {
		write = write_new(nsp, pid, WRITE_DEL);
		write_is_newest(write);
	} else if (!sent) {
		removal_unqueue(write);
	}
	write->stored = stored;
	write->until = stream->recovery->io->loop->now + sio_stream_live_ms(stream) + SIO_EXPIRY_GRACE_MS;
	if (!sent)
		removal_send(write);
}

/* -------------------------------------------------------------------- life */

void
sio_stream_write_init(struct sio_stream *stream)
{
	table_init(&stream->newest);
	list_init(&stream->writes);
	list_init(&stream->removals);
	list_init(&stream->unsaved);
	wheel_entry_init(&stream->again_timer, again_on_timer);
	stream->again_pause = AGAIN_MIN_MS;
}

void
sio_stream_write_fini(struct sio_stream *stream)
{
	list_move_all(&stream->writes, &stream->removals);
	while (!list_empty(&stream->writes)) {
		struct stream_write *write = container_of(stream->writes.next, struct stream_write, link);

		if (write->question.command != NULL)
			broker_stream_cancel(stream->broker, &write->question);
		list_remove(&write->link);
		write_free(write);
	}
	while (!list_empty(&stream->unsaved))
		list_remove(stream->unsaved.next);
	loop_disarm(stream->recovery->io->loop, &stream->again_timer);
}
