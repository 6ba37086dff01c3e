/*
 * Random calls of the public API from every callback (tests/chaos/chaos.h) on one node of a cluster. The test plays
 * the other nodes, which broadcast, ask, command and answer at random.
 */
#define FAKE_QUESTIONS 4096
#include "node/socketio/sio_nsp.h"
#include "tests/chaos/chaos.h"
#include "tests/unit/socketio/fake_engine.h"
#include "tests/unit/socketio/fake_broker.h"

static const struct broker_ops *ops;

static void
chaos_other_nodes_begin(void)
{
	fake_broker_start(BUS_FORM_HUB);
	ops = sio_core_broker_ops();
	sio_core_set_broker(fake_io, &fake_broker);
}

static void
chaos_other_nodes_end(void)
{
	fake_broker_stop();
}

static void
settle(void)
{
	struct table_cursor cursor = {0};
	struct table_node *n;

	fake_broker.awaits = false;
	/* listeners of "connection" may create namespaces and so change the table: settle one, then start again */
	for (bool found = true; found;) {
		found = false;
		cursor = (struct table_cursor){0};
		while (!found && (n = table_next(&fake_io->nsps, &cursor)) != NULL) {
			struct sio_nsp *nsp = container_of(n, struct sio_nsp, node);

			if (!list_empty(&nsp->arriving)) {
				found = true;
				ops->on_settled(nsp->broker->owner);
			}
		}
	}
}

static void
answer_question(void)
{
	unsigned handle;

	if (fake_broker.asked == 0)
		return;
	handle = 1 + chaos_below(fake_broker.asked);
	if (!fake_broker.waiting[handle - 1])
		return;
	if (chaos_one_in(2)) {
		const struct broker_question *q = &fake_broker.questions[handle - 1];

		q->on_answer(q->arg,
			text_from(CHAOS_PICK(((const char *[]){"[]", "1", "{\"a\":1}", "\"text\"", "[\"r\",5,null]",
				"[{\"id\":\"x\",\"rooms\":[\"r\"],\"handshake\":{\"address\":\"y\"},\"data\":{}}"
				"]"}))),
			NULL);
		return;
	}
	fake_broker_end(handle,
		chaos_one_in(2)	  ? 0
		: chaos_one_in(2) ? ERROR_TIMEOUT
				  : ERROR_CLOSED,
		2, chaos_below(2), 0);
}

static void
message(struct broker_nsp *n)
{
	struct text room = text_from(CHAOS_PICK(((const char *[]){"a", "b", "", "nobody"})));
	struct text data = text_from(CHAOS_PICK(((const char *[]){"[\"e\",1]",
		"[\"e\",{\"_placeholder\":true,\"num\":0}]", "[\"connect\"]", "[]", "[\"f\",[[]]]", "[5]"})));
	struct text rooms[] = {room, text_from("c")};
	struct wire_target to = {&room, rooms + 1, chaos_below(2), chaos_below(2), 0, {0, 0}};
	struct attachments a;
	struct buffer json, names;
	struct block *b = block_copy("\1\2", 2);

	attachments_init(&a);
	buffer_init(&json, 1 << 20);
	buffer_init(&names, 1 << 20);
	attachments_add(&a, b);
	block_unref(b);
	switch (chaos_below(9)) {
	case 0:
	case 1:
		ops->on_broadcast(n->owner, &to, data, &a);
		break;
	case 2:
		ops->on_broadcast_ack(n->owner, &to, data, &a, &fake_reply);
		break;
	case 3:
		ops->on_join(n->owner, &to, rooms, 2);
		break;
	case 4:
		ops->on_leave(n->owner, &to, rooms, 2);
		break;
	case 5:
		if (chaos_one_in(6))
			ops->on_disconnect(n->owner, &to, chaos_one_in(3));
		break;
	case 6:
		attachments_fini(&a);
		attachments_init(&a);
		ops->on_select(n->owner, &to, &names);
		for (size_t at = 0; at < names.len;) {
			uint32_t length;

			memcpy(&length, names.data + at, sizeof length);
			at += sizeof length;
			ops->on_socket(n->owner, text_of((const char *)names.data + at, length), &json, &a);
			at += length;
		}
		break;
	case 7:
		ops->on_all_rooms(n->owner, &names);
		break;
	default:
		ops->on_server_emit(n->owner, data, &a, chaos_one_in(2) ? &fake_reply : NULL);
	}
	attachments_fini(&a);
	buffer_fini(&json);
	buffer_fini(&names);
}

static void
chaos_other_nodes(void)
{
	struct sio_nsp *nsp;
	const char *name;

	if (chaos_one_in(20))
		fake_broker.refusal = chaos_one_in(3) ? ERROR_TOO_BIG : 0;
	if (chaos_one_in(10))
		fake_broker.waits = !fake_broker.waits;
	if (chaos_one_in(5) && !fake_broker.waits)
		fake_broker_confirm();
	if (chaos_one_in(20) && !fake_broker.awaits)
		fake_broker.awaits = true;
	else if (chaos_one_in(5) && fake_broker.awaits)
		settle();
	answer_question();
	name = chaos_nsp_name();
	nsp = name != NULL && chaos_one_in(2) ? sio_nsp_find(fake_io, text_from(name)) : NULL;
	if (nsp != NULL && nsp->broker != NULL)
		message(nsp->broker);
	fake_engine.sessions[0].busy = chaos_one_in(5);
}

#include "tests/unit/socketio/chaos_clients.h"

#define SEEDS 150

int
main(int argc, char **argv)
{
	log_set_level(LOG_ERROR);
	return chaos_main(argc, argv, SEEDS, true, play);
}
