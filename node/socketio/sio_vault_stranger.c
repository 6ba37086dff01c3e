#include "broker/broker.h"
#include "common/base/mem.h"
#include "node/socketio/sio_nsp.h"
#include "node/socketio/sio_vault_state.h"

#define STRANGER_MS 1000 /* interval at which Node.js servers are noted */
#define HIDDEN_MS 15000	 /* the death of a node is noticed within this time */
#define NOTES_MAX 256	 /* notes that wait for an answer; instead of more, one note for all namespaces follows */

/* A note of a stranger. If it is lost, another one follows (sio_vault_note_lost()). */
struct vault_note {
	struct bus_call call;
	struct list link;
	struct sio_vault *vault;
};

enum sio_vault_strangers
sio_vault_strangers(struct sio_vault *vault, int64_t servers)
{
	uint64_t counted_at = vault->keep->recovery->io->loop->now, arrived;
	struct members_stats members;
	int64_t strangers;

	members_stats(broker_members(vault->keep->broker), &members);
	if (servers < 0 && members.foreign < 0) /* not counted yet */
		return VAULT_PERHAPS;
	strangers = members.foreign;
	arrived = members.arrived;
	if (servers >= 0) {
		strangers = servers - members.count[MEMBER_SERVING] - members.count[MEMBER_DRAINING] -
			    members.count[MEMBER_SILENT];
	} else {
		counted_at = members.counted_at; /* on a busy machine, long ago */
		arrived = members.counted_arrived;
	}
	if (counted_at < vault->counted_at)
		return vault->counted_since == 0 ? VAULT_NO_STRANGERS : VAULT_PERHAPS;
	vault->counted_at = counted_at;
	if (strangers == 0 || (servers >= 0 && strangers < 0)) {
		vault->counted_since = 0;
		return VAULT_NO_STRANGERS;
	}
	if (vault->counted_since == 0)
		vault->found_since = counted_at;
	/* the strangers of the first count may be the members that have arrived since */
	if (vault->counted_since == 0 || members.arrived - vault->since_arrived >= vault->since_count) {
		vault->counted_since = counted_at;
		vault->since_count = (uint64_t)strangers;
		vault->since_arrived = arrived;
	}
	if (counted_at >= vault->counted_since + SIO_VAULT_SURE_MS ||
		counted_at >= vault->found_since + SIO_VAULT_JOINING_MS)
		return VAULT_STRANGERS;
	return VAULT_PERHAPS;
}

static void
vault_on_noted(struct bus_call *call, int error, struct text value)
{
	struct vault_note *note = container_of(call, struct vault_note, call);

	(void)value;
	note->vault->note_count--;
	note->vault->unnoted = note->vault->unnoted || error != 0;
	list_remove(&note->link);
	mem_free(note);
}

/* Notes a stranger in the namespace, or with TEXT_NONE in all. The note counts until `ahead_ms` from now. */
static void
vault_note_stranger(struct sio_vault *vault, struct text nsp, uint64_t ahead_ms)
{
	char key[SIO_VAULT_KEY_MAX];
	struct vault_number ttl, ahead;
	const struct text args[] = {sio_vault_stranger_key(vault, nsp, key),
		sio_vault_number(&ttl, sio_vault_live_ms(vault) + SIO_VAULT_RENEW_MS),
		sio_vault_number(&ahead, ahead_ms)};
	struct vault_note *note;

	if (vault->note_count == NOTES_MAX) {
		vault->unnoted = true;
		return;
	}
	note = mem_zalloc(sizeof *note);
	vault->note_count++;
	bus_call_init(&note->call, vault_on_noted);
	note->vault = vault;
	list_add_tail(&vault->notes, &note->link);
	sio_vault_call(vault, VAULT_STRANGER, 1, args, 3, &note->call);
}

void
sio_vault_note_lost(struct sio_vault *vault)
{
	if (!vault->unnoted)
		return;
	vault->unnoted = false;
	vault_note_stranger(vault, TEXT_NONE, 0);
}

/*
 * An event without a number has arrived. If it is in the log, as the first events of a worker are, VAULT_READ finds
 * out who has missed it. A note would make all clients new whose offsets are older than the note, even if they have
 * received the event. Events of one millisecond share a note.
 */
void
sio_vault_stranger(struct sio_keep *keep, const struct sio_nsp *nsp)
{
	struct sio_vault *vault = keep->vault;
	uint64_t now = keep->recovery->io->loop->now;
	struct bus_point point;

	if (bus_store_point(vault->bus, &point) && point.recorded)
		return;
	if (vault->stranger_nsp == nsp && vault->stranger_here == now)
		return;
	vault->stranger_nsp = nsp;
	vault->stranger_here = now;
	vault_note_stranger(vault, sio_nsp_text(nsp), 0);
}

/*
 * A node that has just died has left the count but is still in the list of members. For up to HIDDEN_MS it may hide
 * a Node.js server from the count, so each note counts for that time.
 */
void
sio_vault_watch_strangers(struct sio_vault *vault)
{
	uint64_t now = vault->keep->recovery->io->loop->now;

	enum sio_vault_strangers strangers = sio_vault_strangers(vault, -1);

	broker_recount(vault->keep->broker);
	if (strangers != VAULT_STRANGERS || now < vault->stranger_at)
		return;
	vault->stranger_at = now + STRANGER_MS;
	vault_note_stranger(vault, TEXT_NONE, HIDDEN_MS);
}

void
sio_vault_end_notes(struct sio_vault *vault)
{
	while (!list_empty(&vault->notes)) {
		struct vault_note *note = container_of(vault->notes.next, struct vault_note, link);

		bus_call_cancel(&note->call);
		list_remove(&note->link);
		mem_free(note);
	}
}
