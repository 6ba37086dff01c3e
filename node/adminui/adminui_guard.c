#include "node/adminui/adminui_guard.h"

#include <string.h>

/* Returns an IPv4 address whole (it is stored as ::ffff:a.b.c.d), or the first half of an IPv6 address. */
static struct address
guard_key(const struct address *address)
{
	static const uint8_t v4[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct address key = *address;

	if (memcmp(key.bytes, v4, sizeof v4) != 0)
		memset(key.bytes + 8, 0, 8);
	return key;
}

static struct adminui_attempts *
guard_find(struct adminui_guard *guard, const struct address *key)
{
	for (unsigned i = 0; i < ADMINUI_GUARD_ADDRESSES; i++) {
		if (guard->at[i].count > 0 && memcmp(&guard->at[i].address, key, sizeof *key) == 0)
			return &guard->at[i];
	}
	return NULL;
}

static struct adminui_attempts *
guard_add(struct adminui_guard *guard, const struct address *key)
{
	struct adminui_attempts *oldest = &guard->at[0];

	for (unsigned i = 0; i < ADMINUI_GUARD_ADDRESSES && oldest->count > 0; i++) {
		if (guard->at[i].count == 0 || guard->at[i].since < oldest->since)
			oldest = &guard->at[i];
	}
	*oldest = (struct adminui_attempts){.address = *key};
	return oldest;
}

bool
adminui_guard_admits(struct adminui_guard *guard, const struct address *address, uint64_t now)
{
	struct address key = guard_key(address);
	struct adminui_attempts *attempts = guard_find(guard, &key);

	if (attempts == NULL)
		attempts = guard_add(guard, &key);
	if (attempts->count == 0 || now - attempts->since >= ADMINUI_ATTEMPTS_MS) {
		attempts->since = now;
		attempts->count = 0;
	}
	if (attempts->count == ADMINUI_ATTEMPTS)
		return false;
	attempts->count++;
	return true;
}

void
adminui_guard_clear(struct adminui_guard *guard, const struct address *address)
{
	struct address key = guard_key(address);
	struct adminui_attempts *attempts = guard_find(guard, &key);

	if (attempts != NULL)
		attempts->count = 0;
}
