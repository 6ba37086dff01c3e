#include "common/io/log_filter.h"

#include "common/base/error.h"

/* Parts point into `text`. */
static struct {
	char text[LOG_FILTER_MAX];
	struct log_subject wanted;
} filter;

static int
parse(struct text rest, struct log_subject *out)
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
	return out->sid.at != NULL && out->sid.n < LOG_SID_SHOWN ? ERROR_ARGUMENT : 0;
}

int
log_filter_check(const char *text)
{
	struct log_subject unused;

	if (text == NULL)
		return 0;
	return strlen(text) < LOG_FILTER_MAX ? parse(text_from(text), &unused) : ERROR_ARGUMENT;
}

int
log_filter_set(const char *text)
{
	if (log_filter_check(text) < 0)
		return ERROR_ARGUMENT;
	strcpy(filter.text, text != NULL ? text : "");
	return parse(text_from(filter.text), &filter.wanted);
}

static bool
passes(struct text wanted, struct text is)
{
	return wanted.at == NULL || (is.at != NULL && text_is(wanted, is));
}

bool
log_filter_passes(const struct log_subject *about)
{
	const struct log_subject *w = &filter.wanted;

	if (w->sid.at != NULL && (about->sid.at == NULL || !text_starts(about->sid, w->sid)))
		return false;
	return passes(w->address, about->address) && passes(w->nsp, about->nsp);
}
