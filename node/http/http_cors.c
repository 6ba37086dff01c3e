#include "node/http/http_cors.h"

/* Returns true if the option is "*". The reply then does not depend on the Origin field, so Vary need not name it. */
static bool
any_origin(const struct http_cors *cors)
{
	return text_is(http_origins_fixed(cors->origins), TEXT("*"));
}

static void
cors_add_origin(const struct http_cors *cors, struct http_request *r)
{
	struct text fixed = http_origins_fixed(cors->origins), origin = http_header_get(r, "origin");

	if (fixed.at != NULL)
		http_add_header(r, "Access-Control-Allow-Origin", fixed);
	else if (origin.n > 0 && http_origins_allow(cors->origins, origin))
		http_add_header(r, "Access-Control-Allow-Origin", origin);
}

static void
add_if_given(struct http_request *r, const char *name, const char *value)
{
	if (value && *value)
		http_add_header(r, name, text_from(value));
}

/* Adds one Vary field for both request fields that the reply depends on. */
static void
cors_add_vary(const struct http_cors *cors, struct http_request *r, bool reflects_headers)
{
	if (!any_origin(cors))
		http_add_header(r, "Vary",
			reflects_headers ? TEXT("Origin, Access-Control-Request-Headers") : TEXT("Origin"));
	else if (reflects_headers)
		http_add_header(r, "Vary", TEXT("Access-Control-Request-Headers"));
}

static void
cors_add_preflight(const struct http_cors *cors, struct http_request *r, bool reflects_headers)
{
	struct text asked = http_header_get(r, "access-control-request-headers");

	http_add_header(r, "Access-Control-Allow-Methods",
		cors->methods ? text_from(cors->methods) : TEXT("GET,HEAD,PUT,PATCH,POST,DELETE"));
	if (!reflects_headers)
		http_add_header(r, "Access-Control-Allow-Headers", text_from(cors->allowed_headers));
	else if (asked.n > 0)
		http_add_header(r, "Access-Control-Allow-Headers", asked);
	add_if_given(r, "Access-Control-Max-Age", cors->max_age);
}

bool
http_cors_apply(const struct http_cors *cors, struct http_request *r)
{
	bool preflight = r->method == HTTP_OPTIONS;
	bool reflects_headers = preflight && !(cors->allowed_headers && *cors->allowed_headers);

	if (!cors->origins)
		return false;
	cors_add_origin(cors, r);
	cors_add_vary(cors, r, reflects_headers);
	if (cors->credentials)
		http_add_header(r, "Access-Control-Allow-Credentials", TEXT("true"));
	if (preflight)
		cors_add_preflight(cors, r, reflects_headers);
	add_if_given(r, "Access-Control-Expose-Headers", cors->exposed_headers);
	if (!preflight || cors->preflight_continue)
		return false;
	http_reply(r, cors->options_success_status ? cors->options_success_status : 204, NULL, TEXT(""), false);
	return true;
}
