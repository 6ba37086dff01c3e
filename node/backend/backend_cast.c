#include "node/backend/backend_cast.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/backend/backend_args.h"
#include "node/backend/backend_client_tables.h"
#include "node/backend/backend_log.h"
#include "node/backend/backend_out.h"

struct backend_cast {
	struct list link;	       /* in member->casts */
	struct backend_member *member; /* NULL: its link is lost */
	struct backend_core *core;
	uint32_t id;
};

static struct backend_cast *
cast_new(struct backend_member *m, uint32_t id)
{
	struct backend_cast *cast = mem_zalloc(sizeof *cast);

	cast->member = m;
	cast->core = m->core;
	cast->id = id;
	list_add_tail(&m->casts, &cast->link);
	return cast;
}

static void
cast_send_count(const struct backend_member *m, uint32_t id, uint32_t receivers)
{
	backend_begin(m->wire, BACKEND_CASTED, 0, 0, 0, id);
	backend_put_u32(m->wire, receivers);
	backend_end(m->wire);
}

static void
cast_send_last(const struct backend_member *m, uint32_t id)
{
	backend_begin(m->wire, BACKEND_CASTED, BACKEND_F_LAST, 0, 0, id);
	backend_end(m->wire);
}

/* ------------------------------------ fanout "direct": answers as they come */

static void
cast_on_count(void *arg, unsigned receivers)
{
	const struct backend_cast *cast = arg;

	cast_send_count(cast->member, cast->id, receivers);
}

/* Drops the answer if the link has no space; to the backend this looks like a client that never answers. */
static void
cast_send_answer(const struct backend_cast *cast, struct text json, const struct attachments *attachments)
{
	if (cast->member != NULL &&
		backend_link_has_space(cast->member->wire, json.n + attachments_bytes(attachments)))
		backend_out_args(cast->member->wire, BACKEND_CASTED, BACKEND_F_ACK, 0, cast->id, json, attachments);
	else
		counter_add(&cast->core->loop->counters, COUNT_BACKEND_DROPPED_ACKS, 1);
}

static void
cast_on_answer(void *arg, struct sio_socket *s, const struct sio_packet *packet)
{
	(void)s;
	cast_send_answer(arg, packet->data.n != 0 ? packet->data : TEXT("[]"), packet->blocks);
}

static void
cast_on_end(void *arg)
{
	struct backend_cast *cast = arg;

	if (cast->member != NULL)
		cast_send_last(cast->member, cast->id);
	list_remove(&cast->link);
	mem_free(cast);
}

static const struct sio_sink to_backend = {.count = cast_on_count, .answer = cast_on_answer, .end = cast_on_end};

/* ------------------------- fanout "bus": the answers of all nodes, at the end */

static void
cast_on_all(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	struct backend_cast *cast = arg;
	struct buffer *out = &cast->core->text;

	(void)io;
	(void)error; /* the number of receivers shows the backend how many answers are missing */
	if (cast->member != NULL)
		cast_send_count(cast->member, cast->id, answers->count + (uint32_t)answers->missing);
	for (unsigned i = 0; cast->member != NULL && i < answers->count; i++) {
		struct sio_content c = sio_raw_answer(answers, i);

		buffer_reset(out);
		buffer_add_byte(out, '[');
		buffer_add_text(out, c.json);
		buffer_add_byte(out, ']');
		cast_send_answer(cast, buffer_text(out), c.attachments);
	}
	cast_on_end(cast);
}

/* ------------------------------------------------------------------ casting */

static int
cast_with_acks(struct backend_member *m, const struct sio_raw_to *to, const struct sio_content *event, uint32_t id)
{
	struct backend_cast *cast = cast_new(m, id);
	int rc;

	if ((to->flags & SIO_FLAG_LOCAL) != 0)
		rc = sio_raw_cast_stream(to, event, &to_backend, cast);
	else
		rc = sio_raw_cast_ack(to, event, &(struct sio_asker){.fn = cast_on_all, .arg = cast});
	if (rc == 0)
		return 0;
	/* No receiver was asked: report 0 receivers, so that the backend does not wait. */
	cast_send_count(m, id, 0);
	cast_on_end(cast);
	return rc;
}

/*
 * With fanout "direct", each worker delivers the event to its own clients. An event that is marked as local is not
 * kept in the history. With history, "direct" means that there are no other workers, so the mark is not needed.
 */
static bool
cast_is_local(const struct backend_core *core, const struct backend_frame *f)
{
	return !core->limits.bus && (!core->limits.history || (f->flags & BACKEND_F_ACK) != 0);
}

static unsigned
cast_flags(const struct backend_core *core, const struct backend_frame *f)
{
	return ((f->flags & BACKEND_F_VOLATILE) != 0 ? SIO_FLAG_VOLATILE : 0u) |
	       ((f->flags & BACKEND_F_NO_COMPRESS) != 0 ? SIO_FLAG_NO_COMPRESS : 0u) |
	       ((f->flags & BACKEND_F_TIMED) != 0 ? SIO_FLAG_TIMEOUT : 0u) |
	       (cast_is_local(core, f) ? SIO_FLAG_LOCAL : 0u);
}

/* A namespace that does not exist has no sockets: the answer is 0 receivers. */
static int
cast_deliver(struct backend_member *m, const struct backend_frame *f, struct sio_raw_to *to,
	const struct sio_content *event)
{
	bool asks = (f->flags & BACKEND_F_ACK) != 0;

	if (to->nsp != NULL)
		return asks ? cast_with_acks(m, to, event, f->id) : sio_raw_cast(to, event);
	if (asks) {
		cast_send_count(m, f->id, 0);
		cast_send_last(m, f->id);
	}
	return 0;
}

/* Reads the rooms and the excepted rooms into core->rooms. Returns 0, ERROR_SYNTAX or ERROR_TOO_MANY. */
static int
cast_take_target(const struct backend_core *core, struct text *body, struct sio_selector *who)
{
	int n = backend_take_rooms(body, core->rooms, BACKEND_ROOMS_MAX), except;

	if (n < 0)
		return n;
	except = backend_take_rooms(body, core->rooms + n, BACKEND_ROOMS_MAX - (unsigned)n);
	*who = (struct sio_selector){.rooms = core->rooms,
		.except = core->rooms + n,
		.rooms_count = (unsigned)n,
		.except_count = except < 0 ? 0 : (unsigned)except};
	return except < 0 ? except : 0;
}

bool
backend_cast(struct backend_member *m, const struct backend_frame *f)
{
	struct backend_core *core = m->core;
	struct text name = backend_link_nsp_name(m->wire, f->nsp), body = f->body;
	struct sio_raw_to to = {.flags = cast_flags(core, f)};
	struct backend_args args;
	int rc;

	if (name.at == NULL || ((f->flags & BACKEND_F_TIMED) != 0 && !backend_take_u32(&body, &to.timeout_ms)))
		return false;
	rc = cast_take_target(core, &body, &to.who);
	if (rc == 0)
		rc = backend_args_take(&args, body, f->flags);
	if (rc == ERROR_SYNTAX)
		return false;
	if (rc == 0) {
		/* other workers may have clients there, and its rooms a history */
		to.nsp = core->limits.bus || core->limits.history ? sio_raw_reach(core->io, name)
								  : sio_raw_nsp(core->io, name);
		rc = cast_deliver(m, f, &to, &args.content);
		backend_args_fini(&args);
	} else if ((f->flags & BACKEND_F_ACK) != 0) {
		cast_send_count(m, f->id, 0);
		cast_send_last(m, f->id);
	}
	backend_log_result(core, m->wire, "cast", rc);
	return true;
}

void
backend_cast_forget(struct backend_member *m)
{
	while (!list_empty(&m->casts)) {
		struct backend_cast *cast = container_of(m->casts.next, struct backend_cast, link);

		list_remove(&cast->link);
		cast->member = NULL;
	}
}
