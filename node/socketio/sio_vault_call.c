#include <stdio.h>

#include "broker/broker.h"
#include "common/base/base64.h"
#include "common/base/must.h"
#include "common/base/sha256.h"
#include "node/socketio/sio_vault_state.h"

#define SLACK_MS 10000 /* how late a renewal may be */
#define KEY_HASH 22    /* base64url characters of a hash, 132 bits */

/* Writes what a key begins with, and `kind`. Returns the length. */
static size_t
vault_key_begin(const struct sio_vault *vault, struct text kind, char out[SIO_VAULT_KEY_MAX])
{
	struct text prefix = bus_store_key_prefix(vault->bus);

	must(prefix.n <= BUS_STORE_PREFIX_MAX); /* broker_settings_check() refuses a longer --redis-key */
	memcpy(mempcpy(out, prefix.at, prefix.n), kind.at, kind.n);
	return prefix.n + kind.n;
}

struct text
sio_vault_key(const struct sio_vault *vault, struct text pid, char out[SIO_VAULT_KEY_MAX])
{
	struct sha256 hash = sha256_of(TEXT("session"), pid);
	size_t n = vault_key_begin(vault, TEXT("-session#"), out);

	for (unsigned i = 0; i < KEY_HASH; i++)
		out[n++] = base64url_alphabet[hash.bytes[i] & 63];
	return text_of(out, n);
}

struct text
sio_vault_stranger_key(const struct sio_vault *vault, struct text nsp, char out[SIO_VAULT_KEY_MAX])
{
	size_t n = vault_key_begin(vault, TEXT("-stranger#"), out);

	_Static_assert(
		BUS_STORE_PREFIX_MAX + sizeof "-stranger#" + SIO_NSP_NAME_MAX <= SIO_VAULT_KEY_MAX, "a key must fit");
	must(nsp.n <= SIO_NSP_NAME_MAX);
	if (nsp.n != 0)
		memcpy(out + n, nsp.at, nsp.n);
	return text_of(out, n + nsp.n);
}

struct text
sio_vault_number(struct vault_number *room, uint64_t number)
{
	return text_of(
		room->text, (size_t)snprintf(room->text, sizeof room->text, "%llu", (unsigned long long)number));
}

void
sio_vault_call(struct sio_vault *vault, enum sio_vault_script script, unsigned keys, const struct text *args,
	unsigned count, struct bus_call *call)
{
	bus_store_call(vault->bus, &vault->scripts[script], keys, args, count, call);
}

bool
sio_vault_where(const struct sio_vault *vault, struct sio_vault_place *place, struct bus_point *point)
{
	if (!bus_store_point(vault->bus, point))
		return false;
	*place = (struct sio_vault_place){.entry = point->position,
		.number = point->number,
		.newest = vault->keep->local,
		.open = point->open,
		.floor = point->floor};
	memcpy(place->sender, point->sender, BUS_SENDER_LENGTH);
	return true;
}

uint64_t
sio_vault_live_ms(const struct sio_vault *vault)
{
	const struct sio_options *options = &vault->keep->recovery->io->options;

	return options->max_disconnection_duration + options->loss_notice + SIO_VAULT_RENEW_MS + SLACK_MS;
}
