#include "node/api/api_call.h"

#include <stdio.h>

#include "broker/broker.h"
#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/mem.h"

#define RETRY_S "1" /* Retry-After, in seconds */

/* bytes of the JSON of all silent nodes: escapes may need six bytes for one */
#define SILENT_BYTES_MAX (BROKER_SILENT_MAX * (6 * BEAT_HOST_MAX + 128))

/* ----------------------------------------------------------------- answers */

static void
reply_json(struct http_request *request, int status, struct text body)
{
	http_add_header(request, "Cache-Control", TEXT("no-store"));
	http_reply(request, status, "application/json", body, true);
}

static void
log_refusal(struct api *api, const struct http_request *request, enum api_path path, const struct api_fault *fault)
{
	char address[CONN_ADDRESS_MAX];

	if (log_allow(&api->log_limit, 1, api->loop->now))
		log_event(LOG_WARN, "api_refused", "path", LOG_STR(api_path_name(path)), "status",
			LOG_INT(fault->status), "code", LOG_STR(fault->code), "reason", LOG_STR(fault->message),
			"address", LOG_TEXT(conn_peer_address(http_request_conn(request), address)), NULL);
}

void
api_refuse_request(struct api *api, struct http_request *request, enum api_path path, const struct api_fault *fault)
{
	struct buffer body;

	if (api != NULL) {
		api_count(&api->counts, path, fault->status);
		log_refusal(api, request, path, fault);
	}
	if (fault->status == 429 || fault->status == 503 || fault->status == 409)
		http_add_header(request, "Retry-After", TEXT(RETRY_S));
	buffer_init(&body, 8 * API_FAULT_TEXT);
	api_fault_write(fault, &body);
	buffer_add_byte(&body, '\n');
	reply_json(request, fault->status, buffer_text(&body));
	buffer_fini(&body);
}

/* ------------------------------------------------------------------- calls */

struct api_call *
api_call_new(struct api *api, struct http_request *request, enum api_path path, unsigned *group)
{
	struct api_call *call = mem_zalloc(sizeof *call);

	call->api = api;
	call->request = request;
	call->path = path;
	call->group = group;
	buffer_init(&call->named, SILENT_BYTES_MAX);
	attachments_init(&call->command.attachments);
	list_add_tail(&api->calls, &call->link);
	api->running++;
	if (group != NULL)
		++*group;
	return call;
}

void
api_names_page_fini(struct api_names_page *page)
{
	mem_free(page->names);
	mem_free(page->bytes);
	*page = (struct api_names_page){0};
}

void
api_write_silent(struct buffer *out, const sio_server *io)
{
	const sio_node *nodes;
	unsigned n = sio_silent_nodes(io, &nodes);

	buffer_reset(out);
	if (n == 0)
		return;
	buffer_add_text(out, TEXT(",\"silent\":["));
	for (unsigned i = 0; i < n; i++) {
		buffer_printf(out, "%s{\"id\":\"%s\",\"node\":%u,\"worker\":%u,\"host\":", i > 0 ? "," : "",
			nodes[i].id, nodes[i].node, nodes[i].worker);
		json_write_string(out, text_from(nodes[i].host));
		buffer_printf(out, ",\"port\":%u}", nodes[i].port);
	}
	buffer_add_byte(out, ']');
	if (buffer_error(out) != 0)
		buffer_reset(out); /* if memory is short, the nodes are only counted */
}

void
api_call_free(struct api_call *call)
{
	if (call->api != NULL) {
		call->api->running--;
		if (call->group != NULL)
			--*call->group;
	}
	list_remove(&call->link);
	buffer_fini(&call->body);
	buffer_fini(&call->named);
	api_command_fini(&call->command);
	api_query_fini(&call->query);
	api_names_page_fini(&call->page);
	api_names_page_fini(&call->rooms);
	mem_free(call);
}

bool
api_orphan(struct api_call *call)
{
	if (call->api != NULL)
		return false;
	api_call_free(call);
	return true;
}

static void
log_forgotten(struct api *api, uint64_t before)
{
	if (api->once.forgotten != before && log_allow(&api->forgotten_limit, 1, api->loop->now))
		log_event(LOG_WARN, "api_forgotten", "error",
			LOG_STR("answers by Idempotency-Key were forgotten before apiIdempotencyTime: raise "
				"apiIdempotencyMemory"),
			"total", LOG_INT(api->once.forgotten), NULL);
}

static void
keep_answer(struct api_call *call, int status, struct text body, bool done)
{
	struct api *api = call->api;
	uint64_t before = api->once.forgotten;

	if (call->once != NULL && done)
		api_once_done(&api->once, call->once, status, body);
	else if (call->once != NULL)
		api_once_undone(&api->once, call->once);
	call->once = NULL;
	log_forgotten(api, before);
}

void
api_answer(struct api_call *call, int status, struct text body, bool done)
{
	keep_answer(call, status, body, done);
	if (call->request != NULL) {
		api_count(&call->api->counts, call->path, status);
		reply_json(call->request, status, body);
	}
	api_call_free(call);
}

void
api_refuse(struct api_call *call, const struct api_fault *fault)
{
	keep_answer(call, fault->status, TEXT_NONE, false);
	if (call->request != NULL)
		api_refuse_request(call->api, call->request, call->path, fault);
	api_call_free(call);
}

bool
api_find(struct api_call *call, struct text nsp, struct api_reach *out)
{
	struct api_fault fault;

	*out = (struct api_reach){0};
	call->api->ops->reach(call->api->arg, nsp, out);
	call->queued = out->queued;
	if (out->away == NULL)
		return true;
	(void)api_fault(&fault, 503, "unavailable", TEXT_NONE, "%s", out->away);
	api_refuse(call, &fault);
	return false;
}

bool
api_call_query(struct api_call *call, enum api_list list)
{
	struct api_fault fault;

	if (api_query_read(&call->query, list, call->request->query, &fault))
		return true;
	api_refuse(call, &fault);
	return false;
}

/* ------------------------------------------------------------- idempotency */

bool
api_call_once(struct api_call *call)
{
	struct text key = http_header_get(call->request, "Idempotency-Key");
	struct api *api = call->api;
	struct sha256 digest;
	struct api_once_entry *entry;
	uint64_t before = api->once.forgotten;
	struct api_fault fault;

	if (key.at == NULL || api->options->idempotency_time == 0)
		return true;
	if (key.n == 0 || key.n > API_ONCE_KEY_MAX) {
		(void)api_fault(&fault, 400, "bad_idempotency_key", TEXT_NONE,
			"Idempotency-Key must have 1 to %d characters", API_ONCE_KEY_MAX);
		api_refuse(call, &fault);
		return false;
	}
	digest = sha256_of(text_from(api_path_name(call->path)), buffer_text(&call->body));
	switch (api_once_begin(&api->once, key, &digest, api->loop->now, &entry)) {
	case API_ONCE_NEW:
		call->once = entry;
		log_forgotten(api, before);
		return true;
	case API_ONCE_KNOWN:
		api->counts.replayed++;
		http_add_header(call->request, "Idempotency-Replayed", TEXT("true"));
		api_answer(call, entry->status, text_of(entry->body, entry->body_n), true);
		return false;
	case API_ONCE_RUNNING:
		(void)api_fault(&fault, 409, "still_running", TEXT_NONE,
			"a request with this Idempotency-Key is still under way: send it again later");
		break;
	default:
		(void)api_fault(&fault, 422, "idempotency_key_reused", TEXT_NONE,
			"this Idempotency-Key was used for another request: use a new key for each request");
		break;
	}
	api_refuse(call, &fault);
	return false;
}

/* ----------------------------------------------------------------- waiting */

static void
asking_on_abort(struct http_request *request, void *user)
{
	struct api_call *call = user;

	(void)request;
	call->api->counts.aborted++;
	call->request = NULL;
}

/* Callbacks while the call waits for the raw entry. */
static const struct http_exchange_ops asking_ops = {.on_abort = asking_on_abort};

void
api_wait(struct api_call *call)
{
	http_wait(call->request, &asking_ops, call, 0);
}
