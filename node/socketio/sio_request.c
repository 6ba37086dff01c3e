#include "node/socketio/sio_request.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/http/http_client.h"
#include "node/http/http_query.h"
#include "node/socketio/sio_handshake.h"
#include "node/socketio/sio_owner.h"
#include "node/socketio/sio_step.h"
#include "node/socketio/sio_check.h"

/* A request as the application sees it, on the stack of the callback. Fields may be added while `writable` is set. */
struct sio_request {
	struct sio_server *io;
	const struct http_request *http;
	struct http_request *writable;
};

/* The application does not refuse the handshake, so the watcher decides. `http` is NULL if the peer has left. */
static void
request_allow(struct sio_server *io, struct eio_pending *pending, const struct http_request *http)
{
	if (http != NULL && io->watcher != NULL && io->watcher->on_allow != NULL)
		io->watcher->on_allow(io->watcher_arg, pending, http);
	else
		eio_allow(pending);
}

static void
request_allow_resume(struct sio_step *step)
{
	if (step->refused)
		eio_refuse(step->pending, step->message);
	else
		request_allow(step->io, step->pending, eio_pending_request(step->pending));
	sio_step_free(step);
}

void
sio_request_on_allow(void *arg, struct eio_pending *pending, const struct http_request *http)
{
	struct sio_server *io = arg;
	struct sio_request request = {io, http, NULL};
	struct sio_underway before;
	struct sio_step *step;

	if (io->hooks.allow == NULL) {
		request_allow(io, pending, http);
		return;
	}
	step = sio_step_new(io, 0, request_allow_resume);
	step->pending = pending;
	step->running = true;
	before = sio_underway_enter(&io->underway, NULL, "allow request");
	sio_born(SIO_A_REQUEST, &request);
	io->hooks.allow(io, &request, step, io->hooks.allow_arg);
	sio_died(&request);
	sio_underway_leave(&io->underway, before);
	step->running = false;
	if (step->answered)
		request_allow_resume(step);
}

struct text
sio_request_on_id(void *arg, const struct http_request *http)
{
	struct sio_server *io = arg;
	struct sio_request request = {io, http, NULL};
	struct sio_underway before;
	const char *id;

	if (io->hooks.id == NULL)
		return TEXT_NONE;
	before = sio_underway_enter(&io->underway, NULL, "generate id");
	sio_born(SIO_A_REQUEST, &request);
	id = io->hooks.id(io, &request, io->hooks.id_arg);
	sio_died(&request);
	sio_underway_leave(&io->underway, before);
	return id != NULL ? text_from(id) : TEXT_NONE;
}

void
sio_request_on_headers(void *arg, struct http_request *http, struct eio_session *session, bool initial)
{
	struct sio_server *io = arg;
	struct sio_request request = {io, http, http};

	(void)session;
	if (io->hooks.headers != NULL) {
		struct sio_underway before = sio_underway_enter(&io->underway, NULL, "headers");

		sio_born(SIO_A_REQUEST, &request);
		io->hooks.headers(io, &request, initial, io->hooks.headers_arg);
		sio_died(&request);
		sio_underway_leave(&io->underway, before);
	}
}

void
sio_request_on_refused(void *arg, const struct http_request *http, enum eio_error_code code, const char *message,
	const char *context)
{
	struct sio_server *io = arg;
	struct sio_request request = {io, http, NULL};

	if (io->watcher != NULL && io->watcher->on_refused != NULL)
		io->watcher->on_refused(io->watcher_arg, http, (int)code, message, context);
	if (io->hooks.refused != NULL) {
		struct sio_underway before = sio_underway_enter(&io->underway, NULL, "connection error");

		sio_born(SIO_A_REQUEST, &request);
		io->hooks.refused(io, &request, (int)code, message, context, io->hooks.refused_arg);
		sio_died(&request);
		sio_underway_leave(&io->underway, before);
	}
}

void
sio_allow_request(
	sio_server *io, void (*fn)(sio_server *io, sio_request *request, sio_step *step, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	io->hooks.allow = fn;
	io->hooks.allow_arg = arg;
}

void
sio_generate_id(sio_server *io, const char *(*fn)(sio_server *io, sio_request *request, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	io->hooks.id = fn;
	io->hooks.id_arg = arg;
}

void
sio_on_headers(sio_server *io, void (*fn)(sio_server *io, sio_request *request, bool initial, void *arg), void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	io->hooks.headers = fn;
	io->hooks.headers_arg = arg;
}

void
sio_on_connection_error(sio_server *io,
	void (*fn)(
		sio_server *io, sio_request *request, int code, const char *message, const char *context, void *arg),
	void *arg)
{
	SIO_NEEDS(SIO_A_SERVER, io, );
	io->hooks.refused = fn;
	io->hooks.refused_arg = arg;
}

int
sio_add_header(sio_request *request, const char *name, const char *value)
{
	SIO_NEEDS(SIO_A_REQUEST, request, SIO_ERR_ARGUMENT);
	if (request->writable == NULL)
		return SIO_ERR_STATE;
	if (!sio_is_name(name) || !sio_is_name(value))
		return sio_misused(__func__, name, NULL, NULL, SIO_ERR_ARGUMENT);
	return sio_misused(__func__, name, NULL, NULL, http_add_header(request->writable, name, text_from(value)));
}

/* Returns `made`. If it is NULL for want of memory, counts that and returns `otherwise`. */
static const char *
text_or_count(const sio_request *request, const char *made, const char *otherwise)
{
	if (made != NULL)
		return made;
	loop_count_no_memory(request->io->loop);
	return otherwise;
}

const char *
sio_request_header(const sio_request *request, const char *name)
{
	SIO_NEEDS(SIO_A_REQUEST, request, NULL);
	const char *joined;

	if (!sio_is_pointer(name))
		return NULL;
	if (sio_fields_joined(
		    &request->io->turn, (struct sio_fields){.request = request->http}, text_from(name), &joined) != 0)
		return text_or_count(request, NULL, NULL);
	return joined;
}

const char *
sio_request_query(const sio_request *request, const char *key)
{
	SIO_NEEDS(SIO_A_REQUEST, request, NULL);
	struct text query = request->http->query;
	char *out;

	if (!sio_is_pointer(key))
		return NULL;
	out = sio_turn_room(&request->io->turn, query.n + 1);
	if (out == NULL)
		return text_or_count(request, NULL, NULL);
	return http_query_get(query, key, out, query.n + 1) >= 0 ? out : NULL;
}

const char *
sio_request_url(const sio_request *request)
{
	SIO_NEEDS(SIO_A_REQUEST, request, NULL);
	return text_or_count(request, sio_turn_copy(&request->io->turn, request->http->target), "");
}

const char *
sio_request_address(const sio_request *request)
{
	SIO_NEEDS(SIO_A_REQUEST, request, NULL);
	char room[CONN_ADDRESS_MAX];

	return text_or_count(
		request, sio_turn_copy(&request->io->turn, http_client_address(request->http, room)), "");
}
