#include "node/socketio/sio_vault_count.h"

#include "broker/bus_form.h"
#include "broker/wire.h"
#include "common/base/mem.h"

static void vault_on_count(struct bus_count *query, int64_t count);

/* Returns false if the script counts by itself. */
static bool
vault_begin_count(struct sio_vault *vault)
{
	struct buffer channel;
	bool begun;

	buffer_init(&channel, SIO_VAULT_KEY_MAX);
	wire_channel_request(&channel, vault->key, TEXT("/"));
	bus_count_init(&vault->count, vault_on_count);
	begun = bus_store_count(vault->bus, &vault->count, buffer_text(&channel));
	buffer_fini(&channel);
	vault->counting = begun;
	vault->counts += begun;
	return begun;
}

/* Claims that were taken after this count had begun wait for the next one. */
static void
vault_on_count(struct bus_count *query, int64_t count)
{
	struct sio_vault *vault = container_of(query, struct sio_vault, count);
	uint64_t number = vault->counts;
	bool more = false;
	struct list asks;

	vault->counting = false;
	list_init(&asks);
	list_move_all(&asks, &vault->asks);
	while (!list_empty(&asks)) {
		struct vault_ask *ask = container_of(asks.next, struct vault_ask, link);

		list_remove(&ask->link);
		list_add_tail(&vault->asks, &ask->link);
		more |= ask->count > number;
		if (ask->count == 0 || ask->count > number)
			continue;
		ask->count = 0;
		sio_vault_counted(ask, count);
	}
	if (more && !vault->counting)
		vault_begin_count(vault);
}

bool
sio_vault_count(struct vault_ask *ask, struct text found)
{
	struct sio_vault *vault = ask->vault;

	if (vault->counting)
		ask->count = vault->counts + 1;
	else if (vault_begin_count(vault))
		ask->count = vault->counts;
	else
		return false;
	mem_free(ask->found);
	ask->found = mem_try_alloc(found.n);
	ask->found_n = found.n;
	if (ask->found == NULL) {
		ask->count = 0;
		sio_vault_pause_longer(ask);
		return true;
	}
	memcpy(ask->found, found.at, found.n);
	return true;
}

void
sio_vault_end_count(struct sio_vault *vault)
{
	if (vault->counting)
		bus_count_cancel(&vault->count);
	vault->counting = false;
}
