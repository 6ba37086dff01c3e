/*
 * The writes of sessions to Redis, whose answers are checked. If Redis refuses a record, because its memory is full
 * or an ACL forbids it, it still has an older one, with which the client would come back with wrong rooms or data. So
 * the older record is removed:
 *
 *   Redis has not taken            what follows
 *   the record of a live session   DEL. The session is stored again after 1 to 32 s, or at its next change
 *   the record of a lost client    DEL
 *   a DEL                          DEL again after 1 to 32 s, unless the session has been stored meanwhile, until
 *                                  the record must have expired
 *
 * If a later command for the session has been sent, that one decides. While Redis has an outdated record, no worker
 * continues it: the record names this worker, which no longer has the session (sio_stream_claim.c).
 */
#include "node/socketio/sio_stream_write.h"

#include "broker/broker.h"
#include "broker/bus_error.h"
#include "broker/bus_stream_store.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_expiry.h"
#include "node/socketio/sio_stream_key.h"
#include "node/socketio/sio_stream_session.h"
#include "node/socketio/sio_stream_store.h"

#define WAIT_MS 600000 /* how long a command may wait while Redis is away, and then for its answer */
#define AGAIN_MIN_MS 1000
#define AGAIN_MAX_MS 32000
#define REMOVALS_MAX 16384 /* DELs that wait for their next attempt; beyond that, the oldest are dropped */

struct stream_write {
	struct list link; /* in stream->writes, or in stream->removals */
	struct bus_stream_question question;
	struct sio_stream *stream;
	enum { WRITE_LIVE, WRITE_LOST, WRITE_REMOVAL } kind;
	uint32_t save_no; /* LIVE: of the session */
	uint64_t until;	  /* REMOVAL: loop time when the record must have expired */
	uint8_t pid_n;
	char pid[SIO_STREAM_PID_MAX];
};

static void write_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer);

static struct stream_write *
write_new(struct sio_stream *stream, struct text pid, struct sio_recovery_session *live)
{
	struct stream_write *write = mem_zalloc(sizeof *write);

	must(pid.n <= SIO_STREAM_PID_MAX);
	write->stream = stream;
	write->kind = live != NULL ? WRITE_LIVE : WRITE_LOST;
	write->pid_n = (uint8_t)pid.n;
	memcpy(write->pid, pid.at, pid.n);
	list_init(&write->link);
	if (live != NULL) {
		stream->save_no += stream->save_no == UINT32_MAX ? 2 : 1; /* 0 means none */
		write->save_no = live->save_no = stream->save_no;
	}
	return write;
}

static int
write_send(struct stream_write *write, unsigned count, const struct text *args)
{
	struct sio_stream *stream = write->stream;
	int rc;

	write->question = (struct bus_stream_question){
		.on_end = write_on_end, .repeatable = true, .reported = true, .wait_ms = WAIT_MS};
	rc = broker_stream_ask(stream->broker, &write->question, count, args);
	if (rc == 0)
		list_add_tail(&stream->writes, &write->link);
	return rc == ERROR_TOO_BIG ? ERROR_TOO_MANY : rc;
}

/* Returns the session, if this worker still has it. */
static struct sio_recovery_session *
write_session(const struct stream_write *write)
{
	struct table_node *node = table_find(&write->stream->recovery->sessions, text_of(write->pid, SIO_PID_HANDLE));
	struct sio_recovery_session *session =
		node != NULL ? container_of(node, struct sio_recovery_session, node) : NULL;

	if (session == NULL || session->claimed || session->socket == NULL ||
		!text_is(text_of(session->pid, session->pid_n), text_of(write->pid, write->pid_n)))
		return NULL;
	return session;
}

/* ------------------------------------------------------------------ again */

static void
write_again_later(struct sio_stream *stream)
{
	if (!wheel_armed(&stream->again_timer))
		loop_arm(stream->recovery->io->loop, &stream->again_timer, stream->again_pause);
}

static void
removal_later(struct stream_write *write)
{
	struct sio_stream *stream = write->stream;

	if (stream->removals_count == REMOVALS_MAX) {
		struct stream_write *oldest = container_of(stream->removals.next, struct stream_write, link);

		list_remove(&oldest->link);
		mem_free(oldest);
		stream->removals_count--;
	}
	list_add_tail(&stream->removals, &write->link);
	stream->removals_count++;
	write_again_later(stream);
}

static void
removal_send(struct stream_write *write)
{
	struct text args[2] = {TEXT("DEL"), sio_stream_key(write->stream, text_of(write->pid, write->pid_n))};

	if (write_send(write, 2, args) != 0)
		removal_later(write);
}

/* Makes the write the removal of its session. */
static void
removal_begin(struct stream_write *write)
{
	write->kind = WRITE_REMOVAL;
	write->until =
		write->stream->recovery->io->loop->now + sio_stream_live_ms(write->stream) + SIO_EXPIRY_GRACE_MS;
	removal_send(write);
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
		const struct sio_recovery_session *session = write_session(write);

		list_remove(&write->link);
		if ((session != NULL && session->saved) || stream->recovery->io->loop->now >= write->until)
			mem_free(write);
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

/* Reports it once, until Redis stores sessions again. `answer`: the error of Redis, or TEXT_NONE. */
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

/* The write was not taken. Removes the older record. */
static void
write_failed(struct stream_write *write, enum sio_unsaved reason, struct text answer)
{
	struct sio_stream *stream = write->stream;
	struct sio_recovery_session *session = write->kind == WRITE_LIVE ? write_session(write) : NULL;

	if (write->kind == WRITE_LIVE && (session == NULL || session->save_no != write->save_no)) {
		mem_free(write); /* a later command decides */
		return;
	}
	report_unsaved(stream, reason, answer);
	if (session != NULL) {
		session->saved = false;
		session->save_no = 0;
		list_remove(&session->kept);
		if (reason != SIO_UNSAVED_TOO_BIG) {
			list_add_tail(&stream->unsaved, &session->kept);
			write_again_later(stream);
		}
	}
	removal_begin(write);
}

static void
write_taken(struct stream_write *write)
{
	struct sio_recovery_session *session = write->kind == WRITE_LIVE ? write_session(write) : NULL;

	if (session != NULL && session->save_no == write->save_no)
		session->save_no = 0;
	if (write->kind != WRITE_REMOVAL)
		report_saved(write->stream);
	mem_free(write);
}

static void
write_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer)
{
	struct stream_write *write = container_of(question, struct stream_write, question);

	list_remove(&write->link);
	if (error == 0)
		write_taken(write);
	else if (write->kind == WRITE_REMOVAL)
		removal_later(write);
	else if (answer != NULL)
		write_failed(write, reason_of_answer(answer->text), answer->text);
	else
		write_failed(write, reason_of_error(error), TEXT_NONE);
}

/* -------------------------------------------------------------------- calls */

int
sio_stream_write(struct sio_stream *stream, struct text pid, struct sio_recovery_session *live, unsigned count,
	const struct text *args)
{
	struct stream_write *write = write_new(stream, pid, live);
	int rc = write_send(write, count, args);

	if (rc != 0)
		mem_free(write);
	return rc;
}

void
sio_stream_write_failed(struct sio_stream *stream, struct text pid, struct sio_recovery_session *live, int error)
{
	write_failed(write_new(stream, pid, live), reason_of_error(error), TEXT_NONE);
}

void
sio_stream_remove(struct sio_stream *stream, struct text pid)
{
	removal_begin(write_new(stream, pid, NULL));
}

/* -------------------------------------------------------------------- life */

void
sio_stream_write_init(struct sio_stream *stream)
{
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
		mem_free(write);
	}
	while (!list_empty(&stream->unsaved))
		list_remove(stream->unsaved.next);
	loop_disarm(stream->recovery->io->loop, &stream->again_timer);
}
