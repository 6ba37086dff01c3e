#include "node/http/http_coding.h"

#include "node/http/http_field.h"

/* "q=0.5" in thousandths, RFC 9110 12.4.2; 1000 without one, 0 for a malformed one. */
static unsigned
weight(struct text parameters)
{
	struct text part;
	unsigned q = 1000;

	while (text_cut(&parameters, ';', &part)) {
		part = text_trim(part);
		if (part.n < 2 || (part.at[0] | 0x20) != 'q' || part.at[1] != '=')
			continue;
		part = text_of(part.at + 2, part.n - 2);
		if (!part.n || part.n > 5 || (part.at[0] != '0' && part.at[0] != '1') ||
			(part.n > 1 && part.at[1] != '.'))
			return 0;
		q = (unsigned)(part.at[0] - '0') * 1000;
		for (size_t i = 2, unit = 100; i < part.n; i++, unit /= 10) {
			if (!http_is((uint8_t)part.at[i], HTTP_DIGIT))
				return 0;
			q += (unsigned)(part.at[i] - '0') * (unsigned)unit;
		}
	}
	return q > 1000 ? 0 : q;
}

/* Cuts the next member off the list. */
static bool
next_coding(struct text *list, struct text *name, unsigned *q)
{
	struct text member;

	do {
		if (!text_cut(list, ',', &member))
			return false;
	} while (!text_cut(&member, ';', name));
	*name = text_trim(*name);
	*q = weight(member);
	return true;
}

unsigned
http_coding_weight(struct text accept, struct text coding)
{
	struct text name;
	unsigned q, any = 0;

	while (next_coding(&accept, &name, &q)) {
		if (text_is_nocase(name, coding))
			return q;
		if (text_is(name, TEXT("*")))
			any = q;
	}
	return any;
}

enum http_coding
http_coding_choose(struct text accept)
{
	unsigned gzip = http_coding_weight(accept, TEXT("gzip")),
		 deflate = http_coding_weight(accept, TEXT("deflate"));
	struct text name;
	unsigned q;

	if (!gzip && !deflate)
		return HTTP_IDENTITY;
	if (gzip != deflate)
		return gzip > deflate ? HTTP_GZIP : HTTP_DEFLATE;
	while (next_coding(&accept, &name, &q)) {
		if (text_is_nocase(name, TEXT("deflate")))
			return HTTP_DEFLATE;
		if (text_is_nocase(name, TEXT("gzip")))
			return HTTP_GZIP;
	}
	return HTTP_GZIP;
}
