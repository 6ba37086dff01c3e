#include "node/backend/backend_request.h"

#include "common/base/json.h"
#include "common/base/mem.h"
#include "node/backend/backend_client_tables.h"
#include "node/backend/backend_log.h"
#include "node/backend/backend_out.h"

#define HEADER_NAME_MAX 256

struct backend_request {
	struct table_node node; /* in core->requests by `id` */
	struct list age;	/* in core->request_ages */
	struct list link;	/* in member->requests, or alone */
	struct backend_core *core;
	struct backend_member *member; /* asked, or the one that has allowed it; NULL: none yet, or it is gone */
	struct eio_pending *pending;   /* NULL: it is answered */
	uint64_t since;
	uint32_t id;
};

static void
request_free(struct backend_request *q)
{
	table_remove(&q->core->requests, &q->node);
	list_remove(&q->age);
	list_remove(&q->link);
	mem_free(q);
}

static struct backend_request *
request_find(const struct backend_core *core, uint32_t id)
{
	struct table_node *n = table_find(&core->requests, text_of((const char *)&id, sizeof id));

	return n != NULL ? container_of(n, struct backend_request, node) : NULL;
}

/* ------------------------------------------------------------------ asking */

/* Does a group want to be asked? `*one`: a member of one of them, or NULL: those that are there take no work. */
static bool
somebody_asks(const struct backend_core *core, struct backend_member **one)
{
	struct list *it, *next;
	bool asks = false;

	*one = NULL;
	list_each(it, next, &core->groups)
	{
		const struct backend_group *g = container_of(it, struct backend_group, link);

		if (!g->wants_requests)
			continue;
		asks = true;
		*one = backend_group_choose(g);
		if (*one != NULL)
			break;
	}
	return asks;
}

static void
send_to_one(struct backend_request *q, const struct http_request *r)
{
	struct backend_member *m;
	struct buffer *out = &q->core->text;

	(void)somebody_asks(q->core, &m);
	if (m == NULL)
		return;
	q->member = m;
	list_remove(&q->link);
	list_add_tail(&m->requests, &q->link);
	buffer_reset(out);
	backend_out_request(out, r);
	buffer_add_byte(out, '}');
	backend_out_text(m->wire, BACKEND_REQUEST, 0, q->id, buffer_text(out));
}

void
backend_request_ask(struct backend_core *core, struct eio_pending *pending, const struct http_request *r)
{
	struct backend_member *one;
	struct backend_request *q;

	if (!somebody_asks(core, &one)) {
		eio_allow(pending);
		return;
	}
	q = mem_zalloc(sizeof *q);
	q->core = core;
	q->pending = pending;
	q->since = core->loop->now;
	do /* none of those that wait, after four thousand millions */
		q->id = ++core->request_ids;
	while (q->id == 0 || request_find(core, q->id) != NULL);
	list_init(&q->link);
	table_add(&core->requests, &q->node, text_of((const char *)&q->id, sizeof q->id));
	list_add_tail(&core->request_ages, &q->age);
	backend_sweep_later(core);
	send_to_one(q, r);
}

/* Its peer has gone meanwhile: what is left is to say so. */
static void
send_again(struct backend_request *q)
{
	const struct http_request *r = eio_pending_request(q->pending);

	q->member = NULL;
	if (r != NULL) {
		send_to_one(q, r);
		return;
	}
	eio_refuse(q->pending, NULL);
	request_free(q);
}

void
backend_request_again(struct backend_member *m)
{
	struct list mine;

	list_init(&mine);
	list_move_all(&mine, &m->requests);
	while (!list_empty(&mine)) {
		struct backend_request *q = container_of(mine.next, struct backend_request, link);

		list_remove(&q->link);
		if (q->pending != NULL)
			send_again(q);
		else
			q->member = NULL;
	}
}

void
backend_request_serve(struct backend_core *core)
{
	struct list *it, *next;

	list_each(it, next, &core->request_ages)
	{
		struct backend_request *q = container_of(it, struct backend_request, age);

		if (q->member == NULL && q->pending != NULL)
			send_again(q);
	}
}

/* ---------------------------------------------------------------- answers */

/* A checked string as a C string; false: it is none, or does not fit. */
static bool
name_of(struct text value, char out[HEADER_NAME_MAX])
{
	if (value.n == 0 || json_type(value) != JSON_STRING || value.n > HEADER_NAME_MAX)
		return false;
	out[json_string_decode_name(value, out)] = '\0';
	return true;
}

/* [name, value]. A Content-Type is kept apart, as the reply has one of its own. False: not a pair of strings. */
static bool
add_field(struct http_request *r, struct text pair, char type[HEADER_NAME_MAX])
{
	struct text rest = pair, name, value;
	char key[HEADER_NAME_MAX], *plain;
	size_t n;

	if (json_type(pair) != JSON_ARRAY || !json_array_next(&rest, &name) || !json_array_next(&rest, &value))
		return false;
	if (!name_of(name, key) || json_type(value) != JSON_STRING)
		return false;
	if (text_is_nocase(text_from(key), TEXT("content-type")))
		return name_of(value, type);
	plain = mem_try_alloc(value.n);
	if (plain == NULL)
		return false;
	n = json_string_decode(value, plain);
	/* a value that would split the reply is refused there */
	n = http_add_header(r, key, text_of(plain, n)) == 0;
	mem_free(plain);
	return n != 0;
}

static void
add_fields(struct backend_request *q, struct http_request *r, struct text json, char type[HEADER_NAME_MAX])
{
	struct text list = json_object_get(json, TEXT("headers")), pair;

	if (list.n == 0 || json_type(list) != JSON_ARRAY)
		return;
	while (json_array_next(&list, &pair)) {
		if (!add_field(r, pair, type))
			backend_log_dropped(
				q->core, q->member->wire, "response", "a header field that cannot be sent");
	}
}

/* {"allow":false, "status", "body"}; without a status the engine's own refusal, whose message is the body. */
static void
refuse(struct backend_request *q, struct text json, const char *type)
{
	struct text status = json_object_get(json, TEXT("status")), body = json_object_get(json, TEXT("body"));
	bool has_body = body.n != 0 && json_type(body) == JSON_STRING;
	int64_t number = 0;
	char *plain = has_body ? mem_try_zalloc(body.n) : NULL;
	size_t n = plain != NULL ? json_string_decode(body, plain) : 0;

	if (status.n == 0 || json_type(status) != JSON_NUMBER || !json_number_int(status, &number) || number < 200 ||
		number > 599)
		eio_refuse(q->pending, plain);
	else
		eio_answer(q->pending, (int)number, *type != '\0' ? type : NULL, text_of(plain, n));
	mem_free(plain);
}

bool
backend_request_answered(struct backend_member *m, uint32_t id, struct text json)
{
	struct backend_request *q = request_find(m->core, id);
	struct text allow;
	struct http_request *r;
	char type[HEADER_NAME_MAX] = "";

	if (json_check(json, JSON_DEPTH_MAX) != 0 || json_type(json) != JSON_OBJECT)
		return false;
	if (q == NULL || q->member != m || q->pending == NULL)
		return true; /* it has waited too long */
	backend_times_add(&m->core->request, m->core->loop->now - q->since);
	allow = json_object_get(json, TEXT("allow"));
	r = eio_pending_request(q->pending);
	if (r != NULL)
		add_fields(q, r, json, type);
	if (allow.n != 0 && json_type(allow) == JSON_TRUE) {
		eio_allow_as(q->pending, q->id);
		q->pending = NULL;
		return true;
	}
	refuse(q, json, type);
	request_free(q);
	return true;
}

struct backend_member *
backend_request_opened(struct backend_core *core, uint32_t ticket)
{
	struct backend_request *q = request_find(core, ticket);
	struct backend_member *m;

	if (q == NULL)
		return NULL;
	m = q->member;
	request_free(q);
	return m;
}

static void
unavailable(struct backend_request *q)
{
	struct http_request *r = eio_pending_request(q->pending);

	if (r != NULL)
		(void)http_add_header(r, "Retry-After", TEXT("1"));
	eio_answer(q->pending, 503, "text/plain", TEXT("Service Unavailable"));
}

bool
backend_request_sweep(struct backend_core *core)
{
	while (!list_empty(&core->request_ages)) {
		struct backend_request *q = container_of(core->request_ages.next, struct backend_request, age);

		if (core->loop->now - q->since < BACKEND_REQUEST_MS)
			break;
		if (q->pending != NULL) {
			counter_add(&core->loop->counters, COUNT_BACKEND_REQUESTS_LATE, 1);
			unavailable(q);
		}
		request_free(q);
	}
	return !list_empty(&core->request_ages);
}

void
backend_request_end(struct backend_core *core)
{
	while (!list_empty(&core->request_ages)) {
		struct backend_request *q = container_of(core->request_ages.next, struct backend_request, age);

		if (q->pending != NULL)
			unavailable(q);
		request_free(q);
	}
}

/* ----------------------------------------------------------------- CONNERR */

static void
tell(struct backend_member *m, const struct http_request *r, int code, const char *message, const char *context)
{
	struct buffer *out = &m->core->text;

	buffer_reset(out);
	backend_out_request(out, r);
	buffer_printf(out, ",\"code\":%d,\"message\":", code);
	json_write_string(out, text_from(message));
	buffer_add_text(out, TEXT(",\"context\":"));
	json_write_string(out, text_from(context));
	buffer_add_byte(out, '}');
	backend_out_text(m->wire, BACKEND_CONNERR, 0, 0, buffer_text(out));
}

void
backend_request_refused(
	struct backend_core *core, const struct http_request *r, int code, const char *message, const char *context)
{
	struct list *it, *next;

	list_each(it, next, &core->groups)
	{
		const struct backend_group *g = container_of(it, struct backend_group, link);
		struct backend_member *m = g->wants_errors ? backend_group_choose(g) : NULL;

		if (m == NULL)
			continue;
		if (log_allow(&core->errors, BACKEND_ERRORS_A_SECOND, core->loop->now))
			tell(m, r, code, message, context);
		else
			counter_add(&core->loop->counters, COUNT_BACKEND_ERRORS_UNSENT, 1);
	}
}
