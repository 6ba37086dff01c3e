#include "node/api/api_call.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/mem.h"

#define RETRY_S "1" /* Retry-After of what is over in a moment */

/* ----------------------------------------------------------------- answers */

static void
reply(struct http_request *r, int status, struct text body)
{
	http_add_header(r, "Cache-Control", TEXT("no-store"));
	http_reply(r, status, "application/json", body, true);
}

static void
log_refusal(struct api *a, const struct http_request *r, enum api_path path, const struct api_fault *f)
{
	char address[CONN_ADDRESS_MAX];

	if (log_allow(&a->log_limit, 1, a->loop->now))
		log_event(LOG_WARN, "api_refused", "path", LOG_STR(api_path_name(path)), "status", LOG_INT(f->status),
			"code", LOG_STR(f->code), "reason", LOG_STR(f->message), "address",
			LOG_TEXT(conn_peer_address(http_request_conn(r), address)), NULL);
}

void
api_refuse_request(struct api *a, struct http_request *r, enum api_path path, const struct api_fault *f)
{
	struct buffer body;

	if (a != NULL) {
		api_count(&a->counts, path, f->status);
		log_refusal(a, r, path, f);
	}
	if (f->status == 429 || f->status == 503 || f->status == 409)
		http_add_header(r, "Retry-After", TEXT(RETRY_S));
	buffer_init(&body, 8 * API_FAULT_TEXT);
	api_fault_write(f, &body);
	buffer_add_byte(&body, '\n');
	reply(r, f->status, buffer_text(&body));
	buffer_fini(&body);
}

/* ------------------------------------------------------------------- calls */

struct api_call *
api_call_new(struct api *a, struct http_request *r, enum api_path path, bool listing)
{
	struct api_call *c = mem_zalloc(sizeof *c);

	c->api = a;
	c->r = r;
	c->path = path;
	c->listing = listing;
	attachments_init(&c->command.attachments);
	list_add_tail(&a->calls, &c->link);
	a->running++;
	a->listings += listing;
	return c;
}

void
api_names_page_fini(struct api_names_page *p)
{
	mem_free(p->names);
	mem_free(p->bytes);
	*p = (struct api_names_page){0};
}

void
api_call_free(struct api_call *c)
{
	if (c->api != NULL) {
		c->api->running--;
		c->api->listings -= c->listing;
	}
	list_remove(&c->link);
	buffer_fini(&c->body);
	api_command_fini(&c->command);
	api_query_fini(&c->query);
	api_names_page_fini(&c->page);
	api_names_page_fini(&c->rooms);
	mem_free(c);
}

bool
api_orphan(struct api_call *c)
{
	if (c->api != NULL)
		return false;
	api_call_free(c);
	return true;
}

static void
log_forgotten(struct api *a, uint64_t before)
{
	if (a->once.forgotten != before && log_allow(&a->forgotten_limit, 1, a->loop->now))
		log_event(LOG_WARN, "api_forgotten", "error",
			LOG_STR("answers by Idempotency-Key were forgotten before apiIdempotencyTime: raise "
				"apiIdempotencyMemory"),
			"total", LOG_INT(a->once.forgotten), NULL);
}

static void
keep_answer(struct api_call *c, int status, struct text body, bool done)
{
	struct api *a = c->api;
	uint64_t before = a->once.forgotten;

	if (c->once != NULL && done)
		api_once_done(&a->once, c->once, status, body);
	else if (c->once != NULL)
		api_once_undone(&a->once, c->once);
	c->once = NULL;
	log_forgotten(a, before);
}

void
api_answer(struct api_call *c, int status, struct text body, bool done)
{
	keep_answer(c, status, body, done);
	if (c->r != NULL) {
		api_count(&c->api->counts, c->path, status);
		reply(c->r, status, body);
	}
	api_call_free(c);
}

void
api_refuse(struct api_call *c, const struct api_fault *f)
{
	keep_answer(c, f->status, TEXT_NONE, false);
	if (c->r != NULL)
		api_refuse_request(c->api, c->r, c->path, f);
	api_call_free(c);
}

bool
api_find(struct api_call *c, struct text nsp, struct api_reach *out)
{
	struct api_fault f;

	*out = (struct api_reach){0};
	c->api->ops->reach(c->api->arg, nsp, out);
	c->queued = out->queued;
	if (out->away == NULL)
		return true;
	(void)api_fault(&f, 503, "unavailable", TEXT_NONE, "%s", out->away);
	api_refuse(c, &f);
	return false;
}

/* ------------------------------------------------------------- idempotency */

bool
api_call_once(struct api_call *c)
{
	struct text key = http_header_get(c->r, "Idempotency-Key");
	struct api *a = c->api;
	struct sha256 digest;
	struct api_once_entry *e;
	uint64_t before = a->once.forgotten;
	struct api_fault f;

	if (key.at == NULL || a->options->idempotency_time == 0)
		return true;
	if (key.n == 0 || key.n > API_ONCE_KEY_MAX) {
		(void)api_fault(&f, 400, "bad_idempotency_key", TEXT_NONE,
			"Idempotency-Key must have 1 to %d characters", API_ONCE_KEY_MAX);
		api_refuse(c, &f);
		return false;
	}
	digest = sha256_of(text_from(api_path_name(c->path)), buffer_text(&c->body));
	switch (api_once_begin(&a->once, key, &digest, a->loop->now, &e)) {
	case API_ONCE_NEW:
		c->once = e;
		log_forgotten(a, before);
		return true;
	case API_ONCE_KNOWN:
		a->counts.replayed++;
		http_add_header(c->r, "Idempotency-Replayed", TEXT("true"));
		api_answer(c, e->status, text_of(e->body, e->body_n), true);
		return false;
	case API_ONCE_RUNNING:
		(void)api_fault(&f, 409, "still_running", TEXT_NONE,
			"a request with this Idempotency-Key is still under way: ask again later");
		break;
	default:
		(void)api_fault(&f, 422, "idempotency_key_reused", TEXT_NONE,
			"this Idempotency-Key was used for another request: take a new key for each");
		break;
	}
	api_refuse(c, &f);
	return false;
}

/* ----------------------------------------------------------------- waiting */

static void
on_abort_asking(struct http_request *r, void *user)
{
	struct api_call *c = user;

	(void)r;
	c->api->counts.aborted++;
	c->r = NULL;
}

/* While the call waits for an up-call. */
static const struct http_exchange_ops asking_ops = {.on_abort = on_abort_asking};

void
api_wait(struct api_call *c)
{
	http_wait(c->r, &asking_ops, c, 0);
}
