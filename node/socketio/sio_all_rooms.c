/* Names of all nodes, each once: sio_all_rooms(), and the ids of sockets. */
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
	int error; /* SIO_ERR_SYSTEM: there was no memory for some of them */
};

static void
add(struct sio_all_rooms *a, struct text name)
{
	struct known *k;

	if (table_find(&a->known, name) != NULL)
		return;
	k = mem_try_alloc(sizeof *k + name.n + 1);
	if (k == NULL) {
		a->error = SIO_ERR_SYSTEM;
		return;
	}
	if (name.n != 0)
		memcpy(k->name, name.at, name.n);
	k->name[name.n] = '\0';
	table_add(&a->known, &k->node, text_of(k->name, name.n));
}

static void
on_answer(struct sio_question *q, struct text json, const struct attachments *attachments)
{
	struct sio_all_rooms *a = container_of(q, struct sio_all_rooms, question);
	struct text rest = json, element;
	struct buffer name;
	char *room;

	(void)attachments;
	if (json.n == 0 || json_type(json) != JSON_ARRAY)
		return;
	buffer_init(&name, SIZE_MAX / 2); /* no longer than the text */
	while (json_array_next(&rest, &element)) {
		buffer_reset(&name);
		if (json_type(element) == JSON_NUMBER)
			json_write_double(&name, json_number_double(element));
		else if (json_type(element) != JSON_STRING)
			continue;
		else if ((room = (char *)buffer_room(&name, element.n)) != NULL)
			name.len = json_string_decode_name(element, room);
		if (buffer_error(&name) == 0)
			add(a, buffer_text(&name));
		else
			a->error = SIO_ERR_SYSTEM;
	}
	buffer_fini(&name);
}

/* The up-call. */
static void
finish(struct sio_question *q)
{
	struct sio_all_rooms *a = container_of(q, struct sio_all_rooms, question);
	const char **names = mem_try_alloc(a->known.count * sizeof *names);
	struct table_cursor cursor = {0};
	struct sio_underway before;
	struct table_node *n;
	unsigned count = 0;

	if (names == NULL)
		a->error = SIO_ERR_SYSTEM;
	while (names != NULL && (n = table_next(&a->known, &cursor)) != NULL)
		names[count++] = container_of(n, struct known, node)->name;
	if (a->error != 0)
		loop_count_no_memory(q->io->loop);
	before = sio_underway_enter(&q->io->underway, NULL, "all rooms");
	a->fn(q->io, a->error != 0 ? a->error : q->error, names, count, q->silent, a->arg);
	sio_underway_leave(&q->io->underway, before);
	mem_free(names);
	cursor = (struct table_cursor){0};
	while ((n = table_next(&a->known, &cursor)) != NULL) {
		table_remove(&a->known, n);
		mem_free(container_of(n, struct known, node));
	}
	table_fini(&a->known);
	mem_free(a);
}

static void
each_room(void *arg, struct text name)
{
	add(arg, name);
}

static struct sio_all_rooms *
names_new(struct sio_server *io, sio_rooms_fn *fn, void *arg)
{
	struct sio_all_rooms *a = mem_zalloc(sizeof *a);

	table_init(&a->known);
	a->fn = fn;
	a->arg = arg;
	sio_question_init(&a->question, io, finish, on_answer);
	return a;
}

int
sio_all_rooms(sio_nsp *nsp, sio_rooms_fn *fn, void *arg)
{
	SIO_NEEDS(SIO_A_NSP, nsp, SIO_ERR_ARGUMENT);
	SIO_NEEDS(SIO_A_FUNCTION, fn, SIO_ERR_ARGUMENT);
	struct sio_all_rooms *a;
	int64_t handle = 0;

	if (nsp == NULL || fn == NULL || nsp->family != NULL)
		return SIO_ERR_ARGUMENT;
	a = names_new(nsp->io, fn, arg);
	sio_rooms_each(nsp, each_room, a);
	if (nsp->broker != NULL) {
		struct broker_question q = sio_question_to_broker(&a->question, 0, 0);

		handle = broker_ask_all_rooms(nsp->broker, &q);
	}
	sio_question_asked(&a->question, handle);
	return 0;
}

void
sio_ids_many(struct sio_nsp *nsp, const struct sio_selector *who, unsigned flags, uint32_t timeout_ms,
	sio_rooms_fn *fn, void *arg)
{
	struct sio_all_rooms *a = names_new(nsp->io, fn, arg);
	struct sio_scratch *scratch = sio_scratch_take(&nsp->io->turn);
	int64_t handle = 0;

	a->error = sio_rooms_select(nsp, who, &scratch->selection);
	for (unsigned i = 0; i < scratch->selection.count; i++)
		add(a, text_of(scratch->selection.at[i]->id, SIO_ID_LENGTH));
	sio_scratch_give(&nsp->io->turn, scratch);
	if (sio_cluster_reached(nsp, flags)) {
		struct broker_question q = sio_question_to_broker(&a->question, flags, timeout_ms);
		struct wire_target to = {.rooms = who->rooms, .room_count = who->rooms_count};

		handle = broker_ask_sockets(nsp->broker, &to, &q);
	}
	sio_question_asked(&a->question, handle);
}
