#include "node/backend/backend_late.h"

#include "common/base/mem.h"

struct backend_late {
	struct backend_handle handle; /* of `member` */
	struct list of_member;	      /* in member->late, oldest first */
	struct backend_member *member;
	uint64_t since;
	struct sio_raw_key session;
	uint16_t nsp_n, sid_n;
	char texts[]; /* the names of the namespace and of the socket */
};

static struct text
late_sid(const struct backend_late *late)
{
	return text_of(late->texts + late->nsp_n, late->sid_n);
}

static void
late_free(struct backend_late *late)
{
	backend_handle_take(late->member, &late->handle);
	list_remove(&late->of_member);
	late->member->late_count--;
	mem_free(late);
}

void
backend_late_add(struct backend_member *m, sio_socket *socket, struct backend_handle *handle)
{
	struct text nsp = text_from(sio_nsp_name(sio_socket_nsp(socket))), sid = text_from(sio_id(socket));
	struct backend_late *late = mem_try_zalloc(sizeof *late + nsp.n + sid.n);

	if (late == NULL)
		return;
	if (m->late_count == BACKEND_LATE_MAX)
		late_free(container_of(m->late.next, struct backend_late, of_member));
	late->member = m;
	late->since = m->core->loop->now;
	late->session = sio_raw_session_key(socket);
	late->nsp_n = (uint16_t)nsp.n;
	late->sid_n = (uint16_t)sid.n;
	memcpy(mempcpy(late->texts, nsp.at, nsp.n), sid.at, sid.n);
	list_add_tail(&m->late, &late->of_member);
	m->late_count++;
	backend_handle_move(m, handle, &late->handle, BACKEND_A_LATE);
	backend_sweep_later(m->core);
}

struct backend_late *
backend_late_find(const struct backend_member *m, uint32_t handle)
{
	struct backend_handle *h = m->late_count != 0 ? backend_handle_find(m, handle) : NULL;

	return h != NULL && h->kind == BACKEND_A_LATE ? container_of(h, struct backend_late, handle) : NULL;
}

/* Addresses the socket of this id, at whichever worker it is now. `nsp` is NULL if the namespace is gone. */
static struct sio_raw_to
late_target(const struct backend_late *late, struct text *room, unsigned flags)
{
	*room = late_sid(late);
	return (struct sio_raw_to){.nsp = sio_raw_nsp(late->member->core->io, text_of(late->texts, late->nsp_n)),
		.who = {.rooms = room, .rooms_count = 1},
		.flags = flags};
}

int
backend_late_emit(const struct backend_late *late, unsigned flags, const struct sio_content *event)
{
	struct text room;
	struct sio_raw_to to = late_target(late, &room, flags);

	return to.nsp != NULL ? sio_raw_cast(&to, event) : 0;
}

int
backend_late_rooms(const struct backend_late *late, bool joins, const struct text *rooms, unsigned rooms_count)
{
	struct backend_core *core = late->member->core;
	bool obeying = core->obeying;
	sio_socket *s = sio_raw_session_socket(core->io, &late->session);
	struct text room;
	struct sio_raw_to to = late_target(late, &room, 0);
	int rc = 0;

	/* for the backend, the socket that has come back is another one, so its rooms are reported */
	core->obeying = false;
	if (s != NULL && joins) {
		rc = sio_raw_join(s, rooms, rooms_count);
	} else if (s != NULL) {
		sio_raw_leave(s, rooms, rooms_count);
	} else if (to.nsp != NULL) {
		sio_raw_end_session(to.nsp, &late->session); /* unless it is live at another worker */
		rc = joins ? sio_raw_cast_join(&to, rooms, rooms_count) : sio_raw_cast_leave(&to, rooms, rooms_count);
	}
	core->obeying = obeying;
	return rc;
}

bool
backend_late_sweep(struct backend_member *m)
{
	while (!list_empty(&m->late)) {
		struct backend_late *late = container_of(m->late.next, struct backend_late, of_member);

		if (m->core->loop->now - late->since < BACKEND_LATE_MS)
			return true;
		late_free(late);
	}
	return false;
}

void
backend_late_forget(struct backend_member *m)
{
	while (!list_empty(&m->late))
		late_free(container_of(m->late.next, struct backend_late, of_member));
}
