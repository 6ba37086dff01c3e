/*
 * Claims of sessions, and replays of missed events. A question of sio_keep_ask.h has a struct vault_ask as long as it
 * is under way here. The two know each other by the nonce, since either may end first.
 *
 *   state of a claim   event                              next state
 *   CLAIM              the socket is still connected, or  CLAIM, after a pause
 *                      the bus is down
 *                      the script has taken the session   CHECK
 *                      it has not                         answered
 *   CHECK              the log is whole                   answered; the session is a struct vault_claimed
 *                      it is not                          answered; the session is released
 *   REPLAY             own events wait to be sent, or     REPLAY, after a pause
 *                      the bus is down
 *                      the log is not whole               answered
 *                      the message of the script came     answered
 */
#include <stdio.h>

#include "broker/bus_keep.h"
#include "broker/wire.h"
#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_recovery.h"
#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_vault_state.h"

#define CLAIM_MS 30000 /* a claim that is not continued ends; middlewares may run meanwhile */
#define PAUSE_MS 20    /* between two attempts, and doubled from one to the next */
#define PAUSE_MAX_MS 320
#define PAUSE_SENT_MS 2 /* until own events have been sent */
#define READ_ARGS 16	/* keys and arguments of VAULT_READ, without the rooms */

enum vault_state { VAULT_IS_CLAIM, VAULT_IS_CHECK, VAULT_IS_REPLAY };

struct vault_ask {
	struct list link; /* in vault->asks */
	struct sio_vault *vault;
	struct bus_call call;
	enum vault_state state;
	uint64_t nonce;	   /* of the struct keep_ask */
	uint64_t again_at; /* loop time of the next attempt; 0: the call is under way */
	uint64_t pause;
	uint64_t local; /* REPLAY: own events before the question */
	uint64_t sent;	/* REPLAY: own events that were sent before the script */
	uint64_t gaps;	/* REPLAY: of struct bus_point then */
	bool ghost;
	char pid[SIO_PID_LENGTH], sid[SIO_ID_LENGTH];
	char claim[SIO_VAULT_CLAIM];
	char *record; /* CHECK: field s of the session */
	size_t record_n;
	struct sio_vault_from from;
	struct sio_vault_offset offset; /* of the client; at.origin 0: it sent none, or one of another kind */
};

/* A session that this worker has claimed and not continued yet. */
struct vault_claimed {
	struct list link;
	char pid[SIO_PID_LENGTH], sid[SIO_ID_LENGTH];
	char claim[SIO_VAULT_CLAIM];
	struct sio_vault_from from;
	uint64_t offset_origin, offset_sum; /* of the client's offset; origin 0: it sent none */
};

/* ------------------------------------------------------------------- asks */

static struct vault_ask *
vault_ask_new(struct sio_vault *vault, enum vault_state state, const struct keep_ask *ask,
	void (*answer)(struct bus_call *call, int error, struct text value))
{
	struct vault_ask *new = mem_zalloc(sizeof *new);

	bus_call_init(&new->call, answer);
	new->vault = vault;
	new->state = state;
	new->nonce = ask->nonce;
	new->pause = PAUSE_MS;
	memcpy(new->pid, ask->pid, SIO_PID_LENGTH);
	list_add_tail(&vault->asks, &new->link);
	return new;
}

static void
vault_ask_free(struct vault_ask *ask)
{
	bus_call_cancel(&ask->call);
	list_remove(&ask->link);
	mem_free(ask->record);
	mem_free(ask);
}

/* Returns the question, or NULL if it has ended. */
static struct keep_ask *
vault_question(const struct vault_ask *ask)
{
	struct list *it, *next;

	list_each(it, next, &ask->vault->keep->asked)
	{
		struct keep_ask *question = container_of(it, struct keep_ask, link);

		if (question->nonce == ask->nonce)
			return question;
	}
	return NULL;
}

/* Tries again after a pause. */
static void
vault_pause(struct vault_ask *ask, uint64_t ms)
{
	struct loop *loop = ask->vault->keep->recovery->io->loop;

	ask->again_at = loop->now + ms;
	loop_arm(loop, &ask->vault->timer, ms);
}

static void
vault_pause_longer(struct vault_ask *ask)
{
	vault_pause(ask, ask->pause);
	if (ask->pause < PAUSE_MAX_MS)
		ask->pause *= 2;
}

static struct vault_claimed *
vault_find_claimed(const struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct list *it, *next;

	list_each(it, next, &vault->claimed)
	{
		struct vault_claimed *claimed = container_of(it, struct vault_claimed, link);

		if (memcmp(claimed->pid, pid, SIO_PID_LENGTH) == 0)
			return claimed;
	}
	return NULL;
}

void
sio_vault_forget(struct sio_vault *vault, const char pid[SIO_PID_LENGTH])
{
	struct vault_claimed *claimed = vault_find_claimed(vault, pid);

	if (claimed == NULL)
		return;
	list_remove(&claimed->link);
	mem_free(claimed);
}

/* --------------------------------------------------------- reading the log */

/* The answer of VAULT_READ, if it is not R. */
static enum sio_recovery_result
vault_read_result(struct text answer)
{
	switch (answer.n == 1 ? answer.at[0] : 0) {
	case 'R':
		return SIO_RECOVERY_RECOVERED;
	case 'N':
		return SIO_RECOVERY_NO_SESSION;
	case 'S':
		return SIO_RECOVERY_FOREIGN;
	case 'T':
		return SIO_RECOVERY_TOO_BIG;
	default:
		return SIO_RECOVERY_OFFSET_GONE;
	}
}

/* Runs VAULT_READ for the rooms of a session. `publishes`: it publishes what it finds; otherwise it only checks. */
static void
vault_read(struct vault_ask *ask, const struct sio_vault_from *from, struct text nsp, struct text rooms,
	uint32_t room_count, struct text own_room, bool publishes)
{
	struct sio_vault *vault = ask->vault;
	const struct sio_vault_place *place = &from->place;
	char key[SIO_VAULT_KEY_MAX], floor[BUS_POSITION_TEXT_MAX], entry[BUS_POSITION_TEXT_MAX], head[32];
	struct vault_number number, newest, open, local, max;
	struct text *args = mem_alloc((READ_ARGS + room_count + 1) * sizeof *args);
	struct buffer channel, prefix;
	const char *at = rooms.at;
	unsigned n = READ_ARGS;

	buffer_init(&channel, SIZE_MAX / 2); /* names are as long as redisKey and the namespace allow */
	buffer_init(&prefix, SIZE_MAX / 2);
	if (publishes)
		bus_keep_channel(&channel, vault->key, text_of(vault->keep->bus.id, BUS_KEEP_ID));
	wire_channel_broadcast(&prefix, vault->key, nsp, TEXT_NONE);
	args[0] = sio_vault_key(vault, text_of(ask->pid, SIO_PID_LENGTH), key);
	args[1] = text_from(bus_store_stream(vault->bus));
	args[2] = text_of(ask->claim, SIO_VAULT_CLAIM);
	args[4] = text_of(entry, bus_position_write(entry, place->entry));
	args[3] = place->open != 0 && bus_position_compare(place->floor, place->entry) < 0
			  ? text_of(floor, bus_position_write(floor, place->floor))
			  : args[4];
	args[5] = place->number != 0 ? text_of(place->sender, BUS_SENDER_LENGTH) : TEXT("");
	args[6] = sio_vault_number(&number, place->number);
	args[7] = text_of((const char *)&from->origin, SIO_ORIGIN_LENGTH);
	args[8] = sio_vault_number(&newest, place->newest);
	args[9] = sio_vault_number(&open, place->open);
	args[10] = sio_vault_number(&local, from->local);
	args[11] = sio_vault_number(&max, vault->keep->recovery->io->max_emit);
	args[12] = buffer_text(&prefix);
	args[13] = buffer_text(&channel);
	args[14] = text_of(head, (size_t)snprintf(head, sizeof head, "R%llu ", (unsigned long long)ask->nonce));
	args[15] = text_of(vault->keep->bus.id, BUS_KEEP_ID);
	for (uint32_t i = 0; i < room_count; i++)
		args[n++] = sio_recovery_room_read(&at);
	if (own_room.n != 0)
		args[n++] = own_room;
	ask->again_at = 0;
	sio_vault_call(vault, VAULT_READ, 2, args, n, &ask->call);
	buffer_fini(&channel);
	buffer_fini(&prefix);
	mem_free(args);
}

/* ------------------------------------------------------------------ claims */

/* Sends the answer CLAIMED to the question, and frees the ask. A session that is not handed over is released. */
static void
vault_answer_claim(struct vault_ask *ask, enum sio_recovery_result result)
{
	struct sio_vault *vault = ask->vault;
	struct sio_keep *keep = vault->keep;
	struct keep_reader in;
	struct buffer out;

	buffer_init(&out, SIZE_MAX / 2);
	keep_put_u64(&out, ask->nonce);
	buffer_add_byte(&out, (uint8_t)result);
	buffer_add(&out, ask->pid, SIO_PID_LENGTH);
	if (result == SIO_RECOVERY_RECOVERED) {
		buffer_add_byte(&out, ask->ghost);
		buffer_add(&out, ask->record, ask->record_n);
	}
	vault_ask_free(ask);
	in = (struct keep_reader){.rest = buffer_text(&out)};
	sio_keep_claimed(keep, &in);
	buffer_fini(&out);
}

/* The script has taken the session, and it cannot be continued. */
static void
vault_refuse_claim(struct vault_ask *ask, enum sio_recovery_result result)
{
	struct sio_keep *keep = ask->vault->keep;

	keep->peer->release(keep, ask->pid);
	vault_answer_claim(ask, result);
}

static bool
vault_is_id(struct text id)
{
	for (size_t i = 0; i < id.n; i++) {
		if (base64url_value(id.at[i]) < 0)
			return false;
	}
	return id.n == SIO_ID_LENGTH;
}

/*
 * Returns true if a socket has the id of the claimed session, or another claimed session has it. Then somebody else
 * has written one of the sessions.
 */
static bool
vault_is_id_taken(const struct sio_vault *vault, const struct sio_nsp *nsp, const char sid[SIO_ID_LENGTH])
{
	struct list *it, *next;

	list_each(it, next, &vault->claimed)
	{
		if (memcmp(container_of(it, struct vault_claimed, link)->sid, sid, SIO_ID_LENGTH) == 0)
			return true;
	}
	return table_find(&nsp->sockets, text_of(sid, SIO_ID_LENGTH)) != NULL;
}

/* Checks the field s of a session, and returns its rooms. */
static bool
vault_read_record(struct text record, bool *own, struct text *sid, struct text *rooms, uint32_t *count)
{
	struct keep_reader in = {.rest = record};
	struct text rest;
	uint64_t n;

	*own = keep_get_u8(&in) != 0;
	*sid = keep_get_text(&in);
	n = keep_get_u64(&in);
	*rooms = keep_get_text(&in);
	(void)keep_get_text(&in); /* data, which is checked when it is decoded */
	if (in.bad || in.rest.n != 0 || !vault_is_id(*sid) || n > UINT32_MAX)
		return false;
	*count = (uint32_t)n;
	in = (struct keep_reader){.rest = *rooms};
	for (rest = *rooms; n != 0 && !in.bad; n--)
		(void)keep_get_text(&in);
	return !in.bad && in.rest.n == 0 && rest.n == rooms->n;
}

static void
vault_on_checked(struct vault_ask *ask, int error, struct text value)
{
	enum sio_recovery_result result = error == 0 ? vault_read_result(value) : SIO_RECOVERY_NO_HUB;
	const struct keep_ask *question = vault_question(ask);
	struct vault_claimed *claimed;

	sio_vault_forget(ask->vault, ask->pid); /* a claim that has ended by its time */
	if (result == SIO_RECOVERY_RECOVERED && question != NULL &&
		vault_is_id_taken(ask->vault, question->step->made, ask->sid))
		result = SIO_RECOVERY_FAILED;
	if (result != SIO_RECOVERY_RECOVERED || question == NULL) {
		vault_refuse_claim(ask, result);
		return;
	}
	claimed = mem_zalloc(sizeof *claimed);
	memcpy(claimed->pid, ask->pid, SIO_PID_LENGTH);
	memcpy(claimed->sid, ask->sid, SIO_ID_LENGTH);
	memcpy(claimed->claim, ask->claim, SIO_VAULT_CLAIM);
	claimed->from = ask->from;
	claimed->offset_origin = ask->offset.at.origin;
	claimed->offset_sum = ask->offset.at.heard + ask->offset.at.local;
	list_add_tail(&ask->vault->claimed, &claimed->link);
	vault_answer_claim(ask, SIO_RECOVERY_RECOVERED);
}

/* The parts of the answer C of VAULT_CLAIM. */
struct vault_found {
	struct text record, changed, quiet;
	uint64_t marked_ms, stranger_ms; /* Redis's time of the newest mark, and of the last stranger */
	int64_t servers;		 /* that are in the cluster now */
};

static bool
vault_read_found(struct text answer, struct vault_found *out)
{
	uint64_t numbers[7] = {0};
	struct text line, part;

	if (!text_cut(&answer, '\n', &line))
		return false;
	(void)text_cut(&line, ' ', &part); /* C */
	for (unsigned i = 0; i < 7; i++) {
		if (!text_cut(&line, ' ', &part)) {
			part = line;
			line = TEXT("");
		}
		if (text_number(part, INT64_MAX, &numbers[i]) < 0)
			return false;
	}
	if (numbers[0] > answer.n || numbers[1] > answer.n || numbers[2] > answer.n ||
		numbers[0] + numbers[1] + numbers[2] != answer.n)
		return false;
	out->record = text_of(answer.at, numbers[0]);
	out->changed = text_of(answer.at + numbers[0], numbers[1]);
	out->quiet = text_of(answer.at + numbers[0] + numbers[1], numbers[2]);
	out->marked_ms = numbers[3];
	out->stranger_ms = numbers[4] > numbers[5] ? numbers[4] : numbers[5];
	out->servers = (int64_t)numbers[6];
	return true;
}

/* Finds the place from which the client has missed events. */
static enum sio_recovery_result
vault_choose(struct vault_ask *ask, const struct keep_ask *question, const struct vault_found *found)
{
	struct sio_vault_mark changed, quiet;
	char epoch[SIO_EPOCH_LENGTH];
	uint64_t reached;

	if (!sio_vault_mark_read(found->changed, &changed) ||
		(found->quiet.n != 0 && !sio_vault_mark_read(found->quiet, &quiet)))
		return SIO_RECOVERY_FAILED;
	sio_keeper_epoch(ask->vault->keep->key, sio_nsp_text(question->step->made), epoch);
	if (question->has_offset &&
		!sio_vault_offset_read(epoch, text_of(question->offset, question->offset_n), &ask->offset))
		return SIO_RECOVERY_OFFSET_GONE;
	if (!sio_vault_choose(&changed, found->quiet.n != 0 ? &quiet : NULL,
		    question->has_offset ? &ask->offset : NULL, &ask->from))
		return SIO_RECOVERY_OFFSET_GONE;
	/* the place may be that of the client's offset, which is older than the newest mark of the session */
	reached = ask->from.place.entry.ms;
	if (found->quiet.n != 0 && bus_position_compare(ask->from.place.entry, quiet.place.entry) >= 0 &&
		found->marked_ms > reached)
		reached = found->marked_ms;
	return found->stranger_ms != 0 && found->stranger_ms >= reached ? SIO_RECOVERY_FOREIGN
									: SIO_RECOVERY_RECOVERED;
}

static void
vault_on_found(struct vault_ask *ask, const struct keep_ask *question, struct text answer)
{
	struct text sid, rooms;
	struct vault_found found;
	enum sio_vault_strangers strangers;
	enum sio_recovery_result result;
	uint32_t count;
	bool own;

	if (!vault_read_found(answer, &found) || !vault_read_record(found.record, &own, &sid, &rooms, &count)) {
		vault_refuse_claim(ask, SIO_RECOVERY_FAILED);
		return;
	}
	strangers = sio_vault_strangers(ask->vault, found.servers);
	if (strangers == VAULT_PERHAPS) {
		ask->vault->keep->peer->release(ask->vault->keep, ask->pid);
		vault_pause(ask, PAUSE_MAX_MS);
		return;
	}
	result = strangers == VAULT_STRANGERS ? SIO_RECOVERY_FOREIGN : vault_choose(ask, question, &found);
	if (result != SIO_RECOVERY_RECOVERED) {
		vault_refuse_claim(ask, result);
		return;
	}
	ask->record = mem_try_alloc(found.record.n);
	if (ask->record == NULL) {
		vault_refuse_claim(ask, SIO_RECOVERY_FAILED);
		return;
	}
	memcpy(ask->record, found.record.at, found.record.n);
	memcpy(ask->sid, sid.at, SIO_ID_LENGTH);
	ask->record_n = found.record.n;
	rooms.at = ask->record + (rooms.at - found.record.at);
	sid.at = ask->record + (sid.at - found.record.at);
	ask->state = VAULT_IS_CHECK;
	vault_read(ask, &ask->from, sio_nsp_text(question->step->made), rooms, count, own ? sid : TEXT_NONE, false);
}

static void
vault_on_claim_answer(struct bus_call *call, int error, struct text value)
{
	struct vault_ask *ask = container_of(call, struct vault_ask, call);
	struct keep_ask *question = vault_question(ask);
	char kind = error == 0 && value.n != 0 ? value.at[0] : 0;

	if (ask->state == VAULT_IS_CHECK) {
		vault_on_checked(ask, error, value);
	} else if (question == NULL) {
		if (kind == 'C')
			ask->vault->keep->peer->release(ask->vault->keep, ask->pid);
		vault_ask_free(ask);
	} else if (kind == 'C') {
		vault_on_found(ask, question, value);
	} else if (kind == 'N' || kind == 'F') {
		vault_answer_claim(ask, kind == 'N' ? SIO_RECOVERY_NO_SESSION : SIO_RECOVERY_FOREIGN);
	} else {
		ask->ghost |= kind == 'L';
		vault_pause_longer(ask);
	}
}

static void
vault_send_claim(struct vault_ask *ask)
{
	const struct keep_ask *question = vault_question(ask);
	struct sio_vault *vault = ask->vault;
	char key[SIO_VAULT_KEY_MAX], here[SIO_VAULT_KEY_MAX], anywhere[SIO_VAULT_KEY_MAX];
	char take[1 + SIO_PID_HANDLE + SIO_VAULT_KEY_MAX];
	struct buffer channels, requests;
	struct vault_number ms;
	struct text args[10], nsp;

	if (question == NULL) {
		vault_ask_free(ask);
		return;
	}
	nsp = sio_nsp_text(question->step->made);
	buffer_init(&channels, SIO_VAULT_KEY_MAX);
	bus_keep_channel(&channels, vault->key, TEXT(""));
	args[0] = sio_vault_key(vault, text_of(ask->pid, SIO_PID_LENGTH), key);
	args[1] = sio_vault_stranger_key(vault, nsp, here);
	args[2] = sio_vault_stranger_key(vault, TEXT_NONE, anywhere);
	args[3] = text_of(vault->keep->bus.id, BUS_KEEP_ID);
	args[4] = text_of(ask->claim, SIO_VAULT_CLAIM);
	args[5] = nsp;
	args[6] = sio_vault_number(&ms, CLAIM_MS);
	args[7] = buffer_text(&channels);
	take[0] = 'T';
	memcpy(take + 1, ask->pid, SIO_PID_HANDLE);
	memcpy(take + 1 + SIO_PID_HANDLE, args[0].at, args[0].n);
	args[8] = text_of(take, 1 + SIO_PID_HANDLE + args[0].n);
	buffer_init(&requests, SIO_VAULT_KEY_MAX);
	wire_channel_request(&requests, vault->key, TEXT("/"));
	args[9] = buffer_text(&requests);
	ask->again_at = 0;
	sio_vault_call(vault, VAULT_CLAIM, 3, args, 10, &ask->call);
	buffer_fini(&channels);
	buffer_fini(&requests);
}

void
sio_vault_claim(struct sio_keep *keep, const struct keep_ask *question)
{
	struct vault_ask *ask = vault_ask_new(keep->vault, VAULT_IS_CLAIM, question, vault_on_claim_answer);

	memcpy(ask->claim, keep->bus.id, BUS_KEEP_ID);
	random_id(ask->claim + BUS_KEEP_ID, SIO_VAULT_CLAIM - BUS_KEEP_ID);
	sio_vault_note_lost(keep->vault);
	vault_send_claim(ask);
}

/* ----------------------------------------------------------------- replays */

/* Answers the question without events: the client is new. Frees the ask. */
static void
vault_fail_replay(struct vault_ask *ask, enum sio_recovery_result result)
{
	struct sio_vault *vault = ask->vault;
	struct sio_keep *keep = vault->keep;
	struct keep_reader in;
	struct buffer out;

	keep->peer->end(keep, ask->pid);
	buffer_init(&out, SIZE_MAX / 2);
	keep_put_u64(&out, ask->nonce);
	buffer_add_byte(&out, (uint8_t)result);
	buffer_add(&out, ask->pid, SIO_PID_LENGTH);
	keep_put_u64(&out, keep->heard);
	vault_ask_free(ask);
	in = (struct keep_reader){.rest = buffer_text(&out)};
	sio_keep_replayed(keep, &in);
	buffer_fini(&out);
}

/* All own events up to now must be sent before the script, so that they are in the log when it reads. */
static void
vault_send_replay(struct vault_ask *ask)
{
	struct sio_vault *vault = ask->vault;
	const struct keep_ask *question = vault_question(ask);
	const struct vault_claimed *claimed = vault_find_claimed(vault, ask->pid);
	const struct sio_recovery_session *session =
		question != NULL ? sio_keep_replay_session(vault->keep, question) : NULL;
	struct bus_point point;
	bool waits;

	if (session == NULL || claimed == NULL) {
		vault_ask_free(ask);
		return;
	}
	if (!bus_store_point(vault->bus, &point) || point.behind) {
		vault_pause_longer(ask);
		return;
	}
	ask->sent = bus_store_sent(vault->bus, &waits);
	if (ask->sent < ask->local) {
		if (waits)
			vault_pause(ask, PAUSE_SENT_MS);
		else
			vault_fail_replay(ask, SIO_RECOVERY_OFFSET_GONE); /* some were dropped */
		return;
	}
	ask->gaps = point.gaps;
	memcpy(ask->claim, claimed->claim, SIO_VAULT_CLAIM);
	vault_read(ask, &claimed->from, sio_nsp_text(session->nsp), text_of(session->rooms, session->rooms_n),
		session->room_count, session->own ? text_of(session->sid, SIO_ID_LENGTH) : TEXT_NONE, true);
}

static void
vault_on_replay_answer(struct bus_call *call, int error, struct text value)
{
	struct vault_ask *ask = container_of(call, struct vault_ask, call);
	enum sio_recovery_result result = error == 0 ? vault_read_result(value) : SIO_RECOVERY_NO_HUB;

	if (vault_question(ask) == NULL)
		vault_ask_free(ask);
	else if (result != SIO_RECOVERY_RECOVERED)
		vault_fail_replay(ask, result);
	/* else the message of the script comes by the other link */
}

void
sio_vault_replay(struct sio_keep *keep, struct keep_ask *question)
{
	struct vault_ask *ask = vault_ask_new(keep->vault, VAULT_IS_REPLAY, question, vault_on_replay_answer);

	ask->local = keep->local;
	vault_pause(ask, 0);
	vault_send_replay(ask);
}

/* An event of the log that the client has missed. Returns false if it was not for it. */
static bool
vault_is_missed(const struct bus_record *record, const struct wire_message *message,
	const struct sio_recovery_session *session, const struct sio_recovery_rooms *rooms,
	const struct sio_vault_from *from)
{
	const struct wire_target *to = &message->target;
	bool wanted = to->room_count == 0;

	if (memcmp(record->stamp.sender.at, &from->origin, SIO_ORIGIN_LENGTH) == 0 &&
		record->stamp.event <= from->local)
		return false;
	if (message->type != WIRE_BROADCAST || message->has_request_id ||
		!text_is(message->nsp, sio_nsp_text(session->nsp)))
		return false;
	for (unsigned i = 0; i < to->room_count && !wanted; i++)
		wanted = sio_recovery_rooms_has(rooms, to->rooms[i]);
	for (unsigned i = 0; i < to->except_count && wanted; i++)
		wanted = !sio_recovery_rooms_has(rooms, to->except[i]);
	return wanted;
}

/* Reads the records of VAULT_READ. Returns the number of missed events and appends their messages, or an error. */
static int64_t
vault_read_missed(struct text records, const struct sio_recovery_session *session, const struct sio_vault_from *from,
	struct buffer *out)
{
	struct sio_recovery_rooms rooms;
	struct wire_message message;
	struct bus_record record;
	int64_t count = 0;
	int rc = sio_recovery_session_rooms(session, &rooms) ? 1 : ERROR_MEMORY;

	wire_message_init(&message);
	while (rc > 0 && (rc = bus_record_next(&records, false, &record)) > 0) {
		rc = wire_read_broadcast(&message, record.message);
		if (rc < 0)
			break;
		rc = 1;
		if (!vault_is_missed(&record, &message, session, &rooms, from))
			continue;
		keep_put_text(out, record.message);
		count++;
	}
	wire_message_fini(&message);
	sio_recovery_rooms_fini(&rooms);
	return rc < 0 ? rc : count;
}

/*
 * Appends the number of events, and each with its offset. Only the last one's says that the client has got
 * everything: whoever got a part of the events comes back as a new client.
 */
static void
vault_put_missed(const struct vault_ask *ask, const struct sio_recovery_log *log, struct bus_position end,
	uint64_t count, struct text messages, struct buffer *out)
{
	const struct sio_vault_place place = {.entry = end, .newest = ask->sent};
	struct keep_reader in = {.rest = messages};
	char offset[SIO_OFFSET_LONG + 1];
	size_t n;

	keep_put_u64(out, count);
	for (uint64_t i = 1; i <= count; i++) {
		struct sio_recovery_position at = {log->heard - (count - i), ask->sent, log->origin};

		n = sio_recovery_position_write(log->epoch, &at, offset);
		offset[n++] = ':';
		n += sio_vault_place_write(&place, offset + n);
		keep_put_text(out, text_of(offset, n));
		keep_put_text(out, keep_get_text(&in));
	}
}

/* The session is live at this worker. A client that comes back needs the last of these events, or nothing. */
static void
vault_continue(struct sio_vault *vault, struct sio_recovery_session *session, const struct vault_ask *ask,
	const struct vault_claimed *claimed, uint64_t count)
{
	struct sio_recovery_log *log = session->log;
	uint64_t sum = log->heard + ask->sent;

	session->start = sum;
	session->bound_origin = count != 0 ? log->origin : claimed->offset_origin;
	session->bound_sum = count != 0 ? sum : claimed->offset_sum;
	session->bound_changed = 1;
	log->head = log->heard + vault->keep->local;
}

static void
vault_on_missed(struct sio_vault *vault, struct vault_ask *ask, struct sio_recovery_session *session,
	struct bus_position end, struct text records)
{
	const struct vault_claimed *claimed = vault_find_claimed(vault, ask->pid);
	struct keep_ask *question = vault_question(ask);
	struct sio_keep *keep = vault->keep;
	struct buffer messages, out;
	char pid[SIO_PID_LENGTH];
	struct keep_reader in;
	int64_t count;

	buffer_init(&messages, SIZE_MAX / 2);
	buffer_init(&out, SIZE_MAX / 2);
	count = vault_read_missed(records, session, &claimed->from, &messages);
	if (count < 0 || buffer_error(&messages) != 0) {
		vault_fail_replay(ask, SIO_RECOVERY_FAILED);
		buffer_fini(&messages);
		return;
	}
	memcpy(pid, ask->pid, SIO_PID_LENGTH);
	vault_continue(vault, session, ask, claimed, (uint64_t)count);
	question->own = ask->sent;
	keep_put_u64(&out, ask->nonce);
	buffer_add_byte(&out, SIO_RECOVERY_RECOVERED);
	buffer_add(&out, pid, SIO_PID_LENGTH);
	keep_put_u64(&out, keep->heard);
	vault_put_missed(ask, session->log, end, (uint64_t)count, buffer_text(&messages), &out);
	sio_vault_forget(vault, pid);
	vault_ask_free(ask);
	in = (struct keep_reader){.rest = buffer_text(&out)};
	sio_keep_replayed(keep, &in);
	session = sio_recovery_session_find(keep->recovery, text_of(pid, SIO_PID_LENGTH));
	if (session != NULL && !session->claimed)
		sio_keep_touched(session);
	buffer_fini(&messages);
	buffer_fini(&out);
}

void
sio_vault_on_read(struct sio_vault *vault, struct text message)
{
	struct sio_recovery_session *session;
	struct bus_position end;
	struct bus_point point;
	struct keep_ask *question;
	struct list *it, *next;
	struct text head, id;
	uint64_t nonce;

	if (!text_cut(&message, '\n', &head) || !text_cut(&head, ' ', &id) ||
		text_number(id, UINT64_MAX, &nonce) < 0 || !bus_position_parse(head, &end))
		return;
	list_each(it, next, &vault->asks)
	{
		struct vault_ask *ask = container_of(it, struct vault_ask, link);

		if (ask->nonce != nonce || ask->state != VAULT_IS_REPLAY)
			continue;
		question = vault_question(ask);
		session = question != NULL ? sio_keep_replay_session(vault->keep, question) : NULL;
		if (session == NULL || vault_find_claimed(vault, ask->pid) == NULL) {
			vault_ask_free(ask);
			return;
		}
		if (!bus_store_point(vault->bus, &point) || point.behind || point.gaps != ask->gaps) {
			vault_fail_replay(ask, SIO_RECOVERY_NO_HUB); /* events were missed meanwhile */
			return;
		}
		bus_store_reached(vault->bus, end);
		vault_on_missed(vault, ask, session, end, message);
		return;
	}
}

/* ------------------------------------------------------------------- timer */

uint64_t
sio_vault_retry(struct sio_vault *vault, uint64_t most)
{
	uint64_t now = vault->keep->recovery->io->loop->now, next = now + most;
	struct list due;

	list_init(&due);
	list_move_all(&due, &vault->asks);
	while (!list_empty(&due)) {
		struct vault_ask *ask = container_of(due.next, struct vault_ask, link);

		list_remove(&ask->link);
		list_add_tail(&vault->asks, &ask->link);
		if (ask->again_at == 0 || ask->again_at > now)
			continue;
		if (ask->state == VAULT_IS_REPLAY)
			vault_send_replay(ask);
		else
			vault_send_claim(ask);
	}
	for (struct list *at = vault->asks.next; at != &vault->asks; at = at->next) {
		const struct vault_ask *ask = container_of(at, struct vault_ask, link);

		if (ask->again_at != 0 && ask->again_at < next)
			next = ask->again_at;
	}
	return next > now ? next - now : 1;
}

void
sio_vault_end_asks(struct sio_vault *vault)
{
	while (!list_empty(&vault->asks))
		vault_ask_free(container_of(vault->asks.next, struct vault_ask, link));
	while (!list_empty(&vault->claimed)) {
		struct vault_claimed *claimed = container_of(vault->claimed.next, struct vault_claimed, link);

		list_remove(&claimed->link);
		mem_free(claimed);
	}
}
