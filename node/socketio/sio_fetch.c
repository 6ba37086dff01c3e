#include "node/socketio/sio_fetch.h"

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
fetch_on_answer(struct sio_question *question, struct text json, const struct attachments *attachments)
{
	sio_fetched_add_answer(&container_of(question, struct sio_fetch, question)->found, json, attachments);
}

/* Calls back and frees the fetch. */
static void
fetch_finish(struct sio_question *question)
{
	struct sio_fetch *fetch = container_of(question, struct sio_fetch, question);
	int error = fetch->found.error != 0 ? fetch->found.error : question->error;
	struct sio_underway before;

	if (error == SIO_ERR_SYSTEM)
		loop_count_no_memory(question->io->loop);
	before = sio_underway_enter(&question->io->underway, NULL, "fetch");
	fetch->fn(question->io, error, fetch->found.at, fetch->found.count, question->silent, fetch->arg);
	sio_underway_leave(&question->io->underway, before);
	sio_fetched_fini(&fetch->found);
	mem_free(fetch);
}

static int64_t
fetch_ask_other_nodes(struct sio_fetch *fetch, struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags,
	uint32_t timeout)
{
	struct broker_question question = sio_question_to_broker(&fetch->question, flags, timeout);
	struct wire_target to = {.rooms = who->rooms,
		.except = who->except,
		.room_count = who->rooms_count,
		.except_count = who->except_count};

	return sio_cluster_reached(nsp, flags) ? broker_ask_fetch(nsp->broker, &to, &question) : 0;
}

static struct sio_fetch *
fetch_new(struct sio_nsp *nsp, const struct sio_selection *here, unsigned flags, sio_fetch_fn *fn, void *arg)
{
	struct sio_fetch *fetch = mem_zalloc(sizeof *fetch);

	fetch->fn = fn;
	fetch->arg = arg;
	fetch->found.unmark = nsp->io->observer.write_mark != NULL && (flags & SIO_FLAG_MARKED) == 0;
	sio_question_init(&fetch->question, nsp->io, fetch_finish, fetch_on_answer);
	sio_fetched_add_sockets(&fetch->found, here);
	return fetch;
}

void
sio_fetch_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, uint32_t timeout_ms,
	sio_fetch_fn *fn, void *arg)
{
	struct sio_scratch *scratch = sio_scratch_take(&nsp->io->turn);
	struct sio_fetch *fetch;
	int rc;

	rc = sio_rooms_select(nsp, who, &scratch->selection);
	fetch = fetch_new(nsp, &scratch->selection, flags, fn, arg);
	if (rc != 0)
		fetch->found.error = rc;
	sio_question_asked(&fetch->question, fetch_ask_other_nodes(fetch, nsp, who, flags, timeout_ms));
	sio_scratch_give(&nsp->io->turn, scratch);
}

static void
fetch_one(struct sio_socket *s, sio_fetch_fn *fn, void *arg)
{
	struct sio_selection one = {.at = &s, .count = s->state == SIO_CONNECTED ? 1 : 0};

	sio_question_asked(&fetch_new(s->nsp, &one, 0, fn, arg)->question, 0);
}

int
sio_fetch(sio_target target, sio_fetch_fn *fn, void *arg)
{
	struct sio_target_rooms rooms;
	int rc;

	/* as in Node.js: it is unknown which children of a parent exist on other nodes */
	if (target.nsp == NULL || fn == NULL || target.nsp->family != NULL)
		return sio_misused(__func__, NULL, NULL, NULL, SIO_ERR_ARGUMENT);
	rc = sio_target_rooms(&rooms, &target);
	if (rc != 0)
		return rc;
	if ((target.flags & SIO_FLAG_ONLY) != 0)
		fetch_one(target.socket, fn, arg);
	else
		sio_fetch_many(target.nsp, &rooms.who, target.flags, target.timeout, fn, arg);
	sio_target_rooms_fini(&rooms);
	return 0;
}

static void
fetch_pass_sockets(
	sio_server *io, int error, const sio_socket_info *sockets, unsigned n, unsigned silent, void *event)
{
	(void)io;
	(void)error; /* the client gets the sockets that were found */
	(void)silent;
	(void)sio_ack(event, "F", sockets, n);
	sio_event_release(event);
}

int
sio_ack_sockets(sio_event *event, sio_target target)
{
	SIO_NEEDS(SIO_AN_EVENT, event, SIO_ERR_ARGUMENT);
	sio_event *kept;
	int rc;

	if (!sio_wants_ack(event))
		return SIO_ERR_STATE;
	kept = sio_event_keep(event);
	rc = sio_fetch(target, fetch_pass_sockets, kept);
	if (rc != 0)
		sio_event_release(kept);
	return rc;
}
