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
	struct list link;	/* in member->requests; in no list while no member is asked */
	struct backend_core *core;
	struct backend_member
		*member; /* the member that is asked, or that has allowed it; NULL: none, or its link is lost */
	struct eio_pending *pending; /* NULL: answered */
	uint64_t since;
	uint32_t id;
};

static void
request_free(struct backend_request *request)
{
	table_remove(&request->core->requests, &request->node);
	list_remove(&request->age);
	list_remove(&request->link);
	mem_free(request);
}

static struct backend_request *
request_find(const struct backend_core *core, uint32_t id)
{
	struct table_node *n = table_find(&core->requests, text_of((const char *)&id, sizeof id));

	return n != NULL ? container_of(n, struct backend_request, node) : NULL;
}

/* ------------------------------------------------------------------ asking */

/* Returns true if a group wants to be asked. Sets `*one` to a member of such a group that takes work, or to NULL. */
static bool
find_asking_member(const struct backend_core *core, struct backend_member **one)
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
request_send(struct backend_request *request, const struct http_request *r)
{
	struct backend_member *m;
	struct buffer *out = &request->core->text;

	(void)find_asking_member(request->core, &m);
	if (m == NULL)
		return;
	request->member = m;
	list_remove(&request->link);
	list_add_tail(&m->requests, &request->link);
	buffer_reset(out);
	backend_out_request(out, r);
	buffer_add_byte(out, '}');
	backend_out_text(m->wire, BACKEND_REQUEST, 0, request->id, buffer_text(out));
}

void
backend_request_ask(struct backend_core *core, struct eio_pending *pending, const struct http_request *r)
{
	struct backend_member *one;
	struct backend_request *request;

	if (!find_asking_member(core, &one)) {
		eio_allow(pending);
		return;
	}
	request = mem_zalloc(sizeof *request);
	request->core = core;
	request->pending = pending;
	request->since = core->loop->now;
	do /* after 2^32 requests an id may still be in use */
		request->id = ++core->request_ids;
	while (request->id == 0 || request_find(core, request->id) != NULL);
	list_init(&request->link);
	table_add(&core->requests, &request->node, text_of((const char *)&request->id, sizeof request->id));
	list_add_tail(&core->request_ages, &request->age);
	backend_sweep_later(core);
	request_send(request, r);
}

/* Asks another backend. If the client has gone meanwhile, ends the handshake instead and frees the request. */
static void
request_send_again(struct backend_request *request)
{
	const struct http_request *r = eio_pending_request(request->pending);

	request->member = NULL;
	if (r != NULL) {
		request_send(request, r);
		return;
	}
	eio_refuse(request->pending, NULL);
	request_free(request);
}

void
backend_request_again(struct backend_member *m)
{
	struct list mine;

	list_init(&mine);
	list_move_all(&mine, &m->requests);
	while (!list_empty(&mine)) {
		struct backend_request *request = container_of(mine.next, struct backend_request, link);

		list_remove(&request->link);
		if (request->pending != NULL)
			request_send_again(request);
		else
			request->member = NULL;
	}
}

void
backend_request_serve(struct backend_core *core)
{
	struct list *it, *next;

	list_each(it, next, &core->request_ages)
	{
		struct backend_request *request = container_of(it, struct backend_request, age);

		if (request->member == NULL && request->pending != NULL)
			request_send_again(request);
	}
}

/* ---------------------------------------------------------------- answers */

/* Copies a string as a C string. Returns false if `value` is not a string or does not fit. */
static bool
copy_name(struct text value, char out[HEADER_NAME_MAX])
{
	if (value.n == 0 || json_type(value) != JSON_STRING || value.n > HEADER_NAME_MAX)
		return false;
	out[json_string_decode_name(value, out)] = '\0';
	return true;
}

/*
 * Adds a field from [name, value]. A Content-Type goes to `type`, because the response writes its own. Returns false
 * if `pair` is not a pair of strings.
 */
static bool
add_field(struct http_request *r, struct text pair, char type[HEADER_NAME_MAX])
{
	struct text rest = pair, name, value;
	char key[HEADER_NAME_MAX], *plain;
	size_t n;

	if (json_type(pair) != JSON_ARRAY || !json_array_next(&rest, &name) || !json_array_next(&rest, &value))
		return false;
	if (!copy_name(name, key) || json_type(value) != JSON_STRING)
		return false;
	if (text_is_nocase(text_from(key), TEXT("content-type")))
		return copy_name(value, type);
	plain = mem_try_alloc(value.n);
	if (plain == NULL)
		return false;
	n = json_string_decode(value, plain);
	/* http_add_header() refuses a value that would split the response. */
	n = http_add_header(r, key, text_of(plain, n)) == 0;
	mem_free(plain);
	return n != 0;
}

static void
add_fields(struct backend_request *request, struct http_request *r, struct text json, char type[HEADER_NAME_MAX])
{
	struct text list = json_object_get(json, TEXT("headers")), pair;

	if (list.n == 0 || json_type(list) != JSON_ARRAY)
		return;
	while (json_array_next(&list, &pair)) {
		if (!add_field(r, pair, type))
			backend_log_dropped(request->core, request->member->wire, "response",
				"a header field that cannot be sent");
	}
}

/*
 * Answers by {"allow":false, "status", "body"}. Without a status the engine refuses the request itself, and the body
 * is its message.
 */
static void
request_refuse(struct backend_request *request, struct text json, const char *type)
{
	struct text status = json_object_get(json, TEXT("status")), body = json_object_get(json, TEXT("body"));
	bool has_body = body.n != 0 && json_type(body) == JSON_STRING;
	int64_t number = 0;
	char *plain = has_body ? mem_try_zalloc(body.n) : NULL;
	size_t n = plain != NULL ? json_string_decode(body, plain) : 0;

	if (status.n == 0 || json_type(status) != JSON_NUMBER || !json_number_int(status, &number) || number < 200 ||
		number > 599)
		eio_refuse(request->pending, plain);
	else
		eio_answer(request->pending, (int)number, *type != '\0' ? type : NULL, text_of(plain, n));
	mem_free(plain);
}

bool
backend_request_answered(struct backend_member *m, uint32_t id, struct text json)
{
	struct backend_request *request = request_find(m->core, id);
	struct text allow;
	struct http_request *r;
	char type[HEADER_NAME_MAX] = "";

	if (json_check(json, JSON_DEPTH_MAX) != 0 || json_type(json) != JSON_OBJECT)
		return false;
	if (request == NULL || request->member != m || request->pending == NULL)
		return true; /* the answer came too late */
	backend_times_add(&m->core->request, m->core->loop->now - request->since);
	allow = json_object_get(json, TEXT("allow"));
	r = eio_pending_request(request->pending);
	if (r != NULL)
		add_fields(request, r, json, type);
	if (allow.n != 0 && json_type(allow) == JSON_TRUE) {
		eio_allow_as(request->pending, request->id);
		request->pending = NULL;
		return true;
	}
	request_refuse(request, json, type);
	request_free(request);
	return true;
}

struct backend_member *
backend_request_opened(struct backend_core *core, uint32_t ticket)
{
	struct backend_request *request = request_find(core, ticket);
	struct backend_member *m;

	if (request == NULL)
		return NULL;
	m = request->member;
	request_free(request);
	return m;
}

static void
request_unavailable(struct backend_request *request)
{
	struct http_request *r = eio_pending_request(request->pending);

	if (r != NULL)
		(void)http_add_header(r, "Retry-After", TEXT("1"));
	eio_answer(request->pending, 503, "text/plain", TEXT("Service Unavailable"));
}

bool
backend_request_sweep(struct backend_core *core)
{
	while (!list_empty(&core->request_ages)) {
		struct backend_request *request = container_of(core->request_ages.next, struct backend_request, age);

		if (core->loop->now - request->since < BACKEND_REQUEST_MS)
			break;
		if (request->pending != NULL) {
			counter_add(&core->loop->counters, COUNT_BACKEND_REQUESTS_LATE, 1);
			request_unavailable(request);
		}
		request_free(request);
	}
	return !list_empty(&core->request_ages);
}

void
backend_request_end(struct backend_core *core)
{
	while (!list_empty(&core->request_ages)) {
		struct backend_request *request = container_of(core->request_ages.next, struct backend_request, age);

		if (request->pending != NULL)
			request_unavailable(request);
		request_free(request);
	}
}

/* ----------------------------------------------------------------- CONNERR */

static void
send_connerr(
	struct backend_member *m, const struct http_request *r, int code, const char *message, const char *context)
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
			send_connerr(m, r, code, message, context);
		else
			counter_add(&core->loop->counters, COUNT_BACKEND_ERRORS_UNSENT, 1);
	}
}
