#include "node/http/http_packed.h"

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/zip.h"

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
	struct packed *form = mem_alloc(sizeof(*form) + tag.n);

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

	buffer_init(&out, plain.n); /* what does not become smaller is an error */
	if (zip_compress(format, plain.at, plain.n, LEVEL, &out) == 0)
		b = block_copy(out.data, out.len);
	buffer_fini(&out);
	if (keep)
		remember(p, tag, b);
	return b;
}
