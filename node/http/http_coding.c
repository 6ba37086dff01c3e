#include "node/http/http_coding.h"

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/zip.h"
#include "node/http/http_field.h"

/* ------------------------------------------------------------------ negotiation */

/* Returns the weight of "q=0.5" in thousandths (RFC 9110 12.4.2); 1000 without q, 0 if it is malformed. */
static unsigned
read_weight(struct text parameters)
{
	struct text part;
	unsigned weight = 1000;

	while (text_cut(&parameters, ';', &part)) {
		part = text_trim(part);
		if (part.n < 2 || (part.at[0] | 0x20) != 'q' || part.at[1] != '=')
			continue;
		part = text_of(part.at + 2, part.n - 2);
		if (!part.n || part.n > 5 || (part.at[0] != '0' && part.at[0] != '1') ||
			(part.n > 1 && part.at[1] != '.'))
			return 0;
		weight = (unsigned)(part.at[0] - '0') * 1000;
		for (size_t i = 2, unit = 100; i < part.n; i++, unit /= 10) {
			if (!http_is((uint8_t)part.at[i], HTTP_DIGIT))
				return 0;
			weight += (unsigned)(part.at[i] - '0') * (unsigned)unit;
		}
	}
	return weight > 1000 ? 0 : weight;
}

/* Cuts the next member off the list; sets its name and weight. */
static bool
next_coding(struct text *list, struct text *name, unsigned *weight)
{
	struct text member;

	do {
		if (!text_cut(list, ',', &member))
			return false;
	} while (!text_cut(&member, ';', name));
	*name = text_trim(*name);
	*weight = read_weight(member);
	return true;
}

unsigned
http_coding_weight(struct text accept, struct text coding)
{
	struct text name;
	unsigned weight, any = 0;

	while (next_coding(&accept, &name, &weight)) {
		if (text_is_nocase(name, coding))
			return weight;
		if (text_is(name, TEXT("*")))
			any = weight;
	}
	return any;
}

enum http_coding
http_coding_choose(struct text accept)
{
	unsigned gzip = http_coding_weight(accept, TEXT("gzip")),
		 deflate = http_coding_weight(accept, TEXT("deflate"));
	struct text name;
	unsigned weight;

	if (!gzip && !deflate)
		return HTTP_IDENTITY;
	if (gzip != deflate)
		return gzip > deflate ? HTTP_GZIP : HTTP_DEFLATE;
	while (next_coding(&accept, &name, &weight)) {
		if (text_is_nocase(name, TEXT("deflate")))
			return HTTP_DEFLATE;
		if (text_is_nocase(name, TEXT("gzip")))
			return HTTP_GZIP;
	}
	return HTTP_GZIP;
}

/* ------------------------------------------------------- compressed forms of files */

#define LEVEL 5 /* as for replies: about 50 MB/s */

struct packed {
	struct list link;    /* in http_packed.forms */
	struct block *block; /* NULL: compression does not make it smaller */
	size_t tag_len;
	char tag[];
};

struct http_packed {
	struct list forms; /* the least recently used first */
	unsigned count;
	size_t bytes;
};

static size_t
packed_size(const struct packed *form)
{
	return form->block ? form->block->len : 0;
}

struct http_packed *
http_packed_new(void)
{
	struct http_packed *packed = mem_zalloc(sizeof(*packed));

	list_init(&packed->forms);
	return packed;
}

static void
packed_forget(struct http_packed *packed, struct packed *form)
{
	list_remove(&form->link);
	packed->count--;
	packed->bytes -= packed_size(form);
	block_unref(form->block);
	mem_free(form);
}

void
http_packed_free(struct http_packed *packed)
{
	if (!packed)
		return;
	while (!list_empty(&packed->forms))
		packed_forget(packed, list_entry(packed->forms.next, struct packed, link));
	mem_free(packed);
}

bool
http_packed_find(struct http_packed *packed, struct text tag, struct block **out)
{
	struct list *link;

	for (link = packed->forms.prev; link != &packed->forms; link = link->prev) {
		struct packed *form = list_entry(link, struct packed, link);

		if (!text_is(tag, text_of(form->tag, form->tag_len)))
			continue;
		list_remove(link);
		list_add_tail(&packed->forms, link);
		*out = form->block ? block_ref(form->block) : NULL;
		return true;
	}
	return false;
}

static void
packed_remember(struct http_packed *packed, struct text tag, struct block *block)
{
	struct packed *form = mem_alloc(sizeof(*form) + tag.n); /* small: the server makes the entity tags itself */

	*form = (struct packed){.block = block ? block_ref(block) : NULL, .tag_len = tag.n};
	memcpy(form->tag, tag.at, tag.n);
	list_add_tail(&packed->forms, &form->link);
	packed->count++;
	packed->bytes += packed_size(form);
	while (packed->count > HTTP_PACKED_COUNT_MAX || packed->bytes > HTTP_PACKED_BYTES_MAX)
		packed_forget(packed, list_entry(packed->forms.next, struct packed, link));
}

struct block *
http_packed_make(struct http_packed *packed, struct text tag, enum http_coding coding, struct text plain, bool keep)
{
	enum zip_format format = coding == HTTP_GZIP ? ZIP_GZIP : ZIP_DEFLATE;
	struct block *block = NULL;
	struct buffer out;
	int error;

	buffer_init(&out, plain.n); /* the limit makes a result that is not smaller an error */
	error = zip_compress(format, plain.at, plain.n, LEVEL, &out);
	if (error == 0)
		block = block_try_copy(out.data, out.len);
	buffer_fini(&out);
	if (keep && (block || error == ERROR_TOO_BIG)) /* a failed allocation is not cached */
		packed_remember(packed, tag, block);
	return block;
}
