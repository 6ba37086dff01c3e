#include "node/backend/backend_group.h"

#include "common/base/mem.h"
#include "common/base/must.h"

/* ------------------------------------------------------------------ groups */

bool
backend_group_names(const struct backend_group *g, struct text nsp)
{
	for (unsigned i = 0; i < g->name_count; i++) {
		if (text_is(g->names[i], nsp))
			return true;
	}
	return false;
}

struct backend_group *
backend_group_for(const struct backend_core *core, struct text nsp)
{
	struct backend_group *rest = NULL;
	struct list *it, *next;

	list_each(it, next, &core->groups)
	{
		struct backend_group *g = container_of(it, struct backend_group, link);

		if (backend_group_names(g, nsp))
			return g;
		/* Several groups may serve all other namespaces: prefer one with a ready link. */
		if (g->names == NULL && (rest == NULL || (list_empty(&rest->members) && !list_empty(&g->members))))
			rest = g;
	}
	return rest != NULL ? rest : container_of(core->groups.next, struct backend_group, link);
}

static void
forget_names(struct backend_group *g)
{
	for (unsigned i = 0; i < g->name_count; i++)
		mem_free((char *)g->names[i].at);
	mem_free(g->names);
	g->names = NULL;
	g->name_count = 0;
}

static struct backend_group *
group_new(struct backend_core *core, struct text name)
{
	struct backend_group *g = mem_zalloc(sizeof *g);

	must(name.n <= BACKEND_NAME_MAX);
	g->name = mem_text(name.n != 0 ? name.at : "", name.n);
	list_init(&g->members);
	list_init(&g->without);
	list_init(&g->patient);
	list_init(&g->urgent);
	list_init(&g->quiet);
	list_init(&g->leaving);
	list_add_tail(&core->groups, &g->link);
	return g;
}

static void
group_free(struct backend_group *g)
{
	must(list_empty(&g->members) && g->sessions == 0);
	list_remove(&g->link);
	forget_names(g);
	mem_free(g->name);
	mem_free(g);
}

void
backend_group_first(struct backend_core *core)
{
	(void)group_new(core, TEXT_NONE);
}

void
backend_groups_free(struct backend_core *core)
{
	while (!list_empty(&core->groups))
		group_free(container_of(core->groups.next, struct backend_group, link));
}

/* Frees an unused group to make room for a new one. The first group always stays. */
static bool
groups_make_room(struct backend_core *core)
{
	struct list *it, *next;
	unsigned count = 0;

	list_each(it, next, &core->groups) count++;
	if (count < BACKEND_GROUPS_MAX)
		return true;
	list_each(it, next, &core->groups)
	{
		struct backend_group *g = container_of(it, struct backend_group, link);

		if (it == core->groups.next || !list_empty(&g->members) || g->sessions != 0)
			continue;
		group_free(g);
		return true;
	}
	return false;
}

/*
 * One HELLO holds all names, so their texts take at most BACKEND_HELLO_MAX bytes, and the list takes 16 bytes for
 * each name.
 */
static void
take_names(struct backend_group *g, const struct backend_hello *hello)
{
	forget_names(g);
	if (hello->namespaces == NULL)
		return;
	g->names = mem_alloc((hello->namespace_count + 1) * sizeof *g->names);
	for (unsigned i = 0; i < hello->namespace_count; i++) {
		struct text t = hello->namespaces[i];

		g->names[g->name_count++] = text_of(mem_text(t.at, t.n), t.n);
	}
}

struct backend_group *
backend_group_enter(struct backend_core *core, const struct backend_hello *hello)
{
	struct backend_group *g = NULL;
	struct list *it, *next;

	list_each(it, next, &core->groups)
	{
		g = container_of(it, struct backend_group, link);
		if (text_is(text_from(g->name), hello->group))
			break;
		g = NULL;
	}
	if (g == NULL && !groups_make_room(core))
		return NULL;
	if (g == NULL)
		g = group_new(core, hello->group);
	take_names(g, hello);
	g->wants_requests = hello->wants_requests;
	g->wants_errors = hello->wants_errors;
	return g;
}

struct backend_member *
backend_group_choose(const struct backend_group *g)
{
	struct backend_member *best = NULL;
	struct list *it, *next;

	list_each(it, next, &g->members)
	{
		struct backend_member *m = container_of(it, struct backend_member, link);

		if (!backend_member_takes(m))
			continue;
		if (best == NULL || (uint64_t)m->count * best->weight < (uint64_t)best->count * m->weight)
			best = m;
	}
	return best;
}

/* ----------------------------------------------------------------- members */

struct backend_member *
backend_member_new(struct backend_core *core, struct backend_group *group, struct backend_link *wire)
{
	struct backend_member *m = mem_zalloc(sizeof *m);
	unsigned weight = backend_link_hello(wire)->weight;

	m->core = core;
	m->group = group;
	m->wire = wire;
	m->weight = weight != 0 ? weight : 1;
	table_init(&m->handles);
	list_init(&m->sessions);
	list_init(&m->paused);
	list_init(&m->shadows);
	list_init(&m->late);
	list_init(&m->asks);
	list_init(&m->casts);
	list_init(&m->pasts);
	list_init(&m->watches);
	list_init(&m->requests);
	list_add_tail(&group->members, &m->link);
	core->members++;
	core->ever = true;
	return m;
}

void
backend_member_free(struct backend_member *m)
{
	must(m->handles.count == 0 && list_empty(&m->sessions) && list_empty(&m->shadows) && list_empty(&m->late));
	must(list_empty(&m->asks) && list_empty(&m->casts) && list_empty(&m->requests) && list_empty(&m->paused));
	must(list_empty(&m->pasts) && list_empty(&m->watches));
	list_remove(&m->link);
	m->core->members--;
	table_fini(&m->handles);
	mem_free(m);
}

bool
backend_member_takes(const struct backend_member *m)
{
	return !m->draining && !backend_link_is_draining(m->wire) && backend_link_has_window(m->wire);
}

/* ----------------------------------------------------------------- handles */

static struct text
key_of(const uint32_t *number)
{
	return text_of((const char *)number, sizeof *number);
}

struct backend_handle *
backend_handle_find(const struct backend_member *m, uint32_t number)
{
	struct table_node *n = number != 0 ? table_find(&m->handles, key_of(&number)) : NULL;

	return n != NULL ? container_of(n, struct backend_handle, node) : NULL;
}

void
backend_handle_give(struct backend_member *m, struct backend_handle *handle, enum backend_kind kind)
{
	must(handle->number == 0);
	handle->number = backend_link_new_handle(m->wire);
	handle->kind = (uint8_t)kind;
	table_add(&m->handles, &handle->node, key_of(&handle->number));
}

void
backend_handle_take(struct backend_member *m, struct backend_handle *handle)
{
	if (handle->number == 0)
		return;
	table_remove(&m->handles, &handle->node);
	handle->number = 0;
}

void
backend_handle_move(
	struct backend_member *m, struct backend_handle *from, struct backend_handle *to, enum backend_kind kind)
{
	uint32_t number = from->number;

	backend_handle_take(m, from);
	to->number = number;
	to->kind = (uint8_t)kind;
	table_add(&m->handles, &to->node, key_of(&to->number));
}
