#include <stdio.h>

#include "broker/broker.h"
#include "common/base/base64.h"
#include "common/base/sha256.h"
#include "node/socketio/sio_vault_state.h"

#define SLACK_MS 10000 /* how late a renewal may be */
#define KEY_HASH 22    /* base64url characters of a hash, 132 bits */
#define PREFIX_MAX 480 /* bytes of a key's name that come from --redis-key; further ones are cut off */

static struct text
vault_prefix(const struct sio_vault *vault)
{
	struct text prefix = bus_store_key_prefix(vault->bus);

	return text_of(prefix.at, prefix.n < PREFIX_MAX ? prefix.n : PREFIX_MAX);
}

struct text
sio_vault_key(const struct sio_vault *vault, struct text pid, char out[SIO_VAULT_KEY_MAX])
{
	struct text prefix = vault_prefix(vault);
	struct sha256 hash = sha256_of(TEXT("session"), pid);
	size_t n = (size_t)snprintf(out, SIO_VAULT_KEY_MAX, "%.*s-session#", (int)prefix.n, prefix.at);

	for (unsigned i = 0; i < KEY_HASH; i++)
		out[n++] = base64url_alphabet[hash.bytes[i] & 63];
	return text_of(out, n);
}

struct text
sio_vault_stranger_key(const struct sio_vault *vault, struct text nsp, char out[SIO_VAULT_KEY_MAX])
{
	struct text prefix = vault_prefix(vault);
	int n = snprintf(out, SIO_VAULT_KEY_MAX, "%.*s-stranger#%.*s", (int)prefix.n, prefix.at, (int)nsp.n,
		nsp.n != 0 ? nsp.at : "");

	return text_of(out, (size_t)n < SIO_VAULT_KEY_MAX ? (size_t)n : SIO_VAULT_KEY_MAX - 1);
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
