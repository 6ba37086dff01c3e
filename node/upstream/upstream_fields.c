#include "node/upstream/upstream_fields.h"

#include "common/base/error.h"

static const char *const hop_names[] = {
	"connection",
	"keep-alive",
	"proxy-connection",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"content-length",
	"http2-settings",
	"proxy-authenticate",
	"proxy-authorization",
	"proxy-authentication-info",
};

int
upstream_named_read(struct upstream_named *out, const struct http_header *headers, unsigned count)
{
	out->count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct text list = headers[i].value, part;

		if (!text_is_nocase(headers[i].name, TEXT("connection")))
			continue;
		while (text_cut(&list, ',', &part)) {
			part = text_trim(part);
			if (part.n == 0)
				continue;
			if (out->count == UPSTREAM_NAMED_MAX)
				return ERROR_TOO_MANY;
			out->names[out->count++] = part;
		}
	}
	return 0;
}

bool
upstream_named_has(const struct upstream_named *named, struct text name)
{
	for (unsigned i = 0; i < named->count; i++)
		if (text_is_nocase(named->names[i], name))
			return true;
	return false;
}

bool
upstream_is_hop(const struct upstream_named *named, struct text name)
{
	for (unsigned i = 0; i < sizeof hop_names / sizeof hop_names[0]; i++)
		if (text_is_nocase(name, text_from(hop_names[i])))
			return true;
	return upstream_named_has(named, name);
}

void
upstream_field_add(struct buffer *out, struct text name, struct text value)
{
	buffer_add_text(out, name);
	buffer_add(out, ": ", 2);
	buffer_add_text(out, value);
	buffer_add(out, "\r\n", 2);
}
