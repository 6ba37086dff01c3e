/* Names collected from all nodes, without duplicates: sio_all_rooms(), and the ids of sockets. */
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/socketio/sio_cluster.h"
#include "node/socketio/sio_fetch.h"
#include "node/socketio/sio_question.h"
#include "node/socketio/sio_check.h"

struct known {
	struct table_node node;
	char name[];
};

struct sio_all_rooms {
	struct sio_question question;
	struct table known; /* by name */
	sio_rooms_fn *fn;
	void *arg;
	int error; /* SIO_ERR_SYSTEM: some names are missing for want of memory */
};

static void
known_add(struct sio_all_rooms *rooms, struct text name)
{
	struct known *entry;

	if (table_find(&rooms->known, name) != NULL)
		return;
	entry = mem_try_alloc(sizeof *entry + name.n + 1);
	if (entry == NULL) {
		rooms->error = SIO_ERR_SYSTEM;
		return;
	}
	if (name.n != 0)
		memcpy(entry->name, name.at, name.n);
	entry->name[name.n] = '\0';
	table_add(&rooms->known, &entry->node, text_of(entry->name, name.n));
}

static void
all_rooms_on_answer(struct sio_question *question, struct text json, const struct attachments *attachments)
{
	struct sio_all_rooms *rooms = container_of(question, struct sio_all_rooms, question);
	struct text rest = json, element;
	struct buffer name;
	char *room;

	(void)attachments;
	if (json.n == 0 || json_type(json) != JSON_ARRAY)
		return;
	buffer_init(&name, SIZE_MAX / 2); /* a name is never longer than the JSON text */
	while (json_array_next(&rest, &element)) {
		buffer_reset(&name);
		if (json_type(element) == JSON_NUMBER)
			json_write_double(&name, json_number_double(element));
		else if (json_type(element) != JSON_STRING)
			continue;
		else if ((room = (char *)buffer_room(&name, element.n)) != NULL)
			name.len = json_string_decode_name(element, room);
		if (buffer_error(&name) == 0)
			known_add(rooms, buffer_text(&name));
		else
			rooms->error = SIO_ERR_SYSTEM;
	}
	buffer_fini(&name);
}

/* Calls back and frees the collection. */
static void
all_rooms_finish(struct sio_question *question)
{
	struct sio_all_rooms *rooms = container_of(question, struct sio_all_rooms, question);
	const char **names = mem_try_alloc(rooms->known.count * sizeof *names);
	struct table_cursor cursor = {0};
	struct sio_underway before;
	struct table_node *node;
	unsigned count = 0;

	if (names == NULL)
		rooms->error = SIO_ERR_SYSTEM;
	while (names != NULL && (node = table_next(&rooms->known, &cursor)) != NULL)
		names[count++] = container_of(node, struct known, node)->name;
	if (rooms->error != 0)
		loop_count_no_memory(question->io->loop);
	before = sio_underway_enter(&question->io->underway, NULL, "all rooms");
	rooms->fn(question->io, rooms->error != 0 ? rooms->error : question->error, names, count, question->silent,
		rooms->arg);
	sio_underway_leave(&question->io->underway, before);
	mem_free(names);
	cursor = (struct table_cursor){0};
	while ((node = table_next(&rooms->known, &cursor)) != NULL) {
		table_remove(&rooms->known, node);
		mem_free(container_of(node, struct known, node));
	}
	table_fini(&rooms->known);
	mem_free(rooms);
}

static void
all_rooms_on_local_room(void *arg, struct text name)
{
	known_add(arg, name);
}

static struct sio_all_rooms *
all_rooms_new(struct sio_server *io, sio_rooms_fn *fn, void *arg)
{
	struct sio_all_rooms *rooms = mem_zalloc(sizeof *rooms);

	table_init(&rooms->known);
	rooms->fn = fn;
	rooms->arg = arg;
	sio_question_init(&rooms->question, io, all_rooms_finish, all_rooms_on_answer);
	return rooms;
}

int
sio_all_rooms(sio_nsp *nsp, sio_rooms_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct sio_all_rooms *rooms;
	int64_t handle = 0;

	if (nsp == NULL || fn == NULL || nsp->family != NULL)
		return SIO_ERR_ARGUMENT;
	rooms = all_rooms_new(nsp->io, fn, arg);
	sio_rooms_each(nsp, all_rooms_on_local_room, rooms);
	if (nsp->broker != NULL) {
		struct broker_question to_broker = sio_question_to_broker(&rooms->question, 0, 0);

		handle = broker_ask_all_rooms(nsp->broker, &to_broker);
	}
	sio_question_asked(&rooms->question, handle);
	return 0;
}

void
sio_ids_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, uint32_t timeout_ms,
	sio_rooms_fn *fn, void *arg)
{
	struct sio_all_rooms *rooms = all_rooms_new(nsp->io, fn, arg);
	struct sio_scratch *scratch = sio_scratch_take(&nsp->io->turn);
	int64_t handle = 0;

	rooms->error = sio_rooms_select(nsp, who, &scratch->selection);
	for (unsigned i = 0; i < scratch->selection.count; i++)
		known_add(rooms, sio_socket_id_text(scratch->selection.at[i]));
	sio_scratch_give(&nsp->io->turn, scratch);
	if (sio_cluster_reached(nsp, flags)) {
		struct broker_question to_broker = sio_question_to_broker(&rooms->question, flags, timeout_ms);
		struct wire_target to = {.rooms = who->rooms, .room_count = who->rooms_count};

		handle = broker_ask_sockets(nsp->broker, &to, &to_broker);
	}
	sio_question_asked(&rooms->question, handle);
}
