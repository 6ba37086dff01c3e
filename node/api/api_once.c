#include "node/api/api_once.h"

#include "common/base/mem.h"
#include "common/base/must.h"

void
api_once_init(struct api_once *o, uint64_t time_ms, uint64_t max_bytes)
{
	*o = (struct api_once){.time_ms = time_ms, .max_bytes = max_bytes};
	table_init(&o->by_key);
	list_init(&o->order);
}

static size_t
size_of(const struct api_once_entry *e)
{
	return sizeof *e + e->key_n + e->body_n;
}

static void
forget(struct api_once *o, struct api_once_entry *e)
{
	o->bytes -= size_of(e);
	table_remove(&o->by_key, &e->node);
	list_remove(&e->link);
	mem_free(e->body);
	mem_free(e);
}

void
api_once_fini(struct api_once *o)
{
	while (!list_empty(&o->order))
		forget(o, container_of(o->order.next, struct api_once_entry, link));
	table_fini(&o->by_key);
}

/* Those whose time is over, all that are older than one that is not included. */
static void
forget_old(struct api_once *o, uint64_t now)
{
	struct list *it, *next;

	list_each(it, next, &o->order)
	{
		struct api_once_entry *e = container_of(it, struct api_once_entry, link);

		if (now - e->begun < o->time_ms)
			break;
		if (e->done)
			forget(o, e);
	}
}

/* Those that run are kept, however many: the number of requests under way is limited elsewhere. */
static void
make_room(struct api_once *o)
{
	struct list *it, *next;

	list_each(it, next, &o->order)
	{
		struct api_once_entry *e = container_of(it, struct api_once_entry, link);

		if (o->bytes <= o->max_bytes)
			break;
		if (e->done) {
			forget(o, e);
			o->forgotten++;
		}
	}
}

enum api_once_state
api_once_begin(
	struct api_once *o, struct text key, const struct sha256 *digest, uint64_t now, struct api_once_entry **entry)
{
	struct table_node *node;
	struct api_once_entry *e;

	must(key.n != 0 && key.n <= API_ONCE_KEY_MAX);
	forget_old(o, now);
	*entry = NULL;
	node = table_find(&o->by_key, key);
	if (node != NULL) {
		e = container_of(node, struct api_once_entry, node);
		if (!sha256_same(&e->digest, digest))
			return API_ONCE_OTHER;
		if (!e->done)
			return API_ONCE_RUNNING;
		*entry = e;
		return API_ONCE_KNOWN;
	}
	e = mem_zalloc(sizeof *e + key.n);
	e->digest = *digest;
	e->begun = now;
	e->key_n = key.n;
	memcpy(e->key, key.at, key.n);
	table_add(&o->by_key, &e->node, text_of(e->key, e->key_n));
	list_add_tail(&o->order, &e->link);
	o->bytes += size_of(e);
	make_room(o);
	*entry = e;
	return API_ONCE_NEW;
}

void
api_once_done(struct api_once *o, struct api_once_entry *e, int status, struct text body)
{
	must(!e->done);
	e->body = mem_try_alloc(body.n);
	if (e->body == NULL) {
		forget(o, e);
		o->forgotten++;
		return;
	}
	if (body.n != 0)
		memcpy(e->body, body.at, body.n);
	e->body_n = body.n;
	e->status = status;
	e->done = true;
	o->bytes += body.n;
	make_room(o);
}

void
api_once_undone(struct api_once *o, struct api_once_entry *e)
{
	must(!e->done);
	forget(o, e);
}
