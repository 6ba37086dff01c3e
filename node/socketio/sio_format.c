/* Values and texts that the application makes: sio_format(), sio_format_text() and sio_list. */
#include "common/base/error.h"
#include "common/base/json_base64.h"
#include "common/base/mem.h"
#include "node/socketio/sio_check.h"
#include "node/socketio/sio_list.h"
#include "node/socketio/sio_pack.h"
#include "node/socketio/sio_server.h"
#include "node/socketio/sio_stored.h"

struct formatted {
	struct sio_turn_object held;
	struct sio_stored *stored;
};

static void
formatted_free(struct sio_turn_object *held)
{
	struct formatted *formatted = container_of(held, struct formatted, held);

	sio_stored_unref(formatted->stored);
	mem_free(formatted);
}

sio_value
sio_format(sio_server *io, const char *format, ...)
{
	SIO_NEEDS(SIO_A_SERVER, io, sio_value_none());
	struct sio_scratch *scratch = sio_scratch_take(&io->turn);
	struct formatted *formatted = NULL;
	va_list args;
	int rc;

	va_start(args, format);
	rc = sio_pack_data(&scratch->payload, format, args);
	va_end(args);
	if (rc == 0 && scratch->payload.json.len != 0) {
		formatted = mem_alloc(sizeof *formatted);
		formatted->stored =
			sio_stored_new(buffer_text(&scratch->payload.json), &scratch->payload.attachments);
		sio_turn_hold(&io->turn, &formatted->held, formatted_free);
		if (formatted->stored == NULL)
			rc = SIO_ERR_SYSTEM;
	}
	(void)sio_misused(__func__, NULL, format, &scratch->payload, rc);
	sio_scratch_give(&io->turn, scratch);
	return rc == 0 && formatted != NULL ? sio_stored_value(formatted->stored) : sio_value_none();
}

const char *
sio_format_text(sio_server *io, const char *format, ...)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	struct sio_scratch *scratch = sio_scratch_take(&io->turn);
	const char *copy = NULL;
	struct buffer text;
	va_list args;
	int rc;

	buffer_init(&text, io->turn.max_payload);
	va_start(args, format);
	rc = sio_pack_data(&scratch->payload, format, args);
	va_end(args);
	if (rc == 0)
		rc = json_base64_write(buffer_text(&scratch->payload.json), &scratch->payload.attachments, &text);
	if (rc == ERROR_MEMORY)
		rc = SIO_ERR_SYSTEM;
	if (rc == 0 && (copy = sio_turn_copy(&io->turn, buffer_text(&text))) == NULL)
		rc = SIO_ERR_SYSTEM;
	(void)sio_misused(__func__, NULL, format, &scratch->payload, rc);
	buffer_fini(&text);
	sio_scratch_give(&io->turn, scratch);
	return copy;
}

/* ------------------------------------------------------------------- lists */

static void
list_free(struct sio_turn_object *held)
{
	struct sio_list *list = container_of(held, struct sio_list, held);

	sio_died(list);
	sio_payload_fini(&list->payload);
	sio_retire(list);
}

sio_list *
sio_list_new(sio_server *io)
{
	SIO_NEEDS(SIO_A_SERVER, io, NULL);
	struct sio_list *list = mem_zalloc(sizeof *list);

	list->turn = &io->turn;
	sio_payload_init(&list->payload, io->turn.max_payload);
	sio_turn_hold(&io->turn, &list->held, list_free);
	sio_born(SIO_A_LIST, list);
	return list;
}

/* Appends the elements of a packed array. Only this part can leave the list incomplete. */
static int
list_append(struct sio_list *list, const struct sio_payload *packed)
{
	struct text array = buffer_text(&packed->json);

	if (list->payload.json.len != 0)
		buffer_add_byte(&list->payload.json, ',');
	list->error = json_placeholders_copy(text_of(array.at + 1, array.n - 2), &packed->attachments,
		&list->payload.attachments, &list->payload.json);
	if (list->error == 0)
		list->error = buffer_error(&list->payload.json);
	if (list->error == ERROR_MEMORY)
		list->error = SIO_ERR_SYSTEM;
	return list->error;
}

int
sio_list_add(sio_list *list, const char *format, ...)
{
	SIO_NEEDS(SIO_A_LIST, list, SIO_ERR_ARGUMENT);
	struct sio_scratch *scratch = sio_scratch_take(list->turn);
	va_list args;
	int rc;

	va_start(args, format);
	rc = list->error != 0 ? list->error : sio_pack_args(&scratch->payload, NULL, format, args);
	va_end(args);
	if (rc == 0 && scratch->payload.json.len > 2 && (rc = list_append(list, &scratch->payload)) == 0)
		list->count += scratch->payload.values;
	(void)sio_misused(__func__, NULL, format, &scratch->payload, rc);
	sio_scratch_give(list->turn, scratch);
	return rc;
}

unsigned
sio_list_count(const sio_list *list)
{
	SIO_NEEDS(SIO_A_LIST, list, 0);
	return list->count;
}
