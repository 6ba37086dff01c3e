/*
 * A client comes back with the pid of a session:
 *
 *   step    question                                              next
 *           the session is live in this worker                    its socket leaves, which stores the session
 *   READ    GETRANGE: the session                                 another worker has it: TELL; else CHECK
 *   TELL    PUBLISH to that worker: let it go                     no subscriber: the worker has died, CHECK, or
 *                                                                 AGAIN right after an outage; else WAIT
 *   AGAIN   a moment passes                                       READ
 *   WAIT    the worker stores the session and says so             READ again. If the worker has it once more for
 *                                                                 another client: AGAIN
 *   CHECK   XRANGE: is the entry of the client's position there?  TAKE
 *   TAKE    EVAL: if the session is still the one of READ, this   taken: the session is this client's. Another
 *           worker has it (sio_stream_swap.h)                     claim was faster: AGAIN
 *   REMOVE  DEL, if Redis refuses scripts                         removed: the session is this client's
 *
 * A claim that cannot succeed ends before TAKE, so that the session stays in Redis as it was. Node.js servers remove
 * the key at once, so TAKE fails if one of them has the session. While middlewares run and missed events are read,
 * the record names this worker: if the client is lost again, its next claim tells this worker to let the session go.
 *
 * Messages between workers: sio_stream_letter.h.
 */
#include "node/socketio/sio_stream_claim.h"

#include <inttypes.h>
#include <stdio.h>

#include "broker/broker.h"
#include "broker/stream_number.h"
#include "common/base/base64.h"
#include "common/base/mem.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_expiry.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_stream_claim_state.h"
#include "node/socketio/sio_stream_ghost.h"
#include "node/socketio/sio_stream_key.h"
#include "node/socketio/sio_stream_letter.h"
#include "node/socketio/sio_stream_store.h"
#include "node/socketio/sio_stream_swap.h"
#include "node/socketio/sio_stream_write.h"

#define CLAIM_MS 5000 /* longest time of a claim */
#define TICK_MS 250

/* ------------------------------------------------------------------- claims */

static void
claim_free(struct stream_claim *claim)
{
	if (claim->question.command != NULL)
		broker_stream_cancel(claim->stream->broker, &claim->question);
	list_remove(&claim->link);
	buffer_fini(&claim->map);
	buffer_fini(&claim->rooms);
	sio_step_free(claim->step);
	mem_free(claim);
}

static int64_t
claim_held_bytes(const struct sio_step *step)
{
	return (int64_t)(step->nsp.n + step->auth.n);
}

/* Continues the CONNECT with the session, or without one if `session` is NULL. Frees the claim. */
static void
claim_end(struct stream_claim *claim, enum sio_recovery_result result, struct sio_recovery_session *session)
{
	struct sio_step *step = claim->step;
	struct sio_client *c = step->client;
	struct sio_nsp *nsp = step->made;

	list_remove(&claim->link);
	if (result != SIO_RECOVERY_RECOVERED)
		nsp->io->recovery->results[result]++;
	if (c != NULL) {
		list_remove(&step->held.link);
		c->places--;
		sio_client_hold(c, -claim_held_bytes(step));
	}
	if (c != NULL && sio_client_open(c))
		claim->then_connect(c, nsp, step->auth, session);
	else if (session != NULL)
		sio_stream_unclaim(session);
	claim_free(claim);
}

static void
claim_fail(struct stream_claim *claim, enum sio_recovery_result result)
{
	claim_end(claim, result, NULL);
}

static void claim_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer);
static void claim_on_entry(struct bus_stream_question *question, const struct wire_stream_entry *entry);

static void
claim_ask(struct stream_claim *claim, unsigned phase, unsigned count, const struct text *args)
{
	uint64_t now = claim->stream->recovery->io->loop->now;

	claim->phase = phase;
	claim->question = (struct bus_stream_question){.on_end = claim_on_end,
		.repeatable = phase == CLAIM_READ,
		.wait_ms = claim->until > now ? claim->until - now : 1};
	if (broker_stream_ask(claim->stream->broker, &claim->question, count, args) != 0)
		claim_fail(claim, SIO_RECOVERY_NO_HUB);
}

/* Reads at most one byte more than a session may have. A longer value is refused in sio_stream_claim_read_record().
 */
static void
claim_read(struct stream_claim *claim)
{
	char last[24];
	struct text args[4] = {TEXT("GETRANGE"), sio_stream_key(claim->stream, claim_pid(claim)), TEXT("0"),
		text_of(last, (size_t)snprintf(last, sizeof last, "%d", BASE64_ENCODED(SIO_STREAM_SESSION_MAX)))};

	claim_ask(claim, CLAIM_READ, 4, args);
}

static void
claim_tell(struct stream_claim *claim)
{
	const struct sio_nsp *nsp = claim->step->made;
	struct sio_stream_letter letter = {.bytes = {'T'}, .n = 1};
	char digits[24];

	sio_stream_letter_put(&letter, broker_nsp_id(nsp->broker));
	sio_stream_letter_put(&letter, claim_pid(claim));
	sio_stream_letter_put(&letter, claim->has_offset ? text_of(digits, (size_t)snprintf(digits, sizeof digits,
										   "%" PRIu64, claim->offset))
							 : TEXT(""));
	claim->phase = CLAIM_TELL;
	claim->told = true;
	claim->doubt = claim->doubt && text_is(claim->record.owner, text_of(claim->told_to, claim->told_n));
	claim->busy = claim->silent = false;
	claim->told_n = (uint8_t)claim->record.owner.n;
	memcpy(claim->told_to, claim->record.owner.at, claim->record.owner.n);
	claim->question = (struct bus_stream_question){.on_end = claim_on_end, .wait_ms = CLAIM_MS};
	if (sio_stream_letter_send(nsp, &claim->question, claim->record.owner, &letter) != 0)
		claim_fail(claim, SIO_RECOVERY_NO_HUB);
}

static void
claim_check(struct stream_claim *claim)
{
	const struct sio_stream_session *record = &claim->record;
	struct sio_stream_missed position = {.start = record->start,
		.last = record->last,
		.heard = record->heard,
		.moved = record->moved,
		.since = record->since,
		.stored = record->owner.n == 0 && record->ours};

	if (!sio_recovery_session_accepts_id(claim->step->made, record->sid)) {
		claim_fail(claim, SIO_RECOVERY_FAILED);
		return;
	}
	if ((!record->ours && !claim->has_offset) ||
		!sio_stream_missed_from(&position, claim->has_offset ? &claim->offset : NULL, &claim->from)) {
		claim_fail(claim, SIO_RECOVERY_OFFSET_GONE);
		return;
	}
	claim->phase = CLAIM_CHECK;
	claim->found = false;
	claim->question =
		(struct bus_stream_question){.on_entry = claim_on_entry, .on_end = claim_on_end, .wait_ms = CLAIM_MS};
	if (broker_stream_range(claim->step->made->broker, &claim->question, claim->from, 1) != 0)
		claim_fail(claim, SIO_RECOVERY_NO_HUB);
}

/* An offset that the client sent must be the id of an event of its namespace: clients receive no other offsets. */
static void
claim_on_entry(struct bus_stream_question *question, const struct wire_stream_entry *entry)
{
	struct stream_claim *claim = container_of(question, struct stream_claim, question);
	bool given = claim->has_offset && claim->from == claim->offset;

	claim->found = stream_number_of(entry->id) == claim->from &&
		       (!given || (entry->nsp.at != NULL && text_is(entry->nsp, sio_nsp_text(claim->step->made)) &&
					  text_is(entry->type, TEXT("3"))));
}

static void
claim_take(struct stream_claim *claim)
{
	claim->phase = CLAIM_TAKE;
	claim->question = (struct bus_stream_question){.on_end = claim_on_end, .wait_ms = CLAIM_MS};
	if (sio_stream_claim_take(claim) != 0)
		claim_fail(claim, SIO_RECOVERY_NO_HUB);
}

/* The answer is the last one of the claim. */
static void
claim_remove(struct stream_claim *claim)
{
	struct text args[2] = {TEXT("DEL"), sio_stream_key(claim->stream, claim_pid(claim))};

	claim_ask(claim, CLAIM_REMOVE, 2, args);
}

/* ----------------------------------------------------------------- answers */

static void
claim_again(struct stream_claim *claim)
{
	claim->phase = CLAIM_AGAIN; /* claims_on_timer() */
}

/* Returns true if the worker that the record names has been told to let the session go. */
static bool
claim_was_told(const struct stream_claim *claim)
{
	return claim->told && text_is(claim->record.owner, text_of(claim->told_to, claim->told_n));
}

/*
 * The worker that the record names does not have the session. Either it could not store it, or the session has moved
 * on since the record was read.
 */
static void
claim_doubt(struct stream_claim *claim)
{
	if (claim->doubt) {
		claim_fail(claim, SIO_RECOVERY_NO_SESSION);
		return;
	}
	claim->doubt = true;
	claim_again(claim);
}

/* The record names this worker: a client that has come meanwhile may have the session. */
static void
claim_again_here(struct stream_claim *claim)
{
	enum sio_recovery_result result;

	if (!sio_stream_busy(claim->step->made, claim_pid(claim), claim)) {
		claim_doubt(claim);
		return;
	}
	result = sio_stream_ghost_end(claim->step->client, claim->step->made, claim_pid(claim),
		claim->has_offset ? &claim->offset : NULL, &claim->ghost);
	if (result != SIO_RECOVERY_RECOVERED)
		claim_fail(claim, result);
	else
		claim_again(claim);
}

static void
claim_on_record(struct stream_claim *claim, struct text value)
{
	enum sio_recovery_result result = sio_stream_claim_read_record(claim, value);
	const struct sio_nsp *nsp = claim->step->made;

	if (result != SIO_RECOVERY_RECOVERED)
		claim_fail(claim, result);
	else if (claim->record.owner.n > SIO_STREAM_UID_MAX)
		claim_fail(claim, SIO_RECOVERY_NO_SESSION);
	else if (claim->record.owner.n == 0 || (claim->silent && claim_was_told(claim)))
		claim_check(claim);
	else if (text_is(claim->record.owner, broker_nsp_id(nsp->broker)))
		claim_again_here(claim);
	else if (!claim_was_told(claim))
		claim_tell(claim);
	else if (claim->busy)
		claim_again(claim);
	else
		claim_doubt(claim);
}

/* `saved`: Redis has the session as that of this worker; else it has removed the session. */
static void
claim_on_taken(struct stream_claim *claim, bool saved)
{
	struct sio_recovery_session *session;

	sio_expiry_forget(claim->stream->recovery->expiry, claim_pid(claim));
	session = claim->ended ? NULL : sio_stream_claim_session(claim);
	if (session != NULL)
		session->saved = saved;
	else if (saved)
		sio_stream_remove(claim->step->made, claim_pid(claim), false);
	claim_end(claim, session != NULL ? SIO_RECOVERY_RECOVERED : SIO_RECOVERY_FAILED, session);
}

static void
claim_on_swap(struct stream_claim *claim, const struct resp_item *answer)
{
	switch (sio_stream_swap_read(answer)) {
	case SIO_STREAM_REPLACED:
		claim_on_taken(claim, true);
		break;
	case SIO_STREAM_REMOVED:
		claim_on_taken(claim, false);
		break;
	case SIO_STREAM_CHANGED:
		claim_again(claim);
		break;
	case SIO_STREAM_GONE:
		claim_fail(claim, SIO_RECOVERY_NO_SESSION); /* a Node.js server has taken it, or Redis has lost it */
		break;
	}
}

/*
 * Redis knows no subscription of the worker that has the session: the worker is dead, or on its way back after an
 * outage. In the second case it may have delivered events without an offset, and its record in Redis is too old.
 */
static void
claim_on_silence(struct stream_claim *claim)
{
	claim->silent = broker_stream_gathered(claim->stream->broker);
	if (claim->silent)
		claim_check(claim);
	else
		claim_again(claim);
}

static void
claim_on_end(struct bus_stream_question *question, int error, const struct resp_item *answer)
{
	struct stream_claim *claim = container_of(question, struct stream_claim, question);

	if (error != 0 && answer != NULL && claim->phase == CLAIM_TAKE && !text_starts(answer->text, TEXT("BUSY"))) {
		claim_remove(claim);
		return;
	}
	if (error != 0 || claim->step->made->broker == NULL) {
		claim_fail(claim, SIO_RECOVERY_NO_HUB);
		return;
	}
	if ((claim->step->client == NULL || !sio_client_open(claim->step->client)) && claim->phase != CLAIM_TAKE &&
		claim->phase != CLAIM_REMOVE) {
		claim_fail(claim, SIO_RECOVERY_FAILED); /* the client has left, so the session stays in Redis */
		return;
	}
	switch (claim->phase) {
	case CLAIM_READ:
		claim_on_record(claim, answer->type == RESP_BULK ? answer->text : TEXT(""));
		break;
	case CLAIM_TELL:
		if (answer->type == RESP_INTEGER && answer->integer == 0)
			claim_on_silence(claim);
		else
			claim->phase = CLAIM_WAIT; /* if L came first, on_left() has cancelled this question */
		break;
	case CLAIM_CHECK:
		if (claim->found)
			claim_take(claim);
		else
			claim_fail(claim, SIO_RECOVERY_OFFSET_GONE);
		break;
	case CLAIM_TAKE:
		claim_on_swap(claim, answer);
		break;
	default:
		if (answer->type == RESP_INTEGER && answer->integer == 1)
			claim_on_taken(claim, false);
		else
			claim_fail(claim, SIO_RECOVERY_NO_SESSION); /* another server has taken it */
	}
}

static void
on_left(struct sio_nsp *nsp, struct text rest)
{
	struct sio_stream *stream = nsp->io->recovery->stream;
	struct text pid, answer, busy;
	struct list *it, *next;

	if (!sio_stream_letter_get(&rest, SIO_STREAM_PID_MAX, &pid) || !sio_stream_letter_get(&rest, 1, &answer))
		return;
	if (!sio_stream_letter_get(&rest, 1, &busy))
		busy = TEXT("0"); /* an older version */
	list_each(it, next, &stream->claims)
	{
		struct stream_claim *claim = container_of(it, struct stream_claim, link);

		if (claim->step->made != nsp || !text_is(claim_pid(claim), pid) ||
			(claim->phase != CLAIM_TELL && claim->phase != CLAIM_WAIT))
			continue;
		if (claim->question.command != NULL)
			broker_stream_cancel(stream->broker, &claim->question);
		claim->ghost = true;
		claim->busy = text_is(busy, TEXT("1"));
		if (text_is(answer, TEXT("1")))
			claim_read(claim);
		else
			claim_fail(claim, SIO_RECOVERY_OFFSET_GONE);
		return;
	}
}

void
sio_stream_on_direct(struct sio_nsp *nsp, struct text message)
{
	struct text rest = message.n > 0 ? text_of(message.at + 1, message.n - 1) : message;

	if (nsp->log == NULL || message.n == 0)
		return;
	if (*message.at == 'T')
		sio_stream_on_take(nsp, rest);
	else if (*message.at == 'L')
		on_left(nsp, rest);
}

void
sio_stream_end_stored(struct sio_nsp *nsp, struct text pid)
{
	struct sio_stream *stream = nsp->io->recovery->stream;
	struct list *it, *next;

	list_each(it, next, &stream->claims)
	{
		struct stream_claim *claim = container_of(it, struct stream_claim, link);

		if (claim->step->made == nsp && text_is(claim_pid(claim), pid))
			claim->ended = true; /* it may have removed the session already */
	}
	if (sio_expiry_end(stream->recovery->expiry, pid))
		return;
	stream->recovery->displaced++;
	if (nsp->broker != NULL)
		sio_stream_remove(nsp, pid, true);
}

/* ------------------------------------------------------------------ begin */

/* Does nothing: no application code ever answers this step. */
static void
claim_resume(struct sio_step *step)
{
	(void)step;
}

/* Returns NULL if memory is short. */
static struct sio_step *
claim_step(struct sio_client *c, struct sio_nsp *nsp, struct text auth)
{
	char *copy = mem_try_alloc(nsp->node.key_len + 1 + auth.n);
	struct sio_step *step;

	if (copy == NULL)
		return NULL;
	step = sio_step_new(nsp->io, 0, claim_resume);
	memcpy(mempcpy(copy, nsp->name, nsp->node.key_len + 1), auth.at, auth.n);
	step->nsp = text_of(copy, nsp->node.key_len);
	step->auth = text_of(copy + nsp->node.key_len + 1, auth.n);
	step->client = c;
	step->made = nsp;
	sio_nsp_used(nsp);
	list_add_tail(&c->checks, &step->held.link);
	c->places++;
	sio_client_hold(c, claim_held_bytes(step));
	return step;
}

static bool
pid_is_plausible(struct text pid)
{
	if (pid.n <= SIO_PID_HANDLE || pid.n > SIO_STREAM_PID_MAX)
		return false;
	for (size_t i = 0; i < pid.n; i++) {
		if (base64url_value(pid.at[i]) < 0)
			return false;
	}
	return true;
}

static bool
offset_read(struct text offset, uint64_t *number)
{
	struct wire_stream_id id;
	char again[WIRE_STREAM_ID_SIZE];

	if (wire_stream_id_parse(offset, &id) < 0 ||
		!text_is(offset, text_of(again, wire_stream_id_write(id, again))))
		return false;
	*number = stream_number_of(id);
	return *number != 0;
}

/* Ends a claim before it has begun. */
static bool
claim_refuse(struct sio_nsp *nsp, enum sio_recovery_result result)
{
	nsp->io->recovery->results[result]++;
	return false;
}

bool
sio_stream_claim(struct sio_client *c, struct sio_nsp *nsp, struct text pid, const struct text *offset,
	struct text auth, sio_recovery_then *then)
{
	struct sio_stream *stream = nsp->io->recovery->stream;
	enum sio_recovery_result result;
	struct stream_claim *claim;
	struct sio_step *step;
	uint64_t number = 0;
	bool was_live;

	if (!pid_is_plausible(pid))
		return claim_refuse(nsp, SIO_RECOVERY_NO_SESSION);
	if (offset != NULL && !offset_read(*offset, &number))
		return claim_refuse(nsp, SIO_RECOVERY_OFFSET_GONE);
	step = claim_step(c, nsp, auth);
	if (step == NULL)
		return claim_refuse(nsp, SIO_RECOVERY_FAILED);
	claim = mem_zalloc(sizeof *claim);
	claim->stream = stream;
	claim->step = step;
	claim->then_connect = then;
	claim->until = nsp->io->loop->now + CLAIM_MS;
	claim->has_offset = offset != NULL;
	claim->offset = number;
	claim->pid_n = (uint8_t)pid.n;
	memcpy(claim->pid, pid.at, pid.n);
	buffer_init(&claim->map, SIO_STREAM_SESSION_MAX + 16);
	buffer_init(&claim->rooms, 2 * SIO_STREAM_SESSION_MAX);
	list_init(&claim->link);
	list_add_tail(&stream->claims, &claim->link);
	loop_arm(nsp->io->loop, &stream->claims_timer, TICK_MS);
	result = sio_stream_ghost_end(c, nsp, claim_pid(claim), offset != NULL ? &number : NULL, &was_live);
	claim->ghost = was_live;
	if (result != SIO_RECOVERY_RECOVERED)
		claim_fail(claim, result);
	else
		claim_read(claim);
	return true;
}

/* -------------------------------------------------------------------- life */

static void
claims_read_again(struct sio_stream *stream)
{
	struct list *it, *next;

	list_each(it, next, &stream->claims)
	{
		struct stream_claim *claim = container_of(it, struct stream_claim, link);

		if (claim->phase != CLAIM_AGAIN)
			continue;
		claim->told = false;
		if (claim->step->made->broker != NULL)
			claim_read(claim);
		else
			claim_fail(claim, SIO_RECOVERY_NO_HUB);
	}
}

static void
claims_on_timer(struct wheel_entry *entry)
{
	struct sio_stream *stream = container_of(entry, struct sio_stream, claims_timer);
	uint64_t now = stream->recovery->io->loop->now;

	while (!list_empty(&stream->claims)) {
		struct stream_claim *claim = container_of(stream->claims.next, struct stream_claim, link);

		if (claim->until > now)
			break;
		claim_fail(claim, SIO_RECOVERY_NO_HUB);
	}
	claims_read_again(stream);
	if (!list_empty(&stream->claims))
		loop_arm(stream->recovery->io->loop, &stream->claims_timer, TICK_MS);
}

void
sio_stream_claims_init(struct sio_stream *stream)
{
	list_init(&stream->claims);
	wheel_entry_init(&stream->claims_timer, claims_on_timer);
}

void
sio_stream_claims_fini(struct sio_stream *stream)
{
	while (!list_empty(&stream->claims))
		claim_fail(container_of(stream->claims.next, struct stream_claim, link), SIO_RECOVERY_NO_HUB);
	loop_disarm(stream->recovery->io->loop, &stream->claims_timer);
}
