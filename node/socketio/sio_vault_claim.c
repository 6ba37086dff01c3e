/*
 * Claims of sessions.
 *
 *   state    event                               next state
 *   CLAIM    a worker has or claims the session  CLAIM, after a pause; that worker is asked to give it up
 *            the bus is down                     CLAIM, after a pause
 *            a later claim has got the session   the client is closed
 *            the script has taken the session    CHECK; answered if the replay follows at once; COUNT at a
 *                                                Redis Cluster
 *            the script refuses                  answered
 *   COUNT    the servers have been counted       CHECK; answered if the replay follows at once
 *            they could not be counted           CLAIM, after a pause
 *   CHECK    the log is complete                 answered; the session is a struct vault_claimed
 *            it is not                           answered; the session is released
 *            the bus is down                     CLAIM, after a pause
 *            the worker holds events back        CLAIM, after a pause
 *   any      the question has ended, or its      GIVE BACK, until Redis has confirmed it
 *            client has left, and Redis may
 *            have the claim
 *
 * A claim that waits gets the session when the socket of the earlier one has left. So if a client is lost several
 * times in a row, its last connection gets the session.
 */
#include <stdio.h>

#include "broker/bus_keep.h"
#include "broker/wire.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/socketio/sio_client.h"
#include "node/socketio/sio_keep_ask.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_recovery_session.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_vault_count.h"

#define CLAIM_MS 30000 /* after this time, an unused claim ends; middlewares may run meanwhile */
#define BACK_MS 3000   /* so long after this worker has lost Redis, another without a subscription may come back */
#define WAITING_MAX TEXT("16") /* claims since one got the session; further ones are refused */
#define GIVEN_BACK_MAX 1024    /* claims that are being given back; further ones end after CLAIM_MS */

/* Answers the question with CLAIMED and frees the ask. */
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
	sio_vault_ask_free(ask);
	in = (struct keep_reader){.rest = buffer_text(&out)};
	sio_keep_claimed(keep, &in);
	buffer_fini(&out);
}

/* Releases the session that the script has claimed, because the client cannot continue it. */
static void
vault_refuse_claim(struct vault_ask *ask, enum sio_recovery_result result)
{
	char key[SIO_VAULT_KEY_MAX];
	const struct text args[] = {sio_vault_key(ask->vault, text_of(ask->pid, SIO_PID_LENGTH), key),
		text_of(ask->claim, SIO_VAULT_CLAIM)};

	sio_vault_call(ask->vault, VAULT_RELEASE, 1, args, 2, NULL);
	vault_answer_claim(ask, result);
}

/*
 * Hands the claimed session over to the question. Refuses an id that this server cannot accept: others may write to
 * Redis.
 */
static void
vault_hand_over(struct vault_ask *ask, const struct keep_ask *question)
{
	struct vault_claimed *claimed;

	sio_vault_forget(ask->vault, ask->pid); /* an earlier claim, which has expired */
	sio_vault_late_forget(ask->vault, ask->pid);
	if (!sio_recovery_session_accepts_id(question->step->made, text_of(ask->sid, SIO_ID_LENGTH))) {
		vault_refuse_claim(ask, SIO_RECOVERY_FAILED);
		return;
	}
	claimed = mem_zalloc(sizeof *claimed);
	memcpy(claimed->pid, ask->pid, SIO_PID_LENGTH);
	memcpy(claimed->claim, ask->claim, SIO_VAULT_CLAIM);
	claimed->number = ask->number;
	claimed->before = (struct sio_vault_before){
		ask->offset.at.origin, ask->offset.at.heard + ask->offset.at.local, ask->from};
	list_add_tail(&ask->vault->claimed, &claimed->link);
	vault_answer_claim(ask, SIO_RECOVERY_RECOVERED);
}

static void vault_claim_again(struct vault_ask *ask);
static void vault_give_back(struct vault_ask *ask);

/* Returns the question if its client still waits. If the client has left, ends the question and returns NULL. */
static struct keep_ask *
vault_wanted(const struct vault_ask *ask)
{
	struct keep_ask *question = sio_vault_question(ask);

	if (question == NULL || (question->step->client != NULL && sio_client_open(question->step->client)))
		return question;
	(void)sio_keep_ask_take(ask->vault->keep, ask->nonce);
	sio_keep_claim_end(question, SIO_RECOVERY_RECOVERED, NULL);
	return NULL;
}

static void
vault_on_checked(struct bus_call *call, int error, struct text value)
{
	struct vault_ask *ask = container_of(call, struct vault_ask, call);
	enum sio_recovery_result result = error == 0 ? sio_vault_read_result(value) : SIO_RECOVERY_NO_HUB;
	const struct keep_ask *question = vault_wanted(ask);

	if (question == NULL)
		vault_give_back(ask);
	else if (error == ERROR_CLOSED || (error == 0 && sio_vault_read_waits(ask, value)))
		vault_claim_again(ask);
	else if (result == SIO_RECOVERY_RECOVERED)
		vault_hand_over(ask, question);
	else
		vault_refuse_claim(ask, result);
}

/* The parts of the answer C of VAULT_CLAIM. */
struct vault_found {
	struct text record, changed, quiet;
	uint64_t marked_ms, stranger_ms; /* Redis's time of the newest mark and of the last stranger */
	uint64_t number;		 /* of the claim */
	int64_t servers;		 /* in the cluster now */
};

static bool
vault_read_found(struct text answer, struct vault_found *out)
{
	uint64_t numbers[8] = {0};
	struct text line, part;

	if (!text_cut(&answer, '\n', &line))
		return false;
	(void)text_cut(&line, ' ', &part); /* C */
	for (unsigned i = 0; i < 8; i++) {
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
	out->number = numbers[6];
	out->servers = (int64_t)numbers[7];
	return true;
}

/*
 * Finds the place after which the client has missed events. Returns SIO_RECOVERY_RECOVERED, or why the claim fails.
 */
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
	/* the client's offset may be older than the newest mark of the session */
	reached = ask->from.place.entry.ms;
	if (found->quiet.n != 0 && bus_position_compare(ask->from.place.entry, quiet.place.entry) >= 0 &&
		found->marked_ms > reached)
		reached = found->marked_ms;
	return found->stranger_ms != 0 && found->stranger_ms >= reached ? SIO_RECOVERY_FOREIGN
									: SIO_RECOVERY_RECOVERED;
}

/*
 * Returns true if neither middlewares nor an owner run between the claim and the replay. The replay then checks the
 * log, so a separate check would read it twice.
 */
static bool
vault_goes_straight(const struct sio_nsp *nsp)
{
	return nsp->io->options.skip_middlewares && (nsp->owner == NULL || nsp->owner->on_connect == NULL);
}

/* `servers`: in the cluster now; negative: the script has counted them. */
static void
vault_on_found(struct vault_ask *ask, const struct keep_ask *question, struct text answer, int64_t servers)
{
	struct sio_vault_fields fields;
	struct vault_found found;
	struct text sid, rooms;
	enum sio_vault_strangers strangers;
	enum sio_recovery_result result;

	if (!vault_read_found(answer, &found) || !sio_vault_record_read(found.record, &fields)) {
		vault_refuse_claim(ask, SIO_RECOVERY_FAILED);
		return;
	}
	ask->number = found.number;
	strangers = sio_vault_strangers(ask->vault, servers >= 0 ? servers : found.servers);
	if (strangers == VAULT_PERHAPS) {
		sio_vault_pause(ask, SIO_VAULT_PAUSE_MAX_MS);
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
	memcpy(ask->sid, fields.sid.at, SIO_ID_LENGTH);
	ask->record_n = found.record.n;
	if (vault_goes_straight(question->step->made)) {
		vault_hand_over(ask, question);
		return;
	}
	rooms = text_of(ask->record + (fields.rooms.at - found.record.at), fields.rooms.n);
	sid = text_of(ask->sid, SIO_ID_LENGTH);
	ask->call.answer = vault_on_checked;
	sio_vault_read(ask, &ask->from, sio_nsp_text(question->step->made), rooms, fields.room_count,
		fields.own ? sid : TEXT_NONE, false);
}

void
sio_vault_counted(struct vault_ask *ask, int64_t servers)
{
	const struct keep_ask *question = vault_wanted(ask);

	if (question == NULL)
		vault_give_back(ask);
	else if (servers < 0)
		sio_vault_pause_longer(ask);
	else
		vault_on_found(ask, question, text_of(ask->found, ask->found_n), servers);
}

static void
vault_on_claim_answer(struct bus_call *call, int error, struct text value)
{
	struct vault_ask *ask = container_of(call, struct vault_ask, call);
	struct keep_ask *question = vault_wanted(ask);
	char kind = error == 0 && value.n != 0 ? value.at[0] : 0;

	ask->held = ask->held || error != 0 || kind == 'C';
	if (question == NULL) {
		vault_give_back(ask);
	} else if (kind == 'C') {
		if (!sio_vault_count(ask, value))
			vault_on_found(ask, question, value, -1);
	} else if (kind == 'N' || kind == 'F') {
		vault_answer_claim(ask, kind == 'N' ? SIO_RECOVERY_NO_SESSION : SIO_RECOVERY_FOREIGN);
	} else if (kind == 'P') {
		sio_client_end(question->step->client, SIO_REASON_ENGINE + EIO_TRANSPORT_CLOSE);
		(void)vault_wanted(ask);
		vault_give_back(ask);
	} else {
		ask->ghost |= kind == 'L';
		if (kind == 'L' || kind == 'W')
			(void)text_number(text_of(value.at + 1, value.n - 1), INT64_MAX, &ask->number);
		sio_vault_pause_longer(ask);
	}
}

static void
vault_send_claim(struct vault_ask *ask)
{
	const struct keep_ask *question = vault_wanted(ask);
	struct sio_vault *vault = ask->vault;
	uint64_t now = vault->keep->recovery->io->loop->now;
	char key[SIO_VAULT_KEY_MAX], here[SIO_VAULT_KEY_MAX], anywhere[SIO_VAULT_KEY_MAX];
	char name[SIO_PID_HANDLE + SIO_VAULT_KEY_MAX];
	struct buffer channels, requests;
	struct vault_number ms, number;
	struct text args[13], nsp;

	if (question == NULL) {
		vault_give_back(ask);
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
	memcpy(mempcpy(name, ask->pid, SIO_PID_HANDLE), args[0].at, args[0].n);
	args[8] = text_of(name, SIO_PID_HANDLE + args[0].n);
	buffer_init(&requests, SIO_VAULT_KEY_MAX);
	wire_channel_request(&requests, vault->key, TEXT("/"));
	args[9] = buffer_text(&requests);
	args[10] = vault->back_at != 0 && now - vault->back_at < BACK_MS ? TEXT("0") : TEXT("1");
	args[11] = sio_vault_number(&number, ask->number);
	args[12] = WAITING_MAX;
	ask->again_at = 0;
	sio_vault_late_send(vault); /* it may be of this session */
	sio_vault_call(vault, VAULT_CLAIM, 3, args, 13, &ask->call);
	buffer_fini(&channels);
	buffer_fini(&requests);
}

/*
 * The connection was lost while the log was being checked, or the log lacks events that are still to come. The claim
 * is still valid, so repeating it finds the session again.
 */
static void
vault_claim_again(struct vault_ask *ask)
{
	mem_free(ask->record);
	ask->record = NULL;
	ask->call.answer = vault_on_claim_answer;
	sio_vault_pause_longer(ask);
}

/* --------------------------------------------------------------- giving back */

static void
vault_on_given_back(struct bus_call *call, int error, struct text value)
{
	struct vault_ask *ask = container_of(call, struct vault_ask, call);

	(void)value;
	if (error != 0)
		sio_vault_pause_longer(ask);
	else
		sio_vault_ask_free(ask);
}

static void
vault_send_give_back(struct vault_ask *ask)
{
	struct sio_vault *vault = ask->vault;
	char key[SIO_VAULT_KEY_MAX];
	const struct text args[] = {
		sio_vault_key(vault, text_of(ask->pid, SIO_PID_LENGTH), key), text_of(ask->claim, SIO_VAULT_CLAIM)};

	if (vault->keep->recovery->io->loop->now >= ask->give_back_until) {
		sio_vault_ask_free(ask);
		return;
	}
	ask->again_at = 0;
	sio_vault_call(vault, VAULT_RELEASE, 1, args, 2, &ask->call);
}

/*
 * The question has ended, or its client has left, so the session is not continued here. Gives the claim back, so that
 * other workers need not wait until it expires. Names the claim, because the client may have been claimed again
 * meanwhile.
 */
static void
vault_give_back(struct vault_ask *ask)
{
	struct sio_vault *vault = ask->vault;

	if (!ask->held || vault->given_back == GIVEN_BACK_MAX) {
		sio_vault_ask_free(ask);
		return;
	}
	vault->given_back++;
	ask->give_back_until = vault->keep->recovery->io->loop->now + CLAIM_MS;
	ask->again = vault_send_give_back;
	ask->call.answer = vault_on_given_back;
	vault_send_give_back(ask);
}

/* Repeated attempts of one question make the same claim, so Redis repeats an answer that was lost. */
void
sio_vault_claim(struct sio_keep *keep, const struct keep_ask *question)
{
	struct vault_ask *ask = sio_vault_ask_new(keep->vault, question, vault_send_claim, vault_on_claim_answer);
	char claim[SIO_VAULT_CLAIM + 1];

	(void)snprintf(claim, sizeof claim, "%.*s%012llx", BUS_KEEP_ID, keep->bus.id,
		(unsigned long long)question->nonce & 0xffffffffffff);
	memcpy(ask->claim, claim, SIO_VAULT_CLAIM);
	sio_vault_note_lost(keep->vault);
	vault_send_claim(ask);
}
