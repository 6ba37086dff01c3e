#include "node/backend/backend_history.h"

#include "common/base/mem.h"
#include "node/backend/backend_client_tables.h"
#include "node/backend/backend_late.h"
#include "node/backend/backend_log.h"
#include "node/backend/backend_word.h"
#include "node/socketio/sio_history.h"
#include "node/socketio/sio_history_join.h"
#include "node/socketio/sio_raw.h"

struct backend_past {
	struct list link;	       /* in member->pasts */
	struct backend_member *member; /* NULL: the link was lost */
	uint32_t id;
	bool reads;	  /* a HISTORY, counted in member->reads */
	bool from_oldest; /* events that do not fit are left out at the end, not at the beginning */
};

static struct backend_past *
past_new(struct backend_member *m, uint32_t id)
{
	struct backend_past *past = mem_zalloc(sizeof *past);

	past->member = m;
	past->id = id;
	list_add_tail(&m->pasts, &past->link);
	return past;
}

static void
past_free(struct backend_past *past)
{
	if (past->member != NULL) {
		list_remove(&past->link);
		past->member->reads -= past->reads;
	}
	mem_free(past);
}

void
backend_history_forget(struct backend_member *m)
{
	while (!list_empty(&m->pasts)) {
		struct backend_past *past = container_of(m->pasts.next, struct backend_past, link);

		list_remove(&past->link);
		past->member = NULL;
	}
}

/* ------------------------------------------------------------------ answers */

static void
send_last(const struct backend_member *m, uint32_t id, int error, uint32_t count)
{
	backend_begin(m->wire, BACKEND_PAST, BACKEND_F_LAST, 0, 0, id);
	backend_put_u32(m->wire, count);
	backend_put_text(m->wire, backend_word(error));
	backend_end(m->wire);
}

/* Returns an upper limit for the bytes of a record's frame. */
static size_t
record_size(const struct sio_history_record *record)
{
	unsigned blocks = record->attachments != NULL ? record->attachments->count : 0;

	return BACKEND_HEAD + 4 + HISTORY_ID_MAX + 8 + 4 + record->json.n + 4 * blocks +
	       attachments_bytes(record->attachments);
}

/* Sends one event. Returns false if it does not fit into a frame. */
static bool
send_record(const struct backend_member *m, uint32_t id, const struct sio_history_record *record)
{
	char name[HISTORY_ID_MAX + 1];
	size_t n = history_id_write(record->id, name);

	backend_begin(m->wire, BACKEND_PAST, 0, 0, 0, id);
	backend_put_text(m->wire, text_of(name, n));
	backend_put_u32(m->wire, (uint32_t)record->id.ms);
	backend_put_u32(m->wire, (uint32_t)(record->id.ms >> 32));
	backend_put_args(m->wire, record->json, record->attachments);
	if (backend_end(m->wire))
		return true;
	backend_log_dropped(m->core, m->wire, "history", "an event is larger than a frame");
	return false;
}

/* Drops the newest events if past->from_oldest, otherwise the oldest, until the rest fits. Returns its bytes. */
static size_t
fit_records(const struct backend_past *past, const struct sio_history_record **records, unsigned *count)
{
	uint64_t max_frame = past->member->core->limits.max_frame;
	size_t max = max_frame < BACKEND_PAST_MAX ? (size_t)max_frame : BACKEND_PAST_MAX, bytes = 0;
	unsigned n = 0;

	for (; n < *count; n++) {
		size_t size = record_size(&(*records)[past->from_oldest ? n : *count - 1 - n]);

		if (n > 0 && bytes + size > max)
			break;
		bytes += size;
	}
	if (!past->from_oldest)
		*records += *count - n;
	*count = n;
	return bytes;
}

static void
send_records(const struct backend_past *past, int error, const struct sio_history_record *records, unsigned count)
{
	const struct backend_member *m = past->member;
	unsigned sent = 0;

	if (!backend_link_has_space(m->wire, fit_records(past, &records, &count))) {
		counter_add(&m->core->loop->counters, COUNT_BACKEND_DROPPED_ACKS, 1);
		error = SIO_ERR_TOO_MANY;
		count = 0;
	}
	for (unsigned i = 0; i < count; i++)
		sent += send_record(m, past->id, &records[i]);
	send_last(m, past->id, error, sent);
}

static void
past_on_records(void *arg, int error, const struct sio_history_record *records, unsigned count)
{
	struct backend_past *past = arg;

	if (past->member != NULL)
		send_records(past, error, records, error == 0 ? count : 0);
	past_free(past);
}

static void
past_on_removed(void *arg, int error, const struct sio_history_record *records, unsigned count)
{
	struct backend_past *past = arg;

	(void)records;
	if (past->member != NULL)
		send_last(past->member, past->id, error, error == 0 ? count : 0);
	past_free(past);
}

static void
past_on_joined(sio_socket *socket, int error, unsigned sent, void *arg)
{
	struct backend_past *past = arg;

	(void)socket;
	if (past->member != NULL)
		send_last(past->member, past->id, error, sent);
	past_free(past);
}

/* ---------------------------------------------------------------- questions */

/* Limits the name of a room, which a question keeps in memory until it is answered. */
static int
check_room(struct text room)
{
	return room.n <= BACKEND_PAST_ROOM_MAX ? 0 : SIO_ERR_TOO_BIG;
}

/*
 * The socket has left. As after a late JOIN, adds the room to its session: the rooms decide which events its client
 * has missed.
 */
static void
join_late(struct backend_member *m, uint32_t handle, struct text room)
{
	const struct backend_late *late = backend_late_find(m, handle);

	if (late != NULL)
		backend_log_result(m->core, m->wire, "late rooms", backend_late_rooms(late, true, &room, 1));
}

bool
backend_history_join(struct backend_member *m, const struct backend_frame *f, sio_socket *socket)
{
	struct text body = f->body, room;
	struct backend_past *past;
	uint32_t count;
	int rc;

	if (!backend_take_u32(&body, &count) || !backend_take_text(&body, &room) || body.n != 0)
		return false;
	rc = check_room(room);
	if (rc == 0 && socket == NULL) {
		join_late(m, f->handle, room);
		rc = SIO_ERR_STATE;
	}
	if (rc != 0) {
		send_last(m, f->id, rc, 0);
		return true;
	}
	past = past_new(m, f->id);
	rc = sio_history_join_raw(socket, room, count, past_on_joined, past);
	if (rc == 0)
		return true;
	past_free(past);
	if (rc == SIO_ERR_STATE || rc == SIO_ERR_TOO_MANY)
		backend_log_result(m->core, m->wire, "join", sio_raw_join(socket, &room, 1));
	else
		backend_log_result(m->core, m->wire, "catchup", rc);
	send_last(m, f->id, rc, 0);
	return true;
}

/* Reads an id; an empty text is zeros. Returns false if the text is not an id. */
static bool
read_id(struct text text, struct history_id *out)
{
	*out = (struct history_id){0, 0};
	return text.n == 0 || (history_id_read(text, out) && (out->ms != 0 || out->seq != 0));
}

bool
backend_history_read(struct backend_member *m, const struct backend_frame *f)
{
	struct text nsp = backend_link_nsp_name(m->wire, f->nsp), body = f->body, room, before, after;
	struct history_query query = {.count = 0};
	struct backend_past *past;
	uint32_t count;
	int rc;

	if (nsp.at == NULL || !backend_take_u32(&body, &count) || !backend_take_text(&body, &room) ||
		!backend_take_text(&body, &before) || !backend_take_text(&body, &after) || body.n != 0)
		return false;
	rc = check_room(room);
	if (rc == 0 && (!read_id(before, &query.before) || !read_id(after, &query.after)))
		rc = SIO_ERR_ARGUMENT;
	if (rc == 0 && m->reads == BACKEND_READS_MAX)
		rc = SIO_ERR_TOO_MANY;
	if (rc != 0) {
		send_last(m, f->id, rc, 0);
		return true;
	}
	query.count = count > 0 && count < HISTORY_COUNT_MAX ? count : HISTORY_COUNT_MAX;
	query.max_bytes = BACKEND_PAST_MAX;
	query.from_oldest = after.n != 0 && before.n == 0;
	past = past_new(m, f->id);
	past->from_oldest = query.from_oldest;
	past->reads = true;
	m->reads++;
	rc = sio_history_read_named(m->core->io, nsp, room, &query, past_on_records, past);
	if (rc != 0) {
		past_free(past);
		send_last(m, f->id, rc, 0);
	}
	return true;
}

bool
backend_history_remove(struct backend_member *m, const struct backend_frame *f)
{
	struct text nsp = backend_link_nsp_name(m->wire, f->nsp), body = f->body, room, event;
	struct backend_past *past;
	struct history_id id;
	int rc;

	if (nsp.at == NULL || !backend_take_text(&body, &room) || !backend_take_text(&body, &event) || body.n != 0)
		return false;
	past = past_new(m, f->id);
	rc = check_room(room);
	if (rc == 0 && !read_id(event, &id))
		rc = SIO_ERR_ARGUMENT;
	if (rc == 0)
		rc = sio_history_remove_named(m->core->io, nsp, room, id, past_on_removed, past);
	if (rc != 0) {
		past_free(past);
		send_last(m, f->id, rc, 0);
	}
	return true;
}
