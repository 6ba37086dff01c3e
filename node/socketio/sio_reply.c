/* sio_ack(): the application's answer to an event of a client or of another server. */
#include "broker/broker.h"
#include "common/base/json.h"
#include "node/socketio/sio_emission.h"
#include "node/socketio/sio_event.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_check.h"

/* Another server gets only the first argument, as from @socket.io/redis-adapter. */
static void
reply_to_server(struct sio_event *event, const struct sio_payload *payload)
{
	struct text rest = buffer_text(&payload->json), first;

	if (!json_array_next(&rest, &first))
		first = TEXT_NONE;
	broker_reply_server_emit(event->reply, first, &payload->attachments);
	event->answered = true;
}

static int
reply_to_client(struct sio_event *event, struct sio_scratch *scratch)
{
	struct sio_content what = sio_payload_content(&scratch->payload);
	int rc = sio_emission_answer(event->socket, event->id, &what, scratch);

	if (rc == 0)
		event->answered = true;
	return rc;
}

static bool
event_is_answerable(const struct sio_event *event)
{
	const struct sio_socket *s = event->socket;

	if (!event->wants_ack || event->answered)
		return false;
	return event->reply != NULL || (s != NULL && s->state == SIO_CONNECTED && sio_socket_open(s));
}

int
sio_ack(sio_event *event, const char *format, ...)
{
	SIO_NEEDS(SIO_AN_EVENT, event, SIO_ERR_ARGUMENT);
	struct sio_event *asked = event->kept != NULL ? event->kept : event;
	struct sio_scratch *scratch;
	va_list args;
	int rc;

	if (!event_is_answerable(asked))
		return SIO_ERR_STATE;
	scratch = sio_scratch_take(&asked->io->turn);
	va_start(args, format);
	/* another server gets text */
	rc = asked->reply == NULL ? sio_pack_args_late(&scratch->payload, NULL, format, args)
				  : sio_pack_args(&scratch->payload, NULL, format, args);
	va_end(args);
	if (rc == 0 && asked->reply != NULL)
		reply_to_server(asked, &scratch->payload);
	else if (rc == 0)
		rc = reply_to_client(asked, scratch);
	(void)sio_misused(__func__, asked->name.at, format, &scratch->payload, rc);
	sio_scratch_give(&asked->io->turn, scratch);
	return rc;
}
