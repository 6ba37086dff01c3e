/*
 * Socket.IO packets. An accepted packet obeys the rules of its type. The packet that is written from its parts is
 * read as the same parts.
 */
#include "common/base/json.h"
#include "common/base/must.h"
#include "node/socketio/sio_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct sio_packet first, second;

static void
check_rules(const struct sio_packet *p, const struct sio_packet_limits *limits)
{
	bool binary = p->type == SIO_BINARY_EVENT || p->type == SIO_BINARY_ACK;
	bool event = p->type == SIO_EVENT || p->type == SIO_BINARY_EVENT;

	must(p->nsp.n >= 1 && p->nsp.at[0] == '/' && p->nsp.n <= limits->max_nsp);
	must(binary ? p->attachments >= 1 && p->attachments <= limits->max_attachments : p->attachments == 0);
	must(!p->has_id || p->id <= (UINT64_C(1) << 53) - 1);
	if (p->data.n != 0)
		must(json_check(p->data, limits->max_depth) == 0);
	if (p->type == SIO_DISCONNECT)
		must(p->data.n == 0);
	if (p->type == SIO_CONNECT && p->data.n != 0)
		must(json_type(p->data) == JSON_OBJECT);
	if (event)
		must(p->argc >= 1 && p->argc <= SIO_ARGS_MAX);
	if (event && json_type(p->args[0]) == JSON_STRING) {
		must(!json_string_is(p->args[0], TEXT("connect")));
		must(!json_string_is(p->args[0], TEXT("disconnect")));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct sio_packet_limits limits = {.max_attachments = 10, .max_depth = 64, .max_nsp = 128};
	struct buffer out;

	if (sio_packet_parse(&first, text_of((const char *)data, n), &limits) != 0)
		return 0;
	check_rules(&first, &limits);
	buffer_init(&out, n + 64);
	sio_packet_write_head(&out, first.type, first.attachments, first.nsp, first.has_id ? &first.id : NULL);
	buffer_add_text(&out, first.data);
	must(buffer_error(&out) == 0);
	must(sio_packet_parse(&second, buffer_text(&out), &limits) == 0);
	must(second.type == first.type && second.attachments == first.attachments && second.has_id == first.has_id);
	must(!first.has_id || second.id == first.id);
	must(text_is(second.nsp, first.nsp) && text_is(second.data, first.data));
	must(second.argc == first.argc);
	buffer_fini(&out);
	return 0;
}
