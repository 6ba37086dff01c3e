#include "node/socketio/sio_event.h"
#include "node/socketio/sio_check.h"

#include "broker/broker.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"

static void
run_events(struct sio_listeners *l, struct sio_socket *s, struct sio_event *e, const char *handler)
{
	SIO_RUN(l, &e->io->underway, s->nsp->name, handler, sio_event_fn, s, e);
}

/* A number for a name stands under the name that JavaScript's property of it would have. */
struct text
sio_event_name_of(struct buffer *out, struct text quoted)
{
	buffer_reset(out);
	if (quoted.n != 0 && quoted.at[0] == '"') {
		char *room = (char *)buffer_room(out, quoted.n + 1);

		if (room == NULL)
			return TEXT_NONE;
		out->len = json_string_decode_name(quoted, room);
	} else {
		json_write_double(out, json_number_double(quoted));
	}
	buffer_add_byte(out, '\0');
	if (buffer_error(out) != 0)
		return TEXT_NONE;
	return text_of((const char *)out->data, out->len - 1);
}

void
sio_event_dispatch_any(struct sio_event *e)
{
	struct sio_socket *s = e->socket;

	if (s->nsp->parent != NULL)
		run_events(&s->nsp->parent->any, s, e, e->name.at);
	run_events(&s->nsp->any, s, e, e->name.at);
}

void
sio_event_dispatch(struct sio_event *e)
{
	struct sio_socket *s = e->socket;

	if (s == NULL || s->state != SIO_CONNECTED)
		return;
	if (s->nsp->parent != NULL)
		run_events(sio_event_listeners(&s->nsp->parent->events, e->name), s, e, e->name.at);
	run_events(sio_event_listeners(&s->nsp->events, e->name), s, e, e->name.at);
}

static void
copy_unref(struct sio_event *k)
{
	must(k->refs > 0);
	if (--k->refs > 0)
		return;
	if (k->socket != NULL) {
		sio_socket_waits_no_more(k->socket, k->bytes);
		if (k->owner.no_memory)
			sio_client_no_memory(k->socket->client);
	}
	if (k->reply != NULL)
		k->io->kept_server_events--;
	broker_reply_unref(k->reply);
	list_remove(&k->held.link);
	sio_value_owner_fini(&k->owner);
	attachments_fini(&k->attachments);
	sio_died(k);
	sio_retire(k);
}

/* The live event lets go of its copy. */
static void
unkeep(struct sio_event *e)
{
	e->kept->live = false;
	copy_unref(e->kept);
	e->kept = NULL;
}

void
sio_event_outgoing(struct sio_event *e, struct text name, struct text json, const struct attachments *attachments,
	struct text *args)
{
	int n = json_array_split(json, args, SIO_ARGS_MAX, JSON_DEPTH_MAX);

	*e = (struct sio_event){.name = name, .args = args + 1};
	sio_born(SIO_AN_EVENT, e);
	sio_value_owner_init(&e->owner, json, attachments);
	e->list = sio_args_make(args + 1, n > 0 ? (unsigned)n - 1 : 0, &e->owner);
}

void
sio_event_outgoing_run(struct sio_event *e, struct sio_socket *s)
{
	e->socket = s;
	e->io = s->nsp->io;
	if (s->nsp->parent != NULL)
		run_events(&s->nsp->parent->any_outgoing, s, e, "any outgoing");
	run_events(&s->nsp->any_outgoing, s, e, "any outgoing");
	/* a copy that a listener kept belongs to this socket only */
	if (e->kept != NULL)
		unkeep(e);
}

void
sio_event_fini(struct sio_event *e)
{
	sio_died(e);
	if (e->kept != NULL)
		unkeep(e);
	sio_value_owner_fini(&e->owner);
}

/* ------------------------------------------------------------- keeping */

static void
event_orphan(struct sio_held *held)
{
	container_of(held, struct sio_event, held)->socket = NULL;
}

/* One allocation: the struct, the bounds of its arguments, the name, the JSON text. NULL: there is no memory for it.
 */
static struct sio_event *
copy_with_bytes(const struct sio_event *e)
{
	unsigned n = e->list.count;
	struct text json = e->owner.json;
	size_t texts = n * sizeof(struct text);
	struct sio_event *k = mem_try_zalloc(sizeof *k + texts + e->name.n + 1 + json.n);
	struct text *args = (struct text *)(k + 1);
	char *name = (char *)args + texts, *at = name + e->name.n + 1;

	if (k == NULL)
		return NULL;
	memcpy(name, e->name.at, e->name.n);
	memcpy(at, json.at, json.n);
	for (unsigned i = 0; i < n; i++)
		args[i] = text_of(at + (e->args[i].at - json.at), e->args[i].n);
	attachments_init(&k->attachments);
	k->bytes = sizeof *k + texts + e->name.n + 1 + json.n;
	for (unsigned i = 0; e->owner.attachments != NULL && i < e->owner.attachments->count; i++) {
		attachments_add(&k->attachments, e->owner.attachments->blocks[i]);
		k->bytes += e->owner.attachments->blocks[i]->len;
	}
	k->name = text_of(name, e->name.n);
	k->args = args;
	sio_value_owner_init(&k->owner, text_of(at, json.n), &k->attachments);
	k->list = sio_args_make(args, n, &k->owner);
	return k;
}

/* What is left without memory for the bytes: who sent it, and the right to answer. The sender is closed for it. */
static struct sio_event *
copy_without_bytes(const struct sio_event *e)
{
	struct sio_event *k = mem_zalloc(sizeof *k);

	k->bytes = sizeof *k;
	k->name = TEXT("");
	attachments_init(&k->attachments);
	sio_value_owner_init(&k->owner, TEXT_NONE, NULL);
	k->list = sio_args_make(NULL, 0, &k->owner);
	if (e->socket != NULL)
		sio_client_no_memory(e->socket->client);
	else
		loop_count_no_memory(e->io->loop);
	return k;
}

static struct sio_event *
copy_of(const struct sio_event *e)
{
	struct sio_event *k = copy_with_bytes(e);

	if (k == NULL)
		k = copy_without_bytes(e);
	sio_born(SIO_AN_EVENT, k);
	sio_held_init(&k->held, event_orphan);
	k->id = e->id;
	k->wants_ack = e->wants_ack;
	k->answered = e->answered;
	k->io = e->io;
	if (e->reply != NULL) {
		k->reply = broker_reply_ref(e->reply);
		k->io->kept_server_events++;
	}
	return k;
}

sio_event *
sio_event_keep(sio_event *e)
{
	SIO_NEEDS(SIO_AN_EVENT, e, NULL);
	struct sio_event *k = e->refs != 0 ? e : e->kept;

	if (k != NULL) {
		k->refs++;
		return k;
	}
	k = copy_of(e);
	k->refs = 2; /* the live event's and the caller's */
	k->live = true;
	e->kept = k;
	if (e->socket != NULL && e->socket->state != SIO_GONE) {
		k->socket = e->socket;
		list_add_tail(&sio_socket_extra(k->socket)->held, &k->held.link);
		sio_socket_waits(k->socket, k->bytes);
	}
	return k;
}

void
sio_event_release(sio_event *k)
{
	if (k == NULL)
		return;
	SIO_NEEDS(SIO_AN_EVENT, k, );
	SIO_NEEDS_GOOD(SIO_AN_EVENT, k->refs > k->live, );
	copy_unref(k);
}

/* -------------------------------------------------------------- reading */

const char *
sio_event_name(const sio_event *e)
{
	SIO_NEEDS(SIO_AN_EVENT, e, NULL);
	return e->name.at;
}

unsigned
sio_argc(const sio_event *e)
{
	SIO_NEEDS(SIO_AN_EVENT, e, 0);
	return e->list.count;
}

sio_value
sio_arg(const sio_event *e, unsigned index)
{
	SIO_NEEDS(SIO_AN_EVENT, e, sio_value_none());
	return index < e->list.count ? sio_value_make(e->args[index], &e->owner) : sio_value_none();
}

const struct sio_args *
sio_event_args(const struct sio_event *e)
{
	return &e->list;
}

bool
sio_wants_ack(const sio_event *e)
{
	SIO_NEEDS(SIO_AN_EVENT, e, false);
	return e->wants_ack;
}

sio_socket *
sio_event_socket(const sio_event *e)
{
	SIO_NEEDS(SIO_AN_EVENT, e, NULL);
	return e->socket != NULL && sio_connected(e->socket) ? e->socket : NULL;
}

/* ------------------------------------------------------------ registering */

int
sio_on(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	if (!sio_is_name(event))
		return sio_misused(__func__, event, NULL, NULL, SIO_ERR_ARGUMENT);
	if (sio_event_name_reserved(text_from(event)))
		return SIO_ERR_RESERVED;
	sio_event_listeners_add(&nsp->events, text_from(event), (sio_any_fn *)fn, arg);
	return 0;
}

int
sio_off(sio_nsp *nsp, const char *event, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	if (!sio_is_pointer(event))
		return SIO_ERR_ARGUMENT;
	return sio_event_listeners_remove(&nsp->events, text_from(event), (sio_any_fn *)fn, arg) ? 0
												 : SIO_ERR_NOT_FOUND;
}

void
sio_on_any(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->any, (sio_any_fn *)fn, arg);
}

void
sio_on_any_outgoing(sio_nsp *nsp, sio_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, );
	SIO_NEEDS(SIO_A_FUNCTION, fn, );
	sio_listeners_add(&nsp->any_outgoing, (sio_any_fn *)fn, arg);
}
