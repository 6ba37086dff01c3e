#include "node/api/api.h"

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/api/api_call.h"

struct route {
	bool get; /* else POST */
	enum api_kind kind;
	void (*list)(struct api_call *c);
};

static const struct route routes[API_PATH_OTHER] = {
	[API_PATH_EMIT] = {false, API_EMIT, NULL},
	[API_PATH_JOIN] = {false, API_JOIN, NULL},
	[API_PATH_LEAVE] = {false, API_LEAVE, NULL},
	[API_PATH_DISCONNECT] = {false, API_DISCONNECT, NULL},
	[API_PATH_SOCKETS] = {true, 0, api_list_sockets},
	[API_PATH_ROOMS] = {true, 0, api_list_rooms},
};
/* ---------------------------------------------------------------- exchange */

static void
too_large(struct api_fault *f, const struct api *a)
{
	(void)api_fault(f, 413, "body_too_large", TEXT_NONE, "the body must have at most %llu bytes (apiMaxBody)",
		(unsigned long long)a->options->max_body);
}

static void
on_body(struct http_request *r, void *user, const uint8_t *data, size_t n)
{
	struct api_call *c = user;
	struct api_fault f;

	buffer_add(&c->body, data, n);
	http_request_holds(r, c->body.size);
	if (buffer_error(&c->body) == 0)
		return;
	if (buffer_error(&c->body) == ERROR_TOO_BIG)
		too_large(&f, c->api);
	else
		(void)api_fault(&f, 503, "no_memory", TEXT_NONE, "there is no memory for this request");
	api_refuse(c, &f);
}

static void
on_complete(struct http_request *r, void *user)
{
	struct api_call *c = user;
	const struct route *route = &routes[c->path];
	struct api_fault f;

	(void)r;
	if (route->list != NULL)
		route->list(c);
	else if (!api_command_read(&c->command, route->kind, buffer_text(&c->body), &f))
		api_refuse(c, &f);
	else if (api_call_once(c))
		api_do(c);
}

static void
on_abort(struct http_request *r, void *user)
{
	struct api_call *c = user;

	(void)r;
	c->api->counts.aborted++;
	api_call_free(c);
}

static const struct http_exchange_ops post_ops = {
	.on_body = on_body, .on_complete = on_complete, .on_abort = on_abort};
static const struct http_exchange_ops get_ops = {.on_complete = on_complete, .on_abort = on_abort};

/* ------------------------------------------------------------ the request */

static struct text
key_of(const struct http_request *r)
{
	struct text given = http_header_get(r, "Authorization"), scheme = TEXT("Bearer ");

	if (given.n > scheme.n && text_is_nocase(text_of(given.at, scheme.n), scheme))
		return text_trim(text_of(given.at + scheme.n, given.n - scheme.n));
	return http_header_get(r, "X-Api-Key");
}

/* RFC 6750 section 3: without a key no error is named. */
static bool
check_key(const struct api *a, struct http_request *r, struct api_fault *f)
{
	struct text key = key_of(r);

	if (key.n != 0 && key.n <= API_KEY_MAX && api_keys_has(a->keys, key))
		return true;
	http_add_header(r, "WWW-Authenticate",
		key.n != 0 ? TEXT("Bearer realm=\"sockeye\", error=\"invalid_token\"")
			   : TEXT("Bearer realm=\"sockeye\""));
	return api_fault(f, 401, "unauthorized", TEXT_NONE, "%s",
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
check_post(const struct api *a, const struct http_request *r, struct api_fault *f)
{
	struct text coding = http_header_get(r, "Content-Encoding");

	if (!is_json(http_header_get(r, "Content-Type")))
		return api_fault(f, 415, "unsupported_media_type", TEXT_NONE,
			"send JSON in UTF-8, with Content-Type: application/json");
	if (coding.n != 0 && !text_is_nocase(coding, TEXT("identity")))
		return api_fault(
			f, 415, "unsupported_media_type", TEXT_NONE, "send the body without Content-Encoding");
	if (r->content_length <= a->options->max_body)
		return true;
	too_large(f, a);
	return false;
}

static bool
check_method(enum api_path path, struct http_request *r, struct api_fault *f)
{
	const struct route *route = &routes[path];

	if (r->method == (route->get ? HTTP_GET : HTTP_POST))
		return true;
	http_add_header(r, "Allow", route->get ? TEXT("GET") : TEXT("POST"));
	return api_fault(f, 405, "method_not_allowed", TEXT_NONE, "%s takes %s", api_path_name(path),
		route->get ? "GET" : "POST");
}

static bool
check_busy(const struct api *a, enum api_path path, struct api_fault *f)
{
	if (a->running >= a->options->max_requests)
		return api_fault(f, 429, "too_many_requests", TEXT_NONE,
			"%llu requests are under way (apiMaxRequests): send this one again later",
			(unsigned long long)a->options->max_requests);
	if (routes[path].list != NULL && a->listings >= API_LISTINGS_MAX)
		return api_fault(f, 429, "too_many_requests", TEXT_NONE,
			"%d lists are being made: send this request again later", API_LISTINGS_MAX);
	return true;
}

/* Whoever has no key does not learn which paths there are. */
static bool
check(const struct api *a, enum api_path path, struct http_request *r, struct api_fault *f)
{
	if (!check_key(a, r, f))
		return false;
	if (path == API_PATH_OTHER)
		return api_fault(f, 404, "not_found", TEXT_NONE,
			"there are POST /api/emit, /api/join, /api/leave, /api/disconnect and GET /api/sockets, "
			"/api/rooms");
	return check_method(path, r, f) && (routes[path].get || check_post(a, r, f)) && check_busy(a, path, f);
}

static void
begin(struct api *a, struct http_request *r, enum api_path path)
{
	bool get = routes[path].get;
	struct api_call *c = api_call_new(a, r, path, get);

	buffer_init(&c->body, get ? 0 : a->options->max_body);
	/* on_body() has the limit, and an answer that says so */
	http_wait(r, get ? &get_ops : &post_ops, c, get ? 0 : UINT64_MAX);
}

bool
api_matches(struct text path)
{
	return text_is(path, TEXT("/api")) || text_starts(path, TEXT("/api/"));
}

void
api_handle(struct api *a, struct http_request *r)
{
	enum api_path path = api_path_of(r->path);
	struct api_fault f;

	if (a == NULL) {
		(void)api_fault(&f, 404, "no_api", TEXT_NONE,
			"the HTTP API is off: give the server a key by SOCKEYE_API_KEY, --api-key or --api-key-file");
	} else if (check(a, path, r, &f)) {
		begin(a, r, path);
		return;
	}
	api_refuse_request(a, r, path, &f);
}

/* -------------------------------------------------------------------- life */

int
api_new(struct api **out, struct loop *l, const struct api_options *o, const struct api_ops *ops, void *arg,
	char error[API_KEYS_ERROR_MAX])
{
	struct api_keys *keys;
	int rc = api_keys_new(&keys, o->keys, o->key_file, error);
	struct api *a;

	*out = NULL;
	if (rc != 0 || keys == NULL)
		return rc;
	a = mem_zalloc(sizeof *a);
	a->loop = l;
	a->options = o;
	a->ops = ops;
	a->arg = arg;
	a->keys = keys;
	api_once_init(&a->once, o->idempotency_time, o->idempotency_bytes);
	list_init(&a->calls);
	*out = a;
	return 0;
}

void
api_free(struct api *a)
{
	struct list *it, *next;

	if (a == NULL)
		return;
	list_each(it, next, &a->calls)
	{
		struct api_call *c = container_of(it, struct api_call, link);

		list_remove(&c->link);
		c->api = NULL;
		c->r = NULL;
	}
	api_once_fini(&a->once);
	api_keys_free(a->keys);
	mem_free(a);
}

int
api_reload(struct api *a, char error[API_KEYS_ERROR_MAX])
{
	struct api_keys *keys;
	int rc = api_keys_new(&keys, a->options->keys, a->options->key_file, error);

	if (rc != 0)
		return rc;
	api_keys_free(a->keys);
	a->keys = keys;
	return 0;
}

/* ----------------------------------------------------------------- metrics */

void
api_metrics(const struct api *a, struct buffer *out)
{
	api_counts_write(a != NULL ? &a->counts : NULL, a != NULL ? a->running : 0, a != NULL ? a->once.bytes : 0,
		a != NULL ? a->once.forgotten : 0, out);
}

void
api_metrics_markdown(struct buffer *out)
{
	api_counts_markdown(out);
}
