#include "node/api/api_once.h"

#include "common/base/mem.h"
#include "common/base/must.h"

void
api_once_init(struct api_once *once, uint64_t time_ms, uint64_t max_bytes)
{
	*once = (struct api_once){.time_ms = time_ms, .max_bytes = max_bytes};
	table_init(&once->by_key);
	list_init(&once->order);
}

static size_t
once_entry_size(const struct api_once_entry *entry)
{
	return sizeof *entry + entry->key_n + entry->body_n;
}

static void
once_forget(struct api_once *once, struct api_once_entry *entry)
{
	once->bytes -= once_entry_size(entry);
	table_remove(&once->by_key, &entry->node);
	list_remove(&entry->link);
	mem_free(entry->body);
	mem_free(entry);
}

void
api_once_fini(struct api_once *once)
{
	while (!list_empty(&once->order))
		once_forget(once, container_of(once->order.next, struct api_once_entry, link));
	table_fini(&once->by_key);
}

/* Forgets the answers whose time is over. They are the first of the list. */
static void
once_forget_old(struct api_once *once, uint64_t now)
{
	struct list *it, *next;

	list_each(it, next, &once->order)
	{
		struct api_once_entry *entry = container_of(it, struct api_once_entry, link);

		if (now - entry->begun < once->time_ms)
			break;
		if (entry->done)
			once_forget(once, entry);
	}
}

/* Forgets the oldest answers. Running requests are kept, however many: their number is limited elsewhere. */
static void
once_make_room(struct api_once *once)
{
	struct list *it, *next;

	list_each(it, next, &once->order)
	{
		struct api_once_entry *entry = container_of(it, struct api_once_entry, link);

		if (once->bytes <= once->max_bytes)
			break;
		if (entry->done) {
			once_forget(once, entry);
			once->forgotten++;
		}
	}
}

enum api_once_state
api_once_begin(struct api_once *once, struct text key, const struct sha256 *digest, uint64_t now,
	struct api_once_entry **out)
{
	struct table_node *node;
	struct api_once_entry *entry;

	must(key.n != 0 && key.n <= API_ONCE_KEY_MAX);
	once_forget_old(once, now);
	*out = NULL;
	node = table_find(&once->by_key, key);
	if (node != NULL) {
		entry = container_of(node, struct api_once_entry, node);
		if (!sha256_same(&entry->digest, digest))
			return API_ONCE_OTHER;
		if (!entry->done)
			return API_ONCE_RUNNING;
		*out = entry;
		return API_ONCE_KNOWN;
	}
	entry = mem_zalloc(sizeof *entry + key.n);
	entry->digest = *digest;
	entry->begun = now;
	entry->key_n = key.n;
	memcpy(entry->key, key.at, key.n);
	table_add(&once->by_key, &entry->node, text_of(entry->key, entry->key_n));
	list_add_tail(&once->order, &entry->link);
	once->bytes += once_entry_size(entry);
	once_make_room(once);
	*out = entry;
	return API_ONCE_NEW;
}

void
api_once_done(struct api_once *once, struct api_once_entry *entry, int status, struct text body)
{
	must(!entry->done);
	entry->body = mem_try_alloc(body.n);
	if (entry->body == NULL) {
		once_forget(once, entry);
		once->forgotten++;
		return;
	}
	if (body.n != 0)
		memcpy(entry->body, body.at, body.n);
	entry->body_n = body.n;
	entry->status = status;
	entry->done = true;
	once->bytes += body.n;
	once_make_room(once);
}

void
api_once_undone(struct api_once *once, struct api_once_entry *entry)
{
	must(!entry->done);
	once_forget(once, entry);
}
