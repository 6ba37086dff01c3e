/* sio_ack(): the application's answer to an event of a client or of another server. */
#include "broker/broker.h"
#include "common/base/json.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_check.h"

/* Another server gets the first of what was packed, as @socket.io/redis-adapter sends it. */
static void
answer_server(struct sio_event *e, const struct sio_payload *payload)
{
	struct text rest = buffer_text(&payload->json), first;

	if (!json_array_next(&rest, &first))
		first = TEXT_NONE;
	broker_reply_server_emit(e->reply, first, &payload->attachments);
	e->answered = true;
}

static int
answer_client(struct sio_event *e, struct sio_scratch *scratch)
{
	struct sio_content what = sio_payload_content(&scratch->payload);
	int rc = sio_emission_answer(e->socket, e->id, &what, scratch);

	if (rc == 0)
		e->answered = true;
	return rc;
}

static bool
answerable(const struct sio_event *e)
{
	const struct sio_socket *s = e->socket;

	if (!e->wants_ack || e->answered)
		return false;
	return e->reply != NULL || (s != NULL && s->state == SIO_CONNECTED && sio_socket_open(s));
}

int
sio_ack(sio_event *event, const char *format, ...)
{
	SIO_NEEDS(SIO_AN_EVENT, event, SIO_ERR_ARGUMENT);
	struct sio_event *e = event->kept != NULL ? event->kept : event;
	struct sio_scratch *scratch;
	va_list args;
	int rc;

	if (!answerable(e))
		return SIO_ERR_STATE;
	scratch = sio_scratch_take(&e->io->turn);
	va_start(args, format);
	rc = sio_pack_args(&scratch->payload, NULL, format, args);
	va_end(args);
	if (rc == 0 && e->reply != NULL)
		answer_server(e, &scratch->payload);
	else if (rc == 0)
		rc = answer_client(e, scratch);
	(void)sio_misused(__func__, e->name.at, format, &scratch->payload, rc);
	sio_scratch_give(&e->io->turn, scratch);
	return rc;
}
