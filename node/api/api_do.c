/* Carries out the POSTs of the HTTP API through the raw entry. */
#include "common/base/error.h"
#include "common/base/json_base64.h"
#include "node/api/api_call.h"
#include "node/socketio/sio_raw.h"

/* A join exceeds the limits of sockets in this process. Other processes apply their limits but do not report it. */
static void
refuse_join(struct api_call *call)
{
	struct api_fault fault;

	(void)api_fault(&fault, 400, "room_limit", TEXT("join"),
		"some sockets have reached their limit of rooms (maxRooms, maxRoomBytes), or a name is too long "
		"(maxRoomLength); all others have joined");
	api_refuse(call, &fault);
}

/* The raw entry refuses the command; nothing was done. */
static void
refuse_command(struct api_call *call, int rc)
{
	struct api_fault fault;

	switch (rc) {
	case SIO_ERR_TOO_BIG:
		(void)api_fault(&fault, 413, "too_big", TEXT_NONE,
			"the event exceeds the limit of a packet or of a message between nodes");
		break;
	case SIO_ERR_TOO_MANY:
		(void)api_fault(
			&fault, 400, "too_many", TEXT_NONE, "too many binary values or too many unanswered requests");
		break;
	case SIO_ERR_RESERVED:
		(void)api_fault(&fault, 400, "reserved_event", TEXT("event"), "the name of the event is reserved");
		break;
	case SIO_ERR_STATE:
		(void)api_fault(&fault, 503, "unavailable", TEXT_NONE, "the server is stopping");
		break;
	case SIO_ERR_SYSTEM:
		(void)api_fault(&fault, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
		break;
	default:
		(void)api_fault(&fault, 400, "refused", TEXT_NONE, "the server refused: %s", error_text(rc));
		break;
	}
	api_refuse(call, &fault);
}

static void
answer_done(struct api_call *call)
{
	api_answer(call, 200, call->queued ? TEXT("{\"ok\":true,\"queued\":true}\n") : TEXT("{\"ok\":true}\n"), true);
}

static struct sio_raw_to
target_of(const struct api_call *call, const struct api_reach *reach)
{
	const struct api_command *command = &call->command;

	return (struct sio_raw_to){.nsp = reach->nsp,
		.who = {.rooms = command->rooms.at,
			.except = command->except.at,
			.rooms_count = command->rooms.count,
			.except_count = command->except.count},
		.flags = (command->is_volatile ? SIO_FLAG_VOLATILE : 0u) |
			 (command->compress ? 0u : SIO_FLAG_NO_COMPRESS) | (command->ack ? SIO_FLAG_TIMEOUT : 0u),
		.timeout_ms = command->timeout_ms};
}

/* -------------------------------------------------------- acknowledgements */

/* Returns false if the response does not fit, and leaves it out. */
static bool
write_response(struct buffer *out, const sio_answers *answers, unsigned i)
{
	struct sio_content one = sio_raw_answer(answers, i);
	size_t len = out->len;

	if (i != 0)
		buffer_add_byte(out, ',');
	if (one.json.n == 0)
		buffer_add_text(out, TEXT("null"));
	else
		(void)json_base64_write(one.json, one.attachments, out);
	if (buffer_error(out) == 0)
		return true;
	out->error = 0;
	out->len = len;
	return false;
}

/* On SIO_ERR_TIMEOUT the answers are those that came in time. */
static void
ack_on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	unsigned count = sio_answers_count(answers), silent = sio_answers_silent(answers), i = 0;
	unsigned missing = sio_answers_missing(answers);
	struct api_call *call = arg;
	struct buffer out;

	if (api_orphan(call))
		return;
	buffer_init(&out, API_ANSWER_MAX);
	buffer_add_text(&out, TEXT("{\"ok\":true,\"responses\":["));
	while (i < count && write_response(&out, answers, i))
		i++;
	api_write_silent(&call->named, io);
	out.max += 256 + call->named.len; /* room for the end of the answer */
	buffer_printf(&out, "],\"complete\":%s,\"truncated\":%s,\"missing\":%u,\"silentNodes\":%u",
		error == 0 && missing == 0 && silent == 0 ? "true" : "false", i < count ? "true" : "false", missing,
		silent);
	buffer_add_text(&out, buffer_text(&call->named));
	buffer_printf(&out, "%s}\n", call->queued ? ",\"queued\":true" : "");
	api_answer(call, 200, buffer_text(&out), true);
	buffer_fini(&out);
}

static void
send_with_ack(struct api_call *call, const struct sio_raw_to *to, const struct sio_content *event)
{
	const struct sio_asker ask = {.fn = ack_on_answers, .arg = call};
	int rc;

	if (to->nsp == NULL) {
		api_answer(call, 200,
			TEXT("{\"ok\":true,\"responses\":[],\"complete\":true,\"truncated\":false,\"missing\":0,"
			     "\"silentNodes\":0}\n"),
			true);
		return;
	}
	rc = sio_raw_cast_ack(to, event, &ask);
	if (rc < 0)
		refuse_command(call, rc);
	else
		api_wait(call);
}

/* ------------------------------------------------------------------ doing */

static int
send_cast(const struct api_command *command, const struct sio_raw_to *to, const struct sio_content *event)
{
	switch (command->kind) {
	case API_JOIN:
		return sio_raw_cast_join(to, command->moves.at, command->moves.count);
	case API_LEAVE:
		return sio_raw_cast_leave(to, command->moves.at, command->moves.count);
	case API_DISCONNECT:
		return sio_raw_cast_disconnect(to, command->close);
	default:
		return sio_raw_cast(to, event);
	}
}

void
api_do(struct api_call *call)
{
	const struct api_command *command = &call->command;
	const struct sio_content event = {.json = buffer_text(&command->event), .attachments = &command->attachments};
	struct api_reach reach;
	struct sio_raw_to to;
	int rc = 0;

	if (!api_find(call, command->nsp, &reach))
		return;
	to = target_of(call, &reach);
	if (command->ack) {
		send_with_ack(call, &to, &event);
		return;
	}
	if (to.nsp != NULL)
		rc = send_cast(command, &to, &event);
	if (command->kind == API_JOIN && (rc == SIO_ERR_TOO_MANY || rc == SIO_ERR_TOO_BIG))
		refuse_join(call);
	else if (rc < 0)
		refuse_command(call, rc);
	else
		answer_done(call);
}
