#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_fetched.h"
#include "node/socketio/sio_question.h"

struct sio_fetch {
	struct sio_question question;
	struct sio_fetched_list found;
	sio_fetch_fn *fn;
	void *arg;
};

static void
on_answer(struct sio_question *q, struct text json, const struct attachments *attachments)
{
	sio_fetched_add_answer(&container_of(q, struct sio_fetch, question)->found, json, attachments);
}

/* The up-call. */
static void
finish(struct sio_question *q)
{
	struct sio_fetch *f = container_of(q, struct sio_fetch, question);
	sio_socket_info *infos = mem_alloc(f->found.count * sizeof *infos);
	const char **rooms;
	size_t n = 0, at = 0;

	for (unsigned i = 0; i < f->found.count; i++)
		n += f->found.at[i].rooms;
	rooms = mem_alloc(n * sizeof(const char *));
	for (unsigned i = 0; i < f->found.count; i++) {
		const struct sio_fetched *one = &f->found.at[i];
		const char *name = one->names;

		infos[i] = (sio_socket_info){name, rooms + at, one->rooms, one->data, one->handshake};
		for (unsigned r = 0; r < one->rooms; r++) {
			name += strlen(name) + 1;
			rooms[at++] = name;
		}
	}
	f->fn(q->io, q->error, infos, f->found.count, q->silent, f->arg);
	mem_free(rooms);
	mem_free(infos);
	sio_fetched_fini(&f->found);
	mem_free(f);
}

static int64_t
ask_others(struct sio_fetch *f, const sio_target *t)
{
	struct broker_question q = sio_question_to_broker(&f->question, t);
	struct sio_target_rooms r;
	struct wire_target who;
	int64_t handle;

	if ((t->flags & SIO_FLAG_ONLY) != 0 || !sio_cluster_reached(t->nsp, t->flags))
		return 0;
	handle = sio_target_rooms(&r, t);
	if (handle == 0) {
		who = (struct wire_target){r.who.rooms, r.who.except, r.who.rooms_count, r.who.except_count, 0};
		handle = broker_ask_fetch(t->nsp->broker, &who, &q);
	}
	sio_target_rooms_fini(&r);
	return handle;
}

int
sio_fetch(sio_target target, sio_fetch_fn *fn, void *arg)
{
	struct sio_scratch *scratch;
	struct sio_fetch *f;
	struct sio_server *io;
	int rc;

	/* as in the original: a family's members on other nodes are not known */
	if (target.nsp == NULL || fn == NULL || target.nsp->family != NULL)
		return sio_misused(__func__, NULL, NULL, NULL, SIO_ERR_ARGUMENT);
	io = target.nsp->io;
	scratch = sio_scratch_take(&io->turn);
	rc = sio_target_select(&target, &scratch->selection);
	if (rc == 0) {
		f = mem_zalloc(sizeof *f);
		f->fn = fn;
		f->arg = arg;
		sio_question_init(&f->question, io, finish, on_answer);
		for (unsigned i = 0; i < scratch->selection.count; i++)
			sio_fetched_add_socket(&f->found, scratch->selection.at[i]);
		sio_question_asked(&f->question, ask_others(f, &target));
	}
	sio_scratch_give(&io->turn, scratch);
	return rc;
}

/* ------------------------------------------------ what is done to all of a target */

/* Calls `each` for the sockets; none of what they do makes an up-call or frees a socket. */
static int
for_each(const sio_target *t, int (*each)(struct sio_socket *s, const char *room), const char *room)
{
	struct sio_scratch *scratch;
	int rc, first = 0;

	if (t->nsp == NULL)
		return SIO_ERR_ARGUMENT;
	scratch = sio_scratch_take(&t->nsp->io->turn);
	rc = sio_target_select(t, &scratch->selection);
	for (unsigned i = 0; rc == 0 && i < scratch->selection.count; i++) {
		int one = each(scratch->selection.at[i], room);

		if (first == 0)
			first = one;
	}
	sio_scratch_give(&t->nsp->io->turn, scratch);
	return rc != 0 ? rc : first;
}

static int
join(struct sio_socket *s, const char *room)
{
	return sio_join(s, room);
}

static int
leave(struct sio_socket *s, const char *room)
{
	sio_leave(s, room);
	return 0;
}

static int
disconnect(struct sio_socket *s, const char *room)
{
	(void)room;
	sio_disconnect(s, false);
	return 0;
}

static int
disconnect_close(struct sio_socket *s, const char *room)
{
	(void)room;
	sio_disconnect(s, true);
	return 0;
}

/* This node's sockets at once; the others whatever became of these. */
static int
everywhere(const sio_target *t, int (*each)(struct sio_socket *s, const char *room), enum sio_cluster_order order,
	const char *room)
{
	int here = for_each(t, each, room), elsewhere = sio_cluster_order(t, order, room);

	return here != 0 ? here : elsewhere;
}

int
sio_sockets_join(sio_target target, const char *room)
{
	return sio_misused(__func__, room, NULL, NULL,
		sio_is_name(room) ? everywhere(&target, join, SIO_CLUSTER_JOIN, room) : SIO_ERR_ARGUMENT);
}

int
sio_sockets_leave(sio_target target, const char *room)
{
	return sio_misused(__func__, room, NULL, NULL,
		sio_is_name(room) ? everywhere(&target, leave, SIO_CLUSTER_LEAVE, room) : SIO_ERR_ARGUMENT);
}

int
sio_disconnect_sockets(sio_target target, bool close)
{
	return close ? everywhere(&target, disconnect_close, SIO_CLUSTER_CLOSE, NULL)
		     : everywhere(&target, disconnect, SIO_CLUSTER_DISCONNECT, NULL);
}
