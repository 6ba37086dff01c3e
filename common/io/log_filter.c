#include "common/io/log_filter.h"

#include <stdio.h>

#include "common/base/address.h"
#include "common/base/error.h"

/* The texts of `wanted` point into `text`. */
static struct {
	char text[LOG_FILTER_MAX];
	struct log_subject wanted;
	struct address address; /* valid if wanted.address is set */
} log_filter;

static int
log_filter_parse(struct text rest, struct log_subject *out, struct address *address)
{
	static const struct {
		const char *prefix;
		size_t offset;
	} kinds[] = {
		{"sid=", offsetof(struct log_subject, sid)},
		{"address=", offsetof(struct log_subject, address)},
		{"namespace=", offsetof(struct log_subject, nsp)},
	};
	struct text part;

	*out = (struct log_subject){TEXT_NONE, TEXT_NONE, TEXT_NONE};
	while (text_cut(&rest, ',', &part)) {
		struct text *to = NULL;

		for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
			size_t n = strlen(kinds[i].prefix);

			if (!text_starts(part, text_of(kinds[i].prefix, n)) || part.n == n)
				continue;
			to = (struct text *)((char *)out + kinds[i].offset);
			*to = text_of(part.at + n, part.n - n);
		}
		if (to == NULL)
			return ERROR_ARGUMENT;
	}
	if (out->sid.at != NULL && out->sid.n < LOG_SID_SHOWN)
		return ERROR_ARGUMENT;
	return out->address.at != NULL && !address_read(out->address, address) ? ERROR_ARGUMENT : 0;
}

int
log_filter_check(const char *text)
{
	struct log_subject unused;
	struct address unused_too;

	if (text == NULL)
		return 0;
	return strlen(text) < LOG_FILTER_MAX ? log_filter_parse(text_from(text), &unused, &unused_too)
					     : ERROR_ARGUMENT;
}

int
log_filter_set(const char *text)
{
	if (log_filter_check(text) < 0)
		return ERROR_ARGUMENT;
	snprintf(log_filter.text, sizeof log_filter.text, "%s", text != NULL ? text : "");
	return log_filter_parse(text_from(log_filter.text), &log_filter.wanted, &log_filter.address);
}

static bool
log_filter_is_address(struct text is)
{
	struct address address;

	return is.at != NULL && address_read(is, &address) &&
	       memcmp(&address, &log_filter.address, sizeof address) == 0;
}

/* "chat" means "/chat", as in sio_of(). */
static bool
log_filter_is_namespace(struct text wanted, struct text is)
{
	if (is.at == NULL || is.n == 0)
		return false;
	return text_is(wanted, wanted.at[0] == '/' ? is : text_of(is.at + 1, is.n - 1));
}

bool
log_filter_passes(const struct log_subject *about)
{
	const struct log_subject *wanted = &log_filter.wanted;

	if (wanted->sid.at != NULL && (about->sid.at == NULL || !text_starts(about->sid, wanted->sid)))
		return false;
	if (wanted->address.at != NULL && !log_filter_is_address(about->address))
		return false;
	return wanted->nsp.at == NULL || log_filter_is_namespace(wanted->nsp, about->nsp);
}
