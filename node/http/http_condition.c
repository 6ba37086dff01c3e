#include "node/http/http_condition.h"

#include <time.h>

#include "common/base/error.h"
#include "node/http/http_words.h"

/*
 * Returns true if the list contains the tag or is "*". Only a weak comparison accepts a weak tag (RFC 9110 8.8.3.2).
 */
static bool
tag_listed(struct text list, struct text base, bool weak)
{
	struct text tag;

	while (text_cut(&list, ',', &tag)) {
		tag = text_trim(tag);
		if (text_is(tag, TEXT("*")))
			return true;
		if (weak && text_starts(tag, TEXT("W/")))
			tag = text_of(tag.at + 2, tag.n - 2);
		if (!text_starts(tag, base))
			continue;
		tag = text_of(tag.at + base.n, tag.n - base.n);
		if (text_is(tag, TEXT("\"")) || text_is(tag, TEXT("-gzip\"")) || text_is(tag, TEXT("-deflate\"")))
			return true;
	}
	return false;
}

/*
 * Searches all fields of that name for the tag. Returns 1 if a field lists it, 0 if not, ERROR_NOT_FOUND if there is
 * no such field.
 */
static int
fields_list(const struct http_request *r, struct text name, struct text base, bool weak)
{
	int result = ERROR_NOT_FOUND;

	for (unsigned i = 0; i < r->header_count && result != 1; i++)
		if (text_is_nocase(r->headers[i].name, name))
			result = tag_listed(r->headers[i].value, base, weak);
	return result;
}

/*
 * Reads a field with a date. Returns false for a repeated or malformed one, which is ignored (RFC 9110 13.1.3,
 * 13.1.4).
 */
static bool
date_field(const struct http_request *r, const char *name, int64_t *seconds)
{
	struct buffer joined;
	struct text value = http_header_list(r, name, &joined);
	bool read = value.n > 0 && http_date_read(value, (int64_t)time(NULL), seconds) == 0;

	buffer_fini(&joined);
	return read;
}

enum http_condition
http_condition_check(const struct http_request *r, struct text tag, int64_t modified)
{
	bool dated = modified != HTTP_CONDITION_UNDATED;
	int listed = fields_list(r, TEXT("if-match"), tag, false);
	int64_t seconds;

	if (listed == 0)
		return HTTP_CONDITION_FAILED;
	if (listed < 0 && dated && date_field(r, "if-unmodified-since", &seconds) && modified > seconds)
		return HTTP_CONDITION_FAILED;
	listed = fields_list(r, TEXT("if-none-match"), tag, true);
	if (listed == 1)
		return HTTP_CONDITION_NOT_MODIFIED;
	if (listed < 0 && dated && date_field(r, "if-modified-since", &seconds) && modified <= seconds)
		return HTTP_CONDITION_NOT_MODIFIED;
	return HTTP_CONDITION_NONE;
}
