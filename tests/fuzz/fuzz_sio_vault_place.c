/*
 * Texts of clients and of Redis: an offset, a place or a mark of a session, field s of its record, or what its client
 * has got with histories (sio_history_given.h), as the first byte says. An accepted offset or place is written as the
 * same text again. An accepted mark is written as a text that is read as the same mark. What is accepted of the
 * histories ascends.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "node/socketio/sio_history_given.h"
#include "node/socketio/sio_vault_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at_place(struct text text)
{
	char again[SIO_PLACE_MAX + 1];
	struct sio_vault_place place;

	if (sio_vault_place_read(text, &place))
		must(text_is(text, text_of(again, sio_vault_place_write(&place, again))));
}

static void
look_at_mark(struct text text)
{
	struct sio_vault_mark mark, same;
	char again[SIO_MARK_MAX];

	if (!sio_vault_mark_read(text, &mark))
		return;
	must(sio_vault_mark_read(text_of(again, sio_vault_mark_write(&mark, again)), &same));
	must(same.bound_origin == mark.bound_origin && same.bound_sum == mark.bound_sum && same.sum == mark.sum &&
		same.start == mark.start && same.origin == mark.origin && same.local == mark.local);
}

static void
look_at_offset(struct text text)
{
	struct sio_vault_mark mark = {.origin = 1, .sum = 5};
	struct sio_vault_offset offset;
	struct sio_vault_from from;

	if (!sio_vault_offset_read("epochepo", text, &offset))
		return;
	must(offset.at.heard < UINT64_MAX / 4 && offset.at.local < UINT64_MAX / 4);
	mark.place = offset.place; /* a later offset of another worker is refused */
	must(sio_vault_choose(&mark, NULL, &offset, &from));
	mark.bound_origin = offset.at.origin;
	mark.bound_sum = offset.at.heard + offset.at.local + 1;
	must(!sio_vault_choose(&mark, NULL, &offset, &from) || offset.at.origin == mark.origin);
}

static void
look_at_given(struct text text)
{
	struct sio_history_given from = {.in = {.rest = text}};
	struct wire_mark mark, last;
	struct text room;

	while (sio_history_given_room(&from, &room)) {
		unsigned count = 0;

		for (; sio_history_given_mark(&from, &mark); last = mark) {
			must(mark.origin != 0 && ++count <= SIO_HISTORY_GIVEN_MAX);
			must(count == 1 || mark.origin > last.origin ||
				(mark.origin == last.origin && mark.number > last.number));
		}
		must(from.in.bad || count > 0);
	}
	must(from.in.bad || from.in.rest.n == 0);
}

static void
look_at_record(struct text text)
{
	struct sio_vault_fields fields;
	struct keep_reader in;

	if (!sio_vault_record_read(text, &fields))
		return;
	in = (struct keep_reader){.rest = fields.rooms};
	for (uint32_t i = 0; i < fields.room_count; i++)
		(void)keep_get_text(&in);
	must(!in.bad && in.rest.n == 0 && fields.sid.n == SIO_ID_LENGTH);
	look_at_given(fields.given);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size); /* exactly as long as the input, so that reading further is noticed */
	memcpy(text, data, size);
	if (data[0] == 'p')
		look_at_place(text_of(text + 1, size - 1));
	else if (data[0] == 'm')
		look_at_mark(text_of(text + 1, size - 1));
	else if (data[0] == 's')
		look_at_record(text_of(text + 1, size - 1));
	else if (data[0] == 'g')
		look_at_given(text_of(text + 1, size - 1));
	else
		look_at_offset(text_of(text + 1, size - 1));
	free(text);
	return 0;
}
