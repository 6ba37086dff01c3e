#include "node/socketio/sio_recovery_record.h"

#include "node/socketio/sio_keep_state.h"

#include "node/socketio/sio_recovery_state.h"

#define SWEEP_MS 1000 /* interval at which old entries and sessions are dropped */

static void
recovery_arm(struct sio_recovery *recovery)
{
	if (recovery->armed)
		return;
	recovery->armed = true;
	loop_arm(recovery->io->loop, &recovery->timer, SWEEP_MS);
}

void
sio_recovery_trim_log(struct sio_recovery *recovery)
{
	struct sio_recovery_store *store = &recovery->store;

	while (store->bytes > store->max_bytes && store->count > 1)
		(void)sio_recovery_store_drop(store);
	recovery_arm(recovery);
}

static struct text
without_white_end(struct text json)
{
	while (json.at[json.n - 1] != ']')
		json.n--;
	return json;
}

/* An event without arguments ends with its name, which a client would take for an offset as well. */
static bool
ends_with_string(struct text json)
{
	size_t n = json.n - 1;

	while (json.at[n - 1] == ' ' || json.at[n - 1] == '\t' || json.at[n - 1] == '\n' || json.at[n - 1] == '\r')
		n--;
	return json.at[n - 1] == '"';
}

static void
recovery_mark(struct sio_outgoing *out, const struct sio_recovery_log *log, bool always)
{
	struct text json = out->packet.json;
	char offset[SIO_OFFSET_LONG + 1], *room, *at;

	if (!always && (!ends_with_string(json) || (log->by_entries && log->head == 0)))
		return;
	room = at = sio_turn_room(&out->recording->nsp->io->turn, json.n + sio_recovery_offset_max(log) + 4);
	if (room == NULL)
		return;
	at = mempcpy(at, json.at, json.n - 1);
	at = mempcpy(at, ",\"", 2);
	at = mempcpy(at, offset, sio_recovery_offset_write(log, log->head, false, offset));
	at = mempcpy(at, "\"]", 2);
	out->packet.json = text_of(room, (size_t)(at - room));
}

void
sio_recovery_stamp(struct sio_outgoing *out)
{
	struct sio_recording *recording = out->recording;
	struct sio_recovery *recovery = recording->nsp->io->recovery;
	struct sio_recovery_log *log = recording->nsp->log;
	struct sio_keep *keep = recovery->keep;
	struct sio_recovery_entry *entry;

	out->packet.json = recording->plain = without_white_end(out->packet.json);
	if (recovery->stream != NULL) {
		if (recording->number != 0)
			log->head = recording->number;
		recovery_mark(out, log, recording->number != 0);
		return;
	}
	if (keep != NULL && !keep->welcome) {
		keep->unheard |= recording->who != NULL;
		return;
	}
	if (recording->who == NULL || recording->numbered) {
		recording->number = recording->who != NULL ? log->head : 0;
		recovery_mark(out, log, recording->who != NULL);
		return;
	}
	if (keep != NULL)
		log->head = log->heard + keep->local;
	entry = sio_recovery_log_add(log, recovery->io->loop->now, recording->who, out->packet.json,
		out->packet.attachments, out->compress);
	recording->number = log->head;
	if (keep != NULL)
		keep->local++;
	if (entry == NULL) {
		loop_count_no_memory(recovery->io->loop);
		return;
	}
	out->packet.json = sio_recovery_entry_json(entry);
	if (keep == NULL) {
		sio_recovery_trim_log(recovery);
		return;
	}
	entry->local = keep->local;
	keep->ops->trim(keep);
}
