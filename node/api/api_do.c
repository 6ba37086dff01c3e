/* What the POSTs of the HTTP API do, by the raw entry. */
#include "common/base/error.h"
#include "common/base/json_base64.h"
#include "node/api/api_call.h"
#include "node/socketio/sio_raw.h"

/* Of a join, by the sockets of this process; nodes keep to their limits in silence. */
static void
refuse_join(struct api_call *c)
{
	struct api_fault f;

	(void)api_fault(&f, 400, "room_limit", TEXT("join"),
		"some sockets are in as many rooms as they may be (maxRooms, maxRoomBytes), or a name is too long "
		"(maxRoomLength); all others have joined");
	api_refuse(c, &f);
}

/* What the raw entry refuses. Nothing was done. */
static void
refuse(struct api_call *c, int rc)
{
	struct api_fault f;

	switch (rc) {
	case SIO_ERR_TOO_BIG:
		(void)api_fault(&f, 413, "too_big", TEXT_NONE,
			"the event is larger than a packet or a message between nodes may be");
		break;
	case SIO_ERR_TOO_MANY:
		(void)api_fault(&f, 400, "too_many", TEXT_NONE,
			"there are more binary values (maxAttachments) or unanswered questions than may be");
		break;
	case SIO_ERR_RESERVED:
		(void)api_fault(&f, 400, "reserved_event", TEXT("event"), "the name of the event is reserved");
		break;
	case SIO_ERR_STATE:
		(void)api_fault(&f, 503, "unavailable", TEXT_NONE, "the server is stopping");
		break;
	case SIO_ERR_SYSTEM:
		(void)api_fault(&f, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
		break;
	default:
		(void)api_fault(&f, 400, "refused", TEXT_NONE, "the server refused: %s", error_text(rc));
		break;
	}
	api_refuse(c, &f);
}

static void
answer_done(struct api_call *c)
{
	api_answer(c, 200, c->queued ? TEXT("{\"ok\":true,\"queued\":true}\n") : TEXT("{\"ok\":true}\n"), true);
}

static struct sio_raw_to
target_of(const struct api_call *c, const struct api_reach *reach)
{
	const struct api_command *m = &c->command;

	return (struct sio_raw_to){.nsp = reach->nsp,
		.who = {.rooms = m->rooms.at,
			.except = m->except.at,
			.rooms_count = m->rooms.count,
			.except_count = m->except.count},
		.flags = (m->is_volatile ? SIO_FLAG_VOLATILE : 0u) | (m->compress ? 0u : SIO_FLAG_NO_COMPRESS) |
			 (m->ack ? SIO_FLAG_TIMEOUT : 0u),
		.timeout_ms = m->timeout_ms};
}

/* -------------------------------------------------------- acknowledgements */

/* False: it did not fit, and is left out. */
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

/* SIO_ERR_TIMEOUT: what came so far is all. */
static void
on_answers(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	unsigned count = sio_answers_count(answers), silent = sio_answers_silent(answers), i = 0;
	unsigned missing = sio_answers_missing(answers);
	struct api_call *c = arg;
	struct buffer out;

	(void)io;
	if (api_orphan(c))
		return;
	buffer_init(&out, API_ANSWER_MAX);
	buffer_add_text(&out, TEXT("{\"ok\":true,\"responses\":["));
	while (i < count && write_response(&out, answers, i))
		i++;
	out.max += 256; /* what it ends with is not cut */
	buffer_printf(&out, "],\"complete\":%s,\"truncated\":%s,\"missing\":%u,\"silentNodes\":%u%s}\n",
		error == 0 && missing == 0 && silent == 0 ? "true" : "false", i < count ? "true" : "false", missing,
		silent, c->queued ? ",\"queued\":true" : "");
	api_answer(c, 200, buffer_text(&out), true);
	buffer_fini(&out);
}

static void
emit_ack(struct api_call *c, const struct sio_raw_to *to, const struct sio_content *event)
{
	const struct sio_asker ask = {.fn = on_answers, .arg = c};
	int rc;

	if (to->nsp == NULL) {
		api_answer(c, 200,
			TEXT("{\"ok\":true,\"responses\":[],\"complete\":true,\"truncated\":false,\"missing\":0,"
			     "\"silentNodes\":0}\n"),
			true);
		return;
	}
	rc = sio_raw_cast_ack(to, event, &ask);
	if (rc < 0)
		refuse(c, rc);
	else
		api_wait(c);
}

/* ------------------------------------------------------------------ doing */

static int
cast(const struct api_command *m, const struct sio_raw_to *to, const struct sio_content *event)
{
	switch (m->kind) {
	case API_JOIN:
		return sio_raw_cast_join(to, m->moves.at, m->moves.count);
	case API_LEAVE:
		return sio_raw_cast_leave(to, m->moves.at, m->moves.count);
	case API_DISCONNECT:
		return sio_raw_cast_disconnect(to, m->close);
	default:
		return sio_raw_cast(to, event);
	}
}

void
api_do(struct api_call *c)
{
	const struct api_command *m = &c->command;
	const struct sio_content event = {.json = buffer_text(&m->event), .attachments = &m->attachments};
	struct api_reach reach;
	struct sio_raw_to to;
	int rc = 0;

	if (!api_find(c, m->nsp, &reach))
		return;
	to = target_of(c, &reach);
	if (m->ack) {
		emit_ack(c, &to, &event);
		return;
	}
	if (to.nsp != NULL)
		rc = cast(m, &to, &event);
	if (m->kind == API_JOIN && (rc == SIO_ERR_TOO_MANY || rc == SIO_ERR_TOO_BIG))
		refuse_join(c);
	else if (rc < 0)
		refuse(c, rc);
	else
		answer_done(c);
}
