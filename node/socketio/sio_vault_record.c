/*
 * What a worker writes about a session: the mark of its client (sio_vault_place.h), and field s of its record, which
 * a claim reads.
 */
#include "node/socketio/sio_history_state.h"
#include "node/socketio/sio_keep_session.h"
#include "node/socketio/sio_vault_state.h"

bool
sio_vault_mark(const struct sio_vault *vault, const struct sio_recovery_session *session,
	const struct sio_vault_reached *reached, char out[SIO_MARK_MAX], size_t *n)
{
	const struct sio_keep *keep = vault->keep;
	const struct sio_socket *s = session->socket;
	struct sio_vault_mark mark = {
		.start = session->start, .origin = keep->origin, .sum = session->log->head, .local = keep->local};
	uint64_t last = session->claimed ? 0 : s->last_event;
	struct bus_point point;

	if (!sio_vault_where(vault, &mark.place, &point))
		return false;
	if (reached != NULL) {
		mark.sum = reached->sum;
		mark.local = reached->from.local;
		mark.place = reached->from.place;
	}
	mark.bound_origin = last != 0 ? keep->origin : session->bound_origin;
	mark.bound_sum = last != 0 ? last : session->bound_sum;
	if (sio_history_waits(s)) {
		mark.bound_origin = keep->origin;
		mark.bound_sum = SIO_KEEP_UNREACHED;
	} else if (reached != NULL && reached->before != NULL) {
		mark.replayed = true;
		mark.before = *reached->before;
	}
	*n = sio_vault_mark_write(&mark, out);
	return true;
}

bool
sio_vault_record(struct sio_vault *vault, const struct sio_recovery_session *session, struct text *out)
{
	const struct sio_socket *s = session->socket;

	buffer_reset(&vault->out);
	buffer_add_byte(&vault->out, s->in_own_room);
	keep_put_text(&vault->out, text_of(s->id, SIO_ID_LENGTH));
	sio_keep_put_rooms(&vault->out, s);
	sio_keep_put_data(&vault->out, s->extra != NULL ? s->extra->data : NULL);
	sio_keep_put_given(&vault->out, s);
	if (buffer_error(&vault->out) != 0) {
		loop_count_no_memory(vault->keep->recovery->io->loop);
		return false;
	}
	*out = buffer_text(&vault->out);
	return true;
}

bool
sio_vault_record_read(struct text record, struct sio_vault_fields *out)
{
	struct keep_reader in = {.rest = record};
	uint64_t n;

	out->own = keep_get_u8(&in) != 0;
	out->sid = keep_get_text(&in);
	n = keep_get_u64(&in);
	out->rooms = keep_get_text(&in);
	(void)keep_get_text(&in); /* data; checked when it is decoded */
	out->given = keep_get_last_text(&in);
	if (in.bad || in.rest.n != 0 || out->sid.n != SIO_ID_LENGTH || n > UINT32_MAX)
		return false;
	out->room_count = (uint32_t)n;
	in = (struct keep_reader){.rest = out->rooms};
	for (; n != 0 && !in.bad; n--)
		(void)keep_get_text(&in);
	return !in.bad && in.rest.n == 0;
}
