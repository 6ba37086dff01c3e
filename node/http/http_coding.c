#include "node/http/http_coding.h"

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/zip.h"
#include "node/http/http_field.h"

/* ------------------------------------------------------------------ negotiation */

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

/* ------------------------------------------------------- compressed forms of files */

#define LEVEL 5 /* as for replies: some 50 MB/s */

struct packed {
	struct list link;    /* forms */
	struct block *block; /* NULL: not smaller */
	size_t tag_len;
	char tag[];
};

struct http_packed {
	struct list forms; /* the most recently used one last */
	unsigned count;
	size_t bytes;
};

static size_t
size_of(const struct packed *form)
{
	return form->block ? form->block->len : 0;
}

struct http_packed *
http_packed_new(void)
{
	struct http_packed *p = mem_zalloc(sizeof(*p));

	list_init(&p->forms);
	return p;
}

static void
forget(struct http_packed *p, struct packed *form)
{
	list_remove(&form->link);
	p->count--;
	p->bytes -= size_of(form);
	block_unref(form->block);
	mem_free(form);
}

void
http_packed_free(struct http_packed *p)
{
	if (!p)
		return;
	while (!list_empty(&p->forms))
		forget(p, list_entry(p->forms.next, struct packed, link));
	mem_free(p);
}

bool
http_packed_find(struct http_packed *p, struct text tag, struct block **out)
{
	struct list *link;

	for (link = p->forms.prev; link != &p->forms; link = link->prev) {
		struct packed *form = list_entry(link, struct packed, link);

		if (!text_is(tag, text_of(form->tag, form->tag_len)))
			continue;
		list_remove(link);
		list_add_tail(&p->forms, link);
		*out = form->block ? block_ref(form->block) : NULL;
		return true;
	}
	return false;
}

static void
remember(struct http_packed *p, struct text tag, struct block *b)
{
	struct packed *form =
		mem_alloc(sizeof(*form) + tag.n); /* small: entity tags are made here, of three numbers */

	*form = (struct packed){.block = b ? block_ref(b) : NULL, .tag_len = tag.n};
	memcpy(form->tag, tag.at, tag.n);
	list_add_tail(&p->forms, &form->link);
	p->count++;
	p->bytes += size_of(form);
	while (p->count > HTTP_PACKED_COUNT_MAX || p->bytes > HTTP_PACKED_BYTES_MAX)
		forget(p, list_entry(p->forms.next, struct packed, link));
}

struct block *
http_packed_make(struct http_packed *p, struct text tag, enum http_coding coding, struct text plain, bool keep)
{
	enum zip_format format = coding == HTTP_GZIP ? ZIP_GZIP : ZIP_DEFLATE;
	struct block *b = NULL;
	struct buffer out;
	int error;

	buffer_init(&out, plain.n); /* what does not become smaller is an error */
	error = zip_compress(format, plain.at, plain.n, LEVEL, &out);
	if (error == 0)
		b = block_try_copy(out.data, out.len);
	buffer_fini(&out);
	if (keep && (b || error == ERROR_TOO_BIG)) /* not where there was no memory for it */
		remember(p, tag, b);
	return b;
}
