/*
 * The history of a room over the HTTP API: reads a page of it, and removes events from it. Each request asks the
 * store once; the store is this process, the hub or Redis.
 */
#include "common/base/json.h"
#include "common/base/json_base64.h"
#include "node/api/api_call.h"
#include "node/socketio/sio_history.h"

#define EVENT_OVERHEAD 128 /* bytes added to an event: id, time and the names of the members */
#define BINARY_OVERHEAD 32 /* bytes added to a binary value */
#define SCRATCH_MAX (2 * API_ANSWER_MAX)

/* ------------------------------------------------------------------- faults */

static void
history_refuse(struct api_call *call, int error)
{
	struct api_fault fault;

	switch (error) {
	case SIO_ERR_NOT_FOUND:
		(void)api_fault(&fault, 404, "no_history", TEXT("room"),
			"the room has no history: no rule of --history matches it in this namespace");
		break;
	case SIO_ERR_STATE:
		(void)api_fault(&fault, 503, "unavailable", TEXT_NONE, "the server is stopping");
		break;
	case SIO_ERR_TIMEOUT:
		(void)api_fault(&fault, 503, "unavailable", TEXT_NONE,
			"the history does not answer: Redis or the hub is away");
		break;
	case SIO_ERR_REFUSED:
		(void)api_fault(&fault, 503, "unavailable", TEXT_NONE,
			"Redis refuses the command of the history: the log of this server says why");
		break;
	case SIO_ERR_TOO_MANY:
		(void)api_fault(&fault, 429, "too_many_requests", TEXT_NONE,
			"too many histories are being read: send this request again later");
		break;
	default:
		(void)api_fault(&fault, 503, "no_memory", TEXT_NONE, "there is no memory for this history");
		break;
	}
	api_refuse(call, &fault);
}

/* Handles the result of a question to the store. Returns false if the call has ended. */
static bool
history_answered(struct api_call *call, int error)
{
	if (api_orphan(call))
		return false;
	if (call->request == NULL) { /* the client has left */
		api_call_free(call);
		return false;
	}
	if (error == 0)
		return true;
	history_refuse(call, error);
	return false;
}

/* Waits for the answer, or refuses the call if the store could not be asked. `rc`: the result of asking. */
static void
history_check_asked(struct api_call *call, int rc)
{
	if (rc == 0)
		api_wait(call);
	else
		history_refuse(call, rc);
}

/* ------------------------------------------------------------------ reading */

/* Returns an upper limit for the bytes of an event in an answer. */
static size_t
event_bytes(const struct sio_history_record *record)
{
	unsigned binary = record->attachments != NULL ? record->attachments->count : 0;

	return EVENT_OVERHEAD + record->json.n + attachments_bytes(record->attachments) / 3 * 4 +
	       (size_t)binary * BINARY_OVERHEAD;
}

/*
 * Chooses the records that fit into an answer: the first ones if the reader goes from the oldest to the newest,
 * otherwise the last ones. At least one record fits, because an event is much smaller than the limit of an answer.
 */
static void
history_fit(const struct sio_history_record *records, unsigned count, bool from_oldest, unsigned *from, unsigned *to)
{
	size_t bytes = 0;

	*from = 0;
	*to = count;
	for (unsigned i = 0; i < count; i++) {
		bytes += event_bytes(&records[from_oldest ? i : count - 1 - i]);
		if (bytes <= API_ANSWER_MAX)
			continue;
		*from = from_oldest ? 0 : count - i;
		*to = from_oldest ? i : count;
		return;
	}
}

/* Appends an event. `scratch` receives its array, with binary values as Base64. */
static void
write_event(struct buffer *out, struct buffer *scratch, const struct sio_history_record *record)
{
	char id[HISTORY_ID_MAX + 1];
	struct text rest, name, arg;
	unsigned args = 0;
	int rc;

	buffer_reset(scratch);
	rc = json_base64_write(record->json, record->attachments, scratch);
	if (rc != 0)
		out->error = rc;
	history_id_write(record->id, id);
	rest = buffer_text(scratch);
	if (!json_array_next(&rest, &name))
		return;
	buffer_printf(out, "{\"id\":\"%s\",\"time\":%llu,\"event\":", id, (unsigned long long)record->id.ms);
	buffer_add_text(out, name);
	buffer_add_text(out, TEXT(",\"args\":["));
	while (json_array_next(&rest, &arg)) {
		if (args++ > 0)
			buffer_add_byte(out, ',');
		buffer_add_text(out, arg);
	}
	buffer_add_text(out, TEXT("]}"));
}

static bool
reads_from_oldest(const struct api_query *query)
{
	return query->before_id.ms == 0 && query->before_id.seq == 0 &&
	       (query->after_id.ms != 0 || query->after_id.seq != 0);
}

static void
history_on_records(void *arg, int error, const struct sio_history_record *records, unsigned count)
{
	struct api_call *call = arg;
	struct buffer out, scratch;
	unsigned from, to;

	if (!history_answered(call, error))
		return;
	history_fit(records, count, reads_from_oldest(&call->query), &from, &to);
	buffer_init(&out, SCRATCH_MAX);
	buffer_init(&scratch, SCRATCH_MAX);
	buffer_add_text(&out, TEXT("{\"events\":["));
	for (unsigned i = from; i < to; i++) {
		if (i > from)
			buffer_add_byte(&out, ',');
		write_event(&out, &scratch, &records[i]);
	}
	buffer_add_text(&out, TEXT("]}\n"));
	if (buffer_error(&out) != 0)
		history_refuse(call, SIO_ERR_SYSTEM);
	else
		api_answer(call, 200, buffer_text(&out), true);
	buffer_fini(&scratch);
	buffer_fini(&out);
}

void
api_read_history(struct api_call *call)
{
	struct history_query query = {.count = 0};
	struct api_reach reach;

	if (!api_call_query(call, API_LIST_HISTORY) || !api_find(call, call->query.nsp, &reach))
		return;
	query.before = call->query.before_id;
	query.after = call->query.after_id;
	query.count = call->query.limit;
	query.from_oldest = reads_from_oldest(&call->query);
	history_check_asked(call, sio_history_read_named(reach.io, call->query.nsp, call->query.rooms[0], &query,
					  history_on_records, call));
}

/* ----------------------------------------------------------------- removing */

static void
answer_removed(struct api_call *call, unsigned count)
{
	struct buffer out;

	buffer_init(&out, 64);
	buffer_printf(&out, "{\"ok\":true,\"removed\":%u}\n", count);
	api_answer(call, 200, buffer_text(&out), true);
	buffer_fini(&out);
}

static void
history_on_removed(void *arg, int error, const struct sio_history_record *records, unsigned count)
{
	struct api_call *call = arg;

	(void)records;
	if (history_answered(call, error))
		answer_removed(call, count);
}

void
api_remove_history(struct api_call *call)
{
	struct api_reach reach;

	if (!api_call_query(call, API_LIST_REMOVAL) || !api_find(call, call->query.nsp, &reach))
		return;
	history_check_asked(call, sio_history_remove_named(reach.io, call->query.nsp, call->query.rooms[0],
					  call->query.id, history_on_removed, call));
}
