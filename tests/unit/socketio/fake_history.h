/*
 * The store of the history of rooms, for tests of the Socket.IO runtime: it keeps what is appended, and answers when
 * the test says so. Include it in one file of a program, after fake_engine.h.
 */
#ifndef TESTS_UNIT_SOCKETIO_FAKE_HISTORY_H
#define TESTS_UNIT_SOCKETIO_FAKE_HISTORY_H

#include "broker/history.h"
#include "node/socketio/sio_history_entry.h"

#define STORED_MAX 2000
#define PEER UINT64_C(0x1234) /* the origin of another server's events */

static struct history store;
static struct {
	char key[64];
	struct block *payload;
} stored[STORED_MAX];
static unsigned stored_count, asks, removed_count;
static struct history_ask *asked; /* the last one that waits */
static struct history_query query;
static char asked_key[64];

static inline void
store_append(struct history *history, struct text key, const struct history_limits *limits, struct text payload)
{
	assert_ptr_equal(history, &store);
	assert_int_equal(limits->count, 100);
	must(stored_count < STORED_MAX && key.n < sizeof stored->key);
	memcpy(stored[stored_count].key, key.at, key.n);
	stored[stored_count].key[key.n] = '\0';
	stored[stored_count++].payload = block_copy(payload.at, payload.n);
}

static inline void
store_read(struct history *history, struct text key, const struct history_limits *limits,
	const struct history_query *wanted, struct history_ask *ask)
{
	(void)history, (void)limits;
	query = *wanted;
	asked = ask;
	ask->pending = ask;
	asks++;
	snprintf(asked_key, sizeof asked_key, "%.*s", (int)key.n, key.at);
}

static inline void
store_remove(struct history *history, struct text key, struct history_id id, struct history_ask *ask)
{
	(void)history, (void)key;
	removed_count += id.ms == 0 && id.seq == 0 ? 100 : 1;
	asked = ask;
	ask->pending = ask;
}

static inline void
store_cancel(struct history *history, struct history_ask *ask)
{
	(void)history;
	ask->pending = NULL;
	if (asked == ask)
		asked = NULL;
}

static inline void
store_stats(const struct history *history, struct history_stats *out)
{
	(void)history;
	*out = (struct history_stats){.appended = stored_count};
}

static inline void
store_free(struct history *history)
{
	(void)history;
}

static const struct history_form store_form = {
	store_append, store_read, store_remove, store_cancel, store_stats, store_free};

/* Answers the last ask with the entries of its key from `from` to before `to`. The turn goes on. */
static inline void
store_answers_in_turn(unsigned from, unsigned to)
{
	static struct history_item items[STORED_MAX];
	struct history_ask *ask = asked;
	unsigned n = 0;

	for (unsigned i = from; i < to; i++) {
		if (strcmp(stored[i].key, asked_key) == 0)
			items[n++] = (struct history_item){{1000 + i, 0},
				text_of((const char *)stored[i].payload->data, stored[i].payload->len)};
	}
	asked = NULL;
	ask->pending = NULL;
	ask->on_answer(ask, 0, items, n);
}

/* The same, and the turn ends. */
static inline void
store_answers(unsigned from, unsigned to)
{
	store_answers_in_turn(from, to);
	fake_turn();
}

static inline void
store_fails(int error)
{
	struct history_ask *ask = asked;

	asked = NULL;
	ask->pending = NULL;
	ask->on_answer(ask, error, NULL, 0);
	fake_turn();
}

/* Stores an event of another server. */
static inline void
peer_stores(const char *key, uint64_t number, int n)
{
	struct sio_history_entry entry = {.mark = {PEER, number}};
	struct history_limits limits = {100, 0};
	struct buffer bytes;
	char json[32];

	snprintf(json, sizeof json, "[\"e\",%d]", n);
	buffer_init(&bytes, 1000);
	assert_int_equal(sio_history_entry_write(&bytes, &entry, text_from(json), NULL), 0);
	store_append(&store, text_from(key), &limits, buffer_text(&bytes));
	buffer_fini(&bytes);
}

/* Begins with an empty store. The rules of the test must have the limit 100. */
static inline void
store_start(void)
{
	stored_count = asks = removed_count = 0;
	asked = NULL;
	store = (struct history){&store_form, &fake_loop};
	sio_core_set_history(fake_io, &store);
}

static inline void
store_stop(void)
{
	for (unsigned i = 0; i < stored_count; i++)
		block_unref(stored[i].payload);
}

#endif
