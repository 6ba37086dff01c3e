#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_server_event.h"

#include "common/base/error.h"
#include "common/base/json.h"
#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_presence_peers.h"

/* Returns true for RESERVED_EVENTS of socket.io's namespace.ts, and for the event that presence uses. */
static bool
server_event_reserved(struct text name)
{
	return text_is(name, TEXT("connect")) || text_is(name, TEXT("connection")) ||
	       text_is(name, TEXT("new_namespace")) || text_is(name, TEXT(SIO_PRESENCE_EVENT));
}

/* -------------------------------------------------------------- receiving */

static void
server_event_run_listeners(struct sio_listeners *listeners, struct sio_nsp *nsp, struct sio_event *event)
{
	SIO_RUN(listeners, &nsp->io->underway, nsp->name, event->name.at, sio_server_event_fn, nsp, event);
}

int
sio_server_event_receive(
	struct sio_nsp *nsp, struct text data, const struct attachments *attachments, struct broker_reply *reply)
{
	struct text args[SIO_ARGS_MAX];
	struct sio_event stack = {.io = nsp->io, .reply = reply, .wants_ack = reply != NULL}, *event;
	int n = json_array_split(data, args, SIO_ARGS_MAX, JSON_DEPTH_MAX);

	if (n < 0)
		return n;
	if (n == 0 || (json_type(args[0]) != JSON_STRING && json_type(args[0]) != JSON_NUMBER))
		return ERROR_SYNTAX;
	if (reply != NULL && nsp->io->kept_server_events >= SIO_SERVER_EVENTS_KEPT)
		return ERROR_TOO_MANY;
	/* the event must refer to every attachment of the message */
	if (attachments != NULL && attachments->count != 0 && json_placeholders_check(data, attachments->count) != 0)
		return ERROR_SYNTAX;
	stack.name = sio_event_name_of(&nsp->io->name, args[0]);
	if (stack.name.at == NULL)
		return ERROR_MEMORY;
	if (server_event_reserved(stack.name))
		return SIO_ERR_RESERVED;
	event = sio_event_place(&stack);
	event->args = args + 1;
	sio_born(SIO_AN_EVENT, event);
	sio_value_owner_init(&event->owner, data, attachments);
	event->list = sio_args_make(event->args, (unsigned)n - 1, &event->owner);
	if (nsp->parent != NULL)
		server_event_run_listeners(sio_event_listeners(&nsp->parent->server_events, event->name), nsp, event);
	server_event_run_listeners(sio_event_listeners(&nsp->server_events, event->name), nsp, event);
	sio_event_done(event);
	return 0;
}

int
sio_on_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	if (!sio_is_name(event))
		return sio_misused(__func__, event, NULL, NULL, SIO_ERR_ARGUMENT);
	if (server_event_reserved(text_from(event)))
		return SIO_ERR_RESERVED;
	sio_event_listeners_add(&nsp->server_events, text_from(event), (sio_any_fn *)fn, arg);
	return 0;
}

int
sio_off_server_event(sio_nsp *nsp, const char *event, sio_server_event_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	if (!sio_is_pointer(event))
		return SIO_ERR_ARGUMENT;
	return sio_event_listeners_remove(&nsp->server_events, text_from(event), (sio_any_fn *)fn, arg)
		       ? 0
		       : SIO_ERR_NOT_FOUND;
}

/* ---------------------------------------------------------------- sending */

static int
server_event_check(const sio_nsp *nsp, const char *event)
{
	/* it is unknown which children of a parent exist on other nodes */
	if (!sio_is_name(event) || nsp->family != NULL)
		return SIO_ERR_ARGUMENT;
	return server_event_reserved(text_from(event)) ? SIO_ERR_RESERVED : 0;
}

int
sio_server_side_emit(sio_nsp *nsp, const char *event, const char *format, ...)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	struct sio_scratch *scratch;
	struct sio_content what;
	va_list args;
	int rc = server_event_check(nsp, event);

	if (rc != 0)
		return sio_misused(__func__, event, NULL, NULL, rc);
	scratch = sio_scratch_take(&nsp->io->turn);
	va_start(args, format);
	rc = sio_pack_args(&scratch->payload, event, format, args);
	va_end(args);
	what = sio_payload_text(&scratch->payload);
	if (rc == 0 && nsp->broker != NULL)
		rc = sio_cluster_server_emit(nsp, &what);
	(void)sio_misused(__func__, event, format, &scratch->payload, rc);
	sio_scratch_give(&nsp->io->turn, scratch);
	return rc;
}

int
sio_server_side_emit_ack(
	sio_nsp *nsp, uint32_t timeout_ms, sio_answers_fn *fn, void *arg, const char *event, const char *format, ...)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct sio_scratch *scratch;
	struct sio_content what;
	struct sio_gather *gather;
	va_list args;
	int rc = server_event_check(nsp, event);

	if (rc != 0)
		return sio_misused(__func__, event, NULL, NULL, rc);
	scratch = sio_scratch_take(&nsp->io->turn);
	va_start(args, format);
	rc = sio_pack_args(&scratch->payload, event, format, args);
	va_end(args);
	what = sio_payload_text(&scratch->payload);
	if (rc == 0) {
		gather = sio_gather_new(nsp->io, &(struct sio_asker){.fn = fn, .arg = arg});
		if (nsp->broker != NULL)
			sio_cluster_ask_servers(nsp, &what, gather, timeout_ms);
		sio_gather_start(gather, timeout_ms);
	}
	(void)sio_misused(__func__, event, format, &scratch->payload, rc);
	sio_scratch_give(&nsp->io->turn, scratch);
	return rc;
}
