#include "node/api/api.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/api/api_call.h"

struct route {
	void (*get)(struct api_call *call);    /* NULL: POST */
	enum api_kind kind;		       /* of a POST */
	void (*remove)(struct api_call *call); /* DELETE; NULL: not allowed */
};

static const struct route routes[API_PATH_OTHER] = {
	[API_PATH_EMIT] = {.kind = API_EMIT},
	[API_PATH_JOIN] = {.kind = API_JOIN},
	[API_PATH_LEAVE] = {.kind = API_LEAVE},
	[API_PATH_DISCONNECT] = {.kind = API_DISCONNECT},
	[API_PATH_SOCKETS] = {.get = api_list_sockets},
	[API_PATH_ROOMS] = {.get = api_list_rooms},
	[API_PATH_HISTORY] = {.get = api_read_history, .remove = api_remove_history},
};

/* ---------------------------------------------------------------- exchange */

static void
api_fault_too_large(struct api_fault *fault, const struct api *api)
{
	(void)api_fault(fault, 413, "body_too_large", TEXT_NONE, "the body must have at most %llu bytes (apiMaxBody)",
		(unsigned long long)api->options->max_body);
}

static void
post_on_body(struct http_request *request, void *user, const uint8_t *data, size_t n)
{
	struct api_call *call = user;
	struct api_fault fault;

	buffer_add(&call->body, data, n);
	http_request_holds(request, call->body.size);
	if (buffer_error(&call->body) == 0)
		return;
	if (buffer_error(&call->body) == ERROR_TOO_BIG)
		api_fault_too_large(&fault, call->api);
	else
		(void)api_fault(&fault, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
	api_refuse(call, &fault);
}

static void
post_on_complete(struct http_request *request, void *user)
{
	struct api_call *call = user;
	const struct route *route = &routes[call->path];
	struct api_fault fault;

	if (request->method == HTTP_DELETE)
		route->remove(call);
	else if (route->get != NULL)
		route->get(call);
	else if (!api_command_read(&call->command, route->kind, buffer_text(&call->body), &fault))
		api_refuse(call, &fault);
	else if (api_call_once(call))
		api_do(call);
}

static void
call_on_abort(struct http_request *request, void *user)
{
	struct api_call *call = user;

	(void)request;
	call->api->counts.aborted++;
	api_call_free(call);
}

static const struct http_exchange_ops post_ops = {
	.on_body = post_on_body, .on_complete = post_on_complete, .on_abort = call_on_abort};
static const struct http_exchange_ops get_ops = {.on_complete = post_on_complete, .on_abort = call_on_abort};

/* ------------------------------------------------------------ the request */

static struct text
api_key_of(const struct http_request *request)
{
	struct text given = http_header_get(request, "Authorization"), scheme = TEXT("Bearer ");

	if (given.n > scheme.n && text_is_nocase(text_of(given.at, scheme.n), scheme))
		return text_trim(text_of(given.at + scheme.n, given.n - scheme.n));
	return http_header_get(request, "X-Api-Key");
}

/* RFC 6750 section 3: the challenge to a request without a key names no error. */
static bool
api_check_key(const struct api *api, struct http_request *request, struct api_fault *fault)
{
	struct text key = api_key_of(request);

	if (key.n != 0 && key.n <= API_KEY_MAX && api_keys_has(api->keys, key))
		return true;
	http_add_header(request, "WWW-Authenticate",
		key.n != 0 ? TEXT("Bearer realm=\"sockeye\", error=\"invalid_token\"")
			   : TEXT("Bearer realm=\"sockeye\""));
	return api_fault(fault, 401, "unauthorized", TEXT_NONE, "%s",
		key.n != 0 ? "the key is not one of --api-key and --api-key-file"
			   : "send a key: Authorization: Bearer KEY, or X-Api-Key: KEY");
}

static bool
is_json(struct text type)
{
	struct text media, rest = type;

	if (!text_cut(&rest, ';', &media) || !text_is_nocase(text_trim(media), TEXT("application/json")))
		return false;
	rest = text_trim(rest);
	return rest.n == 0 || text_is_nocase(rest, TEXT("charset=utf-8")) ||
	       text_is_nocase(rest, TEXT("charset=\"utf-8\""));
}

static bool
api_check_post(const struct api *api, const struct http_request *request, struct api_fault *fault)
{
	struct text coding = http_header_get(request, "Content-Encoding");

	if (!is_json(http_header_get(request, "Content-Type")))
		return api_fault(fault, 415, "unsupported_media_type", TEXT_NONE,
			"send JSON in UTF-8, with Content-Type: application/json");
	if (coding.n != 0 && !text_is_nocase(coding, TEXT("identity")))
		return api_fault(
			fault, 415, "unsupported_media_type", TEXT_NONE, "send the body without Content-Encoding");
	if (request->content_length <= api->options->max_body)
		return true;
	api_fault_too_large(fault, api);
	return false;
}

static bool
api_check_method(enum api_path path, struct http_request *request, struct api_fault *fault)
{
	const struct route *route = &routes[path];
	const char *allowed = route->remove != NULL ? "GET, DELETE" : route->get != NULL ? "GET" : "POST";

	if (request->method == (route->get != NULL ? HTTP_GET : HTTP_POST) ||
		(route->remove != NULL && request->method == HTTP_DELETE))
		return true;
	http_add_header(request, "Allow", text_from(allowed));
	return api_fault(fault, 405, "method_not_allowed", TEXT_NONE, "%s takes %s", api_path_name(path), allowed);
}

static bool
api_check_busy(const struct api *api, enum api_path path, struct api_fault *fault)
{
	if (api->running >= api->options->max_requests)
		return api_fault(fault, 429, "too_many_requests", TEXT_NONE,
			"%llu requests are under way (apiMaxRequests): send this one again later",
			(unsigned long long)api->options->max_requests);
	if (path == API_PATH_HISTORY && api->reads >= API_READS_MAX)
		return api_fault(fault, 429, "too_many_requests", TEXT_NONE,
			"%d histories are being read: send this request again later", API_READS_MAX);
	if (path != API_PATH_HISTORY && routes[path].get != NULL && api->listings >= API_LISTINGS_MAX)
		return api_fault(fault, 429, "too_many_requests", TEXT_NONE,
			"%d lists are being made: send this request again later", API_LISTINGS_MAX);
	return true;
}

/* Checks the key first: without one, the answer does not show which paths exist. */
static bool
api_check_request(const struct api *api, enum api_path path, struct http_request *request, struct api_fault *fault)
{
	if (!api_check_key(api, request, fault))
		return false;
	if (path == API_PATH_OTHER)
		return api_fault(fault, 404, "not_found", TEXT_NONE,
			"unknown path; use POST /api/emit, /api/join, /api/leave, /api/disconnect, or GET "
			"/api/sockets, /api/rooms, /api/history");
	return api_check_method(path, request, fault) &&
	       (routes[path].get != NULL || api_check_post(api, request, fault)) && api_check_busy(api, path, fault);
}

static void
api_begin_call(struct api *api, struct http_request *request, enum api_path path)
{
	bool get = routes[path].get != NULL;
	unsigned *group = path == API_PATH_HISTORY ? &api->reads : get ? &api->listings : NULL;
	struct api_call *call = api_call_new(api, request, path, group);

	buffer_init(&call->body, get ? 0 : api->options->max_body);
	/* on_body() applies the limit, because its answer explains it. */
	http_wait(request, get ? &get_ops : &post_ops, call, get ? 0 : UINT64_MAX);
}

bool
api_matches(struct text path)
{
	return text_is(path, TEXT("/api")) || text_starts(path, TEXT("/api/"));
}

void
api_handle(struct api *api, struct http_request *request)
{
	enum api_path path = api_path_of(request->path);
	struct api_fault fault;

	if (api == NULL) {
		(void)api_fault(&fault, 404, "no_api", TEXT_NONE,
			"the HTTP API is off: set a key by SOCKEYE_API_KEY, --api-key or --api-key-file");
	} else if (api_check_request(api, path, request, &fault)) {
		api_begin_call(api, request, path);
		return;
	}
	api_refuse_request(api, request, path, &fault);
}

/* -------------------------------------------------------------------- life */

int
api_new(struct api **out, struct loop *l, const struct api_options *options, const struct api_ops *ops, void *arg,
	char error[API_KEYS_ERROR_MAX])
{
	struct api_keys *keys;
	int rc = api_keys_new(&keys, options->keys, options->key_file, error);
	struct api *api;

	*out = NULL;
	if (rc != 0 || keys == NULL)
		return rc;
	api = mem_zalloc(sizeof *api);
	api->loop = l;
	api->options = options;
	api->ops = ops;
	api->arg = arg;
	api->keys = keys;
	api_once_init(&api->once, options->idempotency_time, options->idempotency_bytes);
	list_init(&api->calls);
	*out = api;
	return 0;
}

void
api_free(struct api *api)
{
	struct list *it, *next;

	if (api == NULL)
		return;
	list_each(it, next, &api->calls)
	{
		struct api_call *call = container_of(it, struct api_call, link);

		list_remove(&call->link);
		call->api = NULL;
		call->request = NULL;
	}
	api_once_fini(&api->once);
	api_keys_free(api->keys);
	mem_free(api);
}

int
api_reload(struct api *api, char error[API_KEYS_ERROR_MAX])
{
	struct api_keys *keys;
	int rc = api_keys_new(&keys, api->options->keys, api->options->key_file, error);

	if (rc != 0)
		return rc;
	api_keys_free(api->keys);
	api->keys = keys;
	return 0;
}

/* ----------------------------------------------------------------- metrics */

void
api_metrics(const struct api *api, struct buffer *out)
{
	api_counts_write(api != NULL ? &api->counts : NULL, api != NULL ? api->running : 0,
		api != NULL ? api->once.bytes : 0, api != NULL ? api->once.forgotten : 0, out);
}

void
api_metrics_markdown(struct buffer *out)
{
	api_counts_markdown(out);
}
