/*
 * Bodies and query strings of the HTTP API. An accepted command can be sent: the event is an array that begins with
 * an allowed name, its placeholders have attachments, and names keep their limits. A refusal is answered in JSON.
 */
#include "common/base/json.h"
#include "common/base/json_base64.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/api/api_command.h"
#include "node/api/api_query.h"
#include "node/socketio/sio_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_fault(const struct api_fault *f)
{
	struct buffer out;

	buffer_init(&out, 8 * API_FAULT_TEXT);
	api_fault_write(f, &out);
	must(buffer_error(&out) == 0 && json_check(buffer_text(&out), 8) == 0);
	buffer_fini(&out);
}

static void
check_names(const struct api_names *names)
{
	must(names->count <= API_NAMES_MAX);
	for (unsigned i = 0; i < names->count; i++)
		must(names->at[i].n <= API_NAME_MAX && memchr(names->at[i].at, '\0', names->at[i].n) == NULL);
}

/* An event that is sent with binary values can be read back as plain JSON. */
static void
check_event(const struct api_command *c)
{
	struct text event = buffer_text(&c->event), rest = event, name;
	struct buffer out;

	must(json_check(event, JSON_DEPTH_MAX) == 0 && json_type(event) == JSON_ARRAY);
	must(json_array_next(&rest, &name) && sio_event_name_allowed(name));
	must(c->attachments.count == 0 || json_placeholders_check(event, c->attachments.count) == 0);
	buffer_init(&out, 1 << 20);
	must(json_base64_write(event, &c->attachments, &out) == 0);
	must(json_check(buffer_text(&out), JSON_DEPTH_MAX) == 0);
	buffer_fini(&out);
}

static void
check_body(enum api_kind kind, struct text body)
{
	struct api_fault fault;
	struct api_command c;

	if (!api_command_read(&c, kind, body, &fault)) {
		check_fault(&fault);
		return;
	}
	must(c.nsp.n != 0 && *c.nsp.at == '/');
	check_names(&c.rooms);
	check_names(&c.except);
	check_names(&c.moves);
	must((kind == API_JOIN || kind == API_LEAVE) == (c.moves.count != 0));
	if (kind == API_EMIT)
		check_event(&c);
	api_command_fini(&c);
}

static void
check_query(enum api_list list, struct text query)
{
	struct api_fault fault;
	struct api_query q;

	if (!api_query_read(&q, list, query, &fault)) {
		check_fault(&fault);
		return;
	}
	must(*q.nsp.at == '/' && q.limit >= 1 && q.limit <= API_LIMIT_MAX && q.room_count <= API_QUERY_ROOMS);
	must(list < API_LIST_HISTORY || (q.room_count == 1 && q.limit <= HISTORY_COUNT_MAX));
	must(list != API_LIST_REMOVAL || (q.id.ms == 0 && q.id.seq == 0) == q.all);
	api_query_fini(&q);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact;

	if (size == 0 || size > 4096)
		return 0;
	exact = mem_copy(data + 1, size - 1);
	if (data[0] % 8 < API_KINDS)
		check_body((enum api_kind)(data[0] % 8), text_of(exact, size - 1));
	else
		check_query((enum api_list)(data[0] % 8 - API_KINDS), text_of(exact, size - 1));
	mem_free(exact);
	return 0;
}
