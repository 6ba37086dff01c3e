#include "node/socketio/sio_raw.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/socketio/sio_connect.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_fetch.h"
#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_order.h"
#include "node/socketio/sio_parent.h"
#include "node/socketio/sio_recovery_session.h"

/* --------------------------------------------------------------- checking */

static int
raw_error(int rc)
{
	return rc == ERROR_TOO_BIG || rc == ERROR_TOO_MANY ? rc : SIO_ERR_ARGUMENT;
}

static struct text
raw_trim(struct text json)
{
	while (json.n != 0 && strchr(" \t\r\n", *json.at) != NULL && *json.at != '\0')
		json = text_of(json.at + 1, json.n - 1);
	while (json.n != 0 && strchr(" \t\r\n", json.at[json.n - 1]) != NULL && json.at[json.n - 1] != '\0')
		json.n--;
	return json;
}

static int
raw_check_attachments(const struct sio_content *content)
{
	if (content->attachments == NULL || content->attachments->count == 0)
		return 0;
	return json_placeholders_check(content->json, content->attachments->count) != 0 ? SIO_ERR_ARGUMENT : 0;
}

/* Checks that the text is an array of at most SIO_ARGS_MAX elements. `out` gets it without surrounding whitespace. */
static int
raw_check_array(struct sio_content *out, const struct sio_content *given, struct text *elements)
{
	int n;

	*out = (struct sio_content){.json = raw_trim(given->json), .attachments = given->attachments};
	if (out->json.n == 0 || *out->json.at != '[')
		return SIO_ERR_ARGUMENT;
	n = json_array_split(out->json, elements, SIO_ARGS_MAX, JSON_DEPTH_MAX);
	if (n < 0)
		return raw_error(n);
	return raw_check_attachments(out) != 0 ? SIO_ERR_ARGUMENT : n;
}

static int
raw_check_event(struct sio_content *out, const struct sio_content *given)
{
	struct text elements[SIO_ARGS_MAX];
	int n = raw_check_array(out, given, elements);

	if (n < 0)
		return n;
	if (n == 0 || (json_type(elements[0]) != JSON_STRING && json_type(elements[0]) != JSON_NUMBER))
		return SIO_ERR_ARGUMENT;
	return sio_event_name_allowed(elements[0]) ? 0 : SIO_ERR_RESERVED;
}

static int
raw_check_args(struct sio_content *out, const struct sio_content *given)
{
	struct text elements[SIO_ARGS_MAX];
	int n = raw_check_array(out, given, elements);

	return n < 0 ? n : 0;
}

/* ----------------------------------------------------------------- owning */

static void
raw_refuse_waiting(struct sio_nsp *nsp)
{
	while (!list_empty(&nsp->asking)) {
		struct sio_socket *s = container_of(nsp->asking.next, struct sio_socket, link);

		s->owner_accepted = false;
		(void)sio_raw_refuse(s, "Service unavailable", TEXT_NONE);
	}
}

static bool
is_nsp_name(struct text name)
{
	return name.n != 0 && *name.at == '/' && name.n <= SIO_NSP_NAME_MAX && memchr(name.at, '\0', name.n) == NULL;
}

int
sio_raw_own(sio_server *io, struct text name, const struct sio_owner *owner, void *arg)
{
	struct sio_nsp *nsp;

	if (!is_nsp_name(name))
		return SIO_ERR_ARGUMENT;
	nsp = owner != NULL ? sio_parent_name(io, name, true) : sio_nsp_find(io, name);
	if (nsp == NULL)
		return owner != NULL ? SIO_ERR_TOO_MANY : 0;
	if (owner == NULL) {
		nsp->owner = NULL;
		nsp->owner_arg = NULL;
		raw_refuse_waiting(nsp);
		return 0;
	}
	if (nsp->owner != NULL && (nsp->owner != owner || nsp->owner_arg != arg))
		return SIO_ERR_STATE;
	nsp->owner = owner;
	nsp->owner_arg = arg;
	return 0;
}

/* Decides for the parent that stands for all namespaces that do not exist. */
static void
raw_ask_owner_of_others(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg)
{
	const struct sio_nsp *family = arg;
	size_t n;
	const char *json = sio_json(auth, &n);

	(void)io;
	if (family->owner->on_namespace == NULL) {
		sio_refuse(step, NULL, NULL);
		return;
	}
	family->owner->on_namespace(family->owner_arg, step, text_from(name), text_of(json, n));
}

void
sio_raw_own_others(sio_server *io, const struct sio_owner *owner, void *arg)
{
	sio_nsp *family = sio_of_function(io, raw_ask_owner_of_others, NULL);

	sio_nsp *root = sio_nsp_find(io, TEXT("/"));

	family->owner = owner;
	family->owner_arg = arg;
	family->family->arg = family;
	if (!root->named && root->owner == NULL)
		(void)sio_raw_own(io, TEXT("/"), owner, arg);
}

void
sio_raw_watch(sio_server *io, const struct sio_watcher *watcher, void *arg)
{
	must(io->watcher == NULL);
	io->watcher = watcher;
	io->watcher_arg = arg;
}

void
sio_raw_observe(sio_server *io, const struct sio_observer *observer, void *arg)
{
	io->observer = observer != NULL ? *observer : (struct sio_observer){.on_data = NULL};
	io->observer_arg = arg;
}

sio_nsp *
sio_raw_nsp(const sio_server *io, struct text name)
{
	return sio_nsp_find(io, name);
}

const sio_nsp *
sio_raw_pattern(const sio_server *io, struct text name)
{
	const struct sio_parent *parent = is_nsp_name(name) ? sio_parent_by_pattern(io, name) : NULL;

	return parent != NULL ? parent->nsp : NULL;
}

/* Returns the namespace or NULL. A namespace without clients moves to the end of the list of those to be freed. */
static struct sio_nsp *
raw_use(sio_server *io, struct text name)
{
	struct sio_nsp *nsp = sio_nsp_find(io, name);

	if (nsp != NULL && !list_empty(&nsp->empty)) {
		list_remove(&nsp->empty);
		list_add_tail(&io->empty, &nsp->empty);
	}
	return nsp;
}

sio_nsp *
sio_raw_reach(sio_server *io, struct text name)
{
	struct sio_nsp *nsp = raw_use(io, name);
	struct sio_parent *parent;

	if (nsp != NULL || !is_nsp_name(name) || list_empty(&io->parents) || io->parents.next->next != &io->parents)
		return nsp;
	parent = container_of(io->parents.next, struct sio_parent, link);
	return parent->nsp->owner != NULL ? sio_nsp_new(io, name, parent->nsp, false) : NULL;
}

/* --------------------------------------------------------------- visiting */

/* Decides for the parent of visited namespaces, which admits no client. */
static void
raw_refuse_all_names(sio_server *io, const char *name, sio_value auth, sio_step *step, void *arg)
{
	(void)io;
	(void)name;
	(void)auth;
	(void)arg;
	sio_refuse(step, NULL, NULL);
}

sio_nsp *
sio_raw_visit(sio_server *io, struct text name)
{
	struct sio_nsp *nsp = raw_use(io, name);

	if (nsp != NULL || !is_nsp_name(name))
		return nsp;
	if (list_empty(&io->parents))
		(void)sio_of_function(io, raw_refuse_all_names, NULL);
	return sio_nsp_new(io, name, container_of(io->parents.next, struct sio_parent, link)->nsp, false);
}

/* ------------------------------------------------------------- one socket */

sio_socket *
sio_raw_find(const sio_nsp *nsp, struct text id)
{
	return sio_socket_find(nsp, id);
}

void
sio_raw_set_owned(sio_socket *s, void *owned)
{
	if (s->state != SIO_GONE)
		sio_socket_extra(s)->owned = owned;
}

void *
sio_raw_owned(const sio_socket *s)
{
	return s->extra != NULL ? s->extra->owned : NULL;
}

struct eio_session *
sio_raw_engine(const sio_socket *s)
{
	return s->client != NULL ? s->client->session : NULL;
}

struct text
sio_raw_session(const sio_socket *s)
{
	const struct eio_session *session = sio_raw_engine(s);

	return session != NULL ? eio_sid(session) : TEXT_NONE;
}

struct text
sio_raw_auth(const sio_socket *s)
{
	return sio_handshake_auth(s);
}

struct sio_content
sio_raw_data(const sio_socket *s)
{
	const struct sio_stored *data = s->extra != NULL ? s->extra->data : NULL;

	if (data == NULL)
		return (struct sio_content){.json = TEXT_NONE};
	return (struct sio_content){.json = data->owner.json, .attachments = data->owner.attachments};
}

int
sio_raw_accept(sio_socket *s)
{
	if (!sio_socket_asking(s))
		return SIO_ERR_STATE;
	if (sio_client_open(s->client)) /* otherwise on_closed() follows */
		sio_connect_accept_later(s);
	return 0;
}

int
sio_raw_refuse(sio_socket *s, const char *message, struct text data)
{
	int rc = 0;

	if (!sio_socket_asking(s))
		return SIO_ERR_STATE;
	data = raw_trim(data);
	if (data.n != 0 && json_check(data, JSON_DEPTH_MAX) != 0) {
		data = TEXT_NONE;
		rc = SIO_ERR_ARGUMENT;
	}
	s->owner_asked = false;
	list_remove(&s->link);
	sio_connect_refuse(s, message != NULL ? message : "", data);
	return rc;
}

int
sio_raw_restart(sio_socket *s)
{
	if (!sio_socket_asking(s) || !s->recovered)
		return SIO_ERR_STATE;
	sio_connect_restart(s);
	return 0;
}

bool
sio_raw_may_return(const sio_socket *s)
{
	return s->session != NULL && !s->session->claimed && sio_recovery_session_may_return(s);
}

struct sio_raw_key
sio_raw_session_key(const sio_socket *s)
{
	struct sio_raw_key key = {""};

	_Static_assert(sizeof key.pid == SIO_PID_LENGTH, "a pid has another length");
	if (s->session != NULL)
		memcpy(key.pid, s->session->pid, sizeof key.pid);
	return key;
}

/* The pid of a session that a Node.js server has made is shorter. */
static struct text
raw_pid(const struct sio_raw_key *key)
{
	return text_of(key->pid, strnlen(key->pid, sizeof key->pid));
}

sio_socket *
sio_raw_session_socket(const sio_server *io, const struct sio_raw_key *key)
{
	const struct sio_recovery_session *session = io->recovery != NULL && key->pid[0] != '\0'
							     ? sio_recovery_session_find(io->recovery, raw_pid(key))
							     : NULL;

	return session != NULL ? session->socket : NULL;
}

void
sio_raw_end_session(sio_nsp *nsp, const struct sio_raw_key *key)
{
	if (nsp->io->recovery != NULL && key->pid[0] != '\0')
		sio_recovery_end_stored(nsp, raw_pid(key));
}

static int
raw_emit_one(sio_socket *s, unsigned flags, uint32_t timeout_ms, const struct sio_content *event,
	const struct sio_asker *ask)
{
	struct sio_emission emission = {.nsp = s->nsp,
		.name = TEXT_NONE,
		.flags = (flags & (SIO_FLAG_VOLATILE | SIO_FLAG_NO_COMPRESS)) |
			 (timeout_ms != 0 ? SIO_FLAG_TIMEOUT : 0u),
		.timeout_ms = timeout_ms};
	int rc = raw_check_event(&emission.what, event);

	if (rc != 0)
		return rc;
	if (ask != NULL)
		emission.ask = *ask;
	emission.scratch = sio_scratch_take(&s->nsp->io->turn);
	rc = sio_emission_one(&emission, s);
	sio_scratch_give(&s->nsp->io->turn, emission.scratch);
	return rc;
}

int
sio_raw_emit(sio_socket *s, unsigned flags, const struct sio_content *event)
{
	return raw_emit_one(s, flags, 0, event, NULL);
}

int
sio_raw_emit_ack(sio_socket *s, unsigned flags, uint32_t timeout_ms, const struct sio_content *event,
	const struct sio_asker *ask)
{
	return ask->fn != NULL ? raw_emit_one(s, flags, timeout_ms, event, ask) : SIO_ERR_ARGUMENT;
}

void
sio_raw_forget(sio_socket *s, const void *arg)
{
	sio_ack_forget(s, arg);
}

int
sio_raw_ack(sio_socket *s, uint64_t id, const struct sio_content *args)
{
	struct sio_scratch *scratch;
	struct sio_content what;
	int rc = raw_check_args(&what, args);

	if (rc != 0)
		return rc;
	if (s->state != SIO_CONNECTED)
		return SIO_ERR_STATE;
	scratch = sio_scratch_take(&s->nsp->io->turn);
	rc = sio_emission_answer(s, id, &what, scratch);
	sio_scratch_give(&s->nsp->io->turn, scratch);
	return rc;
}

int
sio_raw_set_data(sio_socket *s, const struct sio_content *data)
{
	struct sio_content what = {.json = raw_trim(data->json), .attachments = data->attachments};
	struct sio_stored *stored = NULL;
	int rc;

	if (s->state == SIO_GONE)
		return SIO_ERR_STATE;
	if (what.json.n + attachments_bytes(what.attachments) > s->nsp->io->max_emit)
		return SIO_ERR_TOO_BIG;
	if (what.attachments != NULL && what.attachments->count > MSGPACK_ATTACHMENTS_MAX)
		return SIO_ERR_TOO_MANY; /* other nodes would refuse it */
	rc = what.json.n != 0 ? json_check(what.json, JSON_DEPTH_MAX) : 0;
	if (rc != 0 || raw_check_attachments(&what) != 0)
		return SIO_ERR_ARGUMENT;
	if (what.json.n != 0) {
		stored = sio_stored_new(what.json, what.attachments);
		if (stored == NULL)
			return SIO_ERR_SYSTEM;
	}
	sio_socket_set_data(s, stored);
	return 0;
}

int
sio_raw_join(sio_socket *s, const struct text *rooms, unsigned rooms_count)
{
	return sio_order_one(s, SIO_CLUSTER_JOIN, rooms, rooms_count);
}

void
sio_raw_leave(sio_socket *s, const struct text *rooms, unsigned rooms_count)
{
	(void)sio_order_one(s, SIO_CLUSTER_LEAVE, rooms, rooms_count);
}

struct sio_content
sio_raw_acked(const sio_answers *answers)
{
	if (answers->owner == NULL)
		return (struct sio_content){.json = TEXT_NONE};
	return (struct sio_content){.json = answers->owner->json, .attachments = answers->owner->attachments};
}

struct sio_content
sio_raw_answer(const sio_answers *answers, unsigned i)
{
	const struct sio_stored *stored = i < answers->count && answers->stored != NULL ? answers->stored[i] : NULL;

	if (stored == NULL)
		return (struct sio_content){.json = TEXT_NONE};
	return (struct sio_content){.json = stored->owner.json, .attachments = stored->owner.attachments};
}

/* ---------------------------------------------------------------- targets */

static int
raw_check_target(const struct sio_raw_to *to)
{
	return to->nsp == NULL || to->nsp->family != NULL ? SIO_ERR_ARGUMENT : 0;
}

static struct sio_emission
raw_emission(const struct sio_raw_to *to)
{
	return (struct sio_emission){
		.nsp = to->nsp, .name = TEXT_NONE, .flags = to->flags, .timeout_ms = to->timeout_ms};
}

int
sio_raw_cast(const struct sio_raw_to *to, const struct sio_content *event)
{
	return sio_raw_cast_ack(to, event, &(struct sio_asker){.fn = NULL});
}

int
sio_raw_cast_ack(const struct sio_raw_to *to, const struct sio_content *event, const struct sio_asker *ask)
{
	struct sio_emission emission = raw_emission(to);
	int rc = raw_check_target(to);

	if (rc == 0)
		rc = raw_check_event(&emission.what, event);
	if (rc != 0)
		return rc;
	emission.ask = *ask;
	emission.scratch = sio_scratch_take(&to->nsp->io->turn);
	rc = sio_emission_many(&emission, &to->who);
	sio_scratch_give(&to->nsp->io->turn, emission.scratch);
	return rc;
}

int
sio_raw_cast_stream(
	const struct sio_raw_to *to, const struct sio_content *event, const struct sio_sink *sink, void *arg)
{
	struct sio_emission emission = raw_emission(to);
	int rc = raw_check_target(to);

	if (rc == 0)
		rc = raw_check_event(&emission.what, event);
	if (rc != 0)
		return rc;
	if ((emission.flags & SIO_FLAG_TIMEOUT) == 0)
		emission.timeout_ms = SIO_GATHER_MS;
	emission.scratch = sio_scratch_take(&to->nsp->io->turn);
	rc = sio_rooms_select(to->nsp, &to->who, &emission.scratch->selection);
	if (rc == 0)
		rc = sio_emission_here(&emission, NULL, sink, arg);
	sio_scratch_give(&to->nsp->io->turn, emission.scratch);
	return rc < 0 ? rc : 0;
}

int
sio_raw_cast_join(const struct sio_raw_to *to, const struct text *rooms, unsigned rooms_count)
{
	int rc = raw_check_target(to);

	return rc != 0 ? rc : sio_order_many(to->nsp, &to->who, to->flags, SIO_CLUSTER_JOIN, rooms, rooms_count);
}

int
sio_raw_cast_leave(const struct sio_raw_to *to, const struct text *rooms, unsigned rooms_count)
{
	int rc = raw_check_target(to);

	return rc != 0 ? rc : sio_order_many(to->nsp, &to->who, to->flags, SIO_CLUSTER_LEAVE, rooms, rooms_count);
}

int
sio_raw_cast_disconnect(const struct sio_raw_to *to, bool close)
{
	enum sio_cluster_order order = close ? SIO_CLUSTER_CLOSE : SIO_CLUSTER_DISCONNECT;
	int rc = raw_check_target(to);

	return rc != 0 ? rc : sio_order_many(to->nsp, &to->who, to->flags, order, NULL, 0);
}

int
sio_raw_fetch(const struct sio_raw_to *to, sio_fetch_fn *fn, void *arg)
{
	int rc = fn != NULL ? raw_check_target(to) : SIO_ERR_ARGUMENT;

	if (rc == 0)
		sio_fetch_many(to->nsp, &to->who, to->flags, to->timeout_ms, fn, arg);
	return rc;
}

int
sio_raw_ids(const struct sio_raw_to *to, sio_rooms_fn *fn, void *arg)
{
	int rc = fn != NULL && to->who.except_count == 0 ? raw_check_target(to) : SIO_ERR_ARGUMENT;

	if (rc == 0)
		sio_ids_many(to->nsp, &to->who, to->flags, to->timeout_ms, fn, arg);
	return rc;
}
