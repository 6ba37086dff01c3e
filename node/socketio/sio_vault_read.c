#include <stdio.h>

#include "broker/bus_keep.h"
#include "broker/wire.h"
#include "common/base/mem.h"
#include "node/socketio/sio_recovery_rooms.h"
#include "node/socketio/sio_server.h"
#include "node/socketio/sio_vault_ask.h"

#define READ_ARGS 17 /* keys and arguments of VAULT_READ, without the rooms */
#define OPEN_MS 4000 /* open events are awaited for so long: redisSettle, which is 3 s by default, and a bit more */

enum sio_recovery_result
sio_vault_read_result(struct text answer)
{
	switch (answer.n == 1 ? answer.at[0] : 0) {
	case 'R':
		return SIO_RECOVERY_RECOVERED;
	case 'N':
		return SIO_RECOVERY_NO_SESSION;
	case 'S':
		return SIO_RECOVERY_FOREIGN;
	case 'T':
		return SIO_RECOVERY_TOO_BIG;
	default:
		return SIO_RECOVERY_OFFSET_GONE;
	}
}

bool
sio_vault_read_waits(struct vault_ask *ask, struct text answer)
{
	uint64_t now = ask->vault->keep->recovery->io->loop->now;

	if (!text_is(answer, TEXT("O")))
		return false;
	if (ask->open_until == 0)
		ask->open_until = now + OPEN_MS;
	return now < ask->open_until;
}

void
sio_vault_read(struct vault_ask *ask, const struct sio_vault_from *from, struct text nsp, struct text rooms,
	uint32_t room_count, struct text own_room, bool publishes)
{
	struct sio_vault *vault = ask->vault;
	const struct sio_vault_place *place = &from->place;
	char key[SIO_VAULT_KEY_MAX], floor[BUS_POSITION_TEXT_MAX], entry[BUS_POSITION_TEXT_MAX], head[48];
	struct vault_number number, newest, open, local, max;
	struct text *args = mem_alloc((READ_ARGS + room_count + 1) * sizeof *args);
	struct buffer channel, prefix, owners;
	const char *at = rooms.at;
	unsigned n = READ_ARGS;

	buffer_init(&channel, SIZE_MAX / 2); /* redisKey and the namespace limit the names */
	buffer_init(&prefix, SIZE_MAX / 2);
	buffer_init(&owners, SIZE_MAX / 2);
	if (place->open < UINT32_MAX) /* otherwise it is unknown which events are open (bus_store.c) */
		bus_keep_channel(&owners, vault->key, TEXT(""));
	if (publishes)
		bus_keep_channel(&channel, vault->key, text_of(vault->keep->bus.id, BUS_KEEP_ID));
	wire_channel_broadcast(&prefix, vault->key, nsp, TEXT_NONE);
	args[0] = sio_vault_key(vault, text_of(ask->pid, SIO_PID_LENGTH), key);
	args[1] = text_from(bus_store_stream(vault->bus));
	args[2] = text_of(ask->claim, SIO_VAULT_CLAIM);
	args[4] = text_of(entry, bus_position_write(entry, place->entry));
	args[3] = place->open != 0 && bus_position_compare(place->floor, place->entry) < 0
			  ? text_of(floor, bus_position_write(floor, place->floor))
			  : args[4];
	args[5] = place->number != 0 ? text_of(place->sender, BUS_SENDER_LENGTH) : TEXT("");
	args[6] = sio_vault_number(&number, place->number);
	args[7] = text_of((const char *)&from->origin, SIO_ORIGIN_LENGTH);
	args[8] = sio_vault_number(&newest, place->newest);
	args[9] = sio_vault_number(&open, place->open);
	args[10] = sio_vault_number(&local, from->local);
	args[11] = sio_vault_number(&max, vault->keep->recovery->io->max_emit);
	args[12] = buffer_text(&prefix);
	args[13] = buffer_text(&channel);
	args[14] = text_of(head, (size_t)snprintf(head, sizeof head, "R%llu %llu ", (unsigned long long)ask->nonce,
					 (unsigned long long)++ask->attempts));
	args[15] = text_of(vault->keep->bus.id, BUS_KEEP_ID);
	args[16] = buffer_text(&owners);
	for (uint32_t i = 0; i < room_count; i++)
		args[n++] = sio_recovery_room_read(&at);
	if (own_room.n != 0)
		args[n++] = own_room;
	ask->again_at = 0;
	sio_vault_call(vault, VAULT_READ, 2, args, n, &ask->call);
	buffer_fini(&channel);
	buffer_fini(&prefix);
	buffer_fini(&owners);
	mem_free(args);
}
