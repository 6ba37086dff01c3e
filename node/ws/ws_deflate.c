#define ZLIB_CONST
#include "node/ws/ws_deflate.h"

#include <limits.h>
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/ws/ws.h"
#include "node/ws/ws_extension.h"

#define BITS_MAX 15
#define WINDOW_MAX (1u << BITS_MAX)
#define OUTPUT_STEP 64 /* least room offered to zlib */
/*
 * Carrying the window across a final block copies it twice; so many times per message, then it is dropped. Otherwise
 * a message of two-byte final blocks would cost 64 KiB of copying for each.
 */
#define FINALS_KEPT 16
#define INFLATE_TABLES (7 * 1024) /* zconf.h: beside the window */

static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff}; /* RFC 7692 7.2.1, 7.2.2 */

/* ------------------------------------------------------------ negotiation */

struct offer {
	bool acceptable; /* so far */
	bool server_no_context, client_no_context;
	bool server_bits_given, client_bits_given;
	int server_bits, client_bits; /* 0: no value */
};

/* 8..15 without leading zeros; quoted pairs are undone. 0 for anything else. */
static int
window_bits(struct text value)
{
	char digits[2];
	size_t n = 0, i;

	for (i = 0; i < value.n; i++) {
		if (value.at[i] == '\\')
			continue;
		if (n == sizeof digits || value.at[i] < '0' || value.at[i] > '9')
			return 0;
		digits[n++] = value.at[i];
	}
	if (n == 1 && (digits[0] == '8' || digits[0] == '9'))
		return digits[0] - '0';
	return n == 2 && digits[0] == '1' && digits[1] <= '5' ? 10 + digits[1] - '0' : 0;
}

/* RFC 7692 7: an offer with an unknown parameter, a duplicate or an invalid value is declined. */
static bool
offer_param(struct offer *o, struct text name, struct text value)
{
	bool *seen;

	if (text_is(name, TEXT("server_no_context_takeover")))
		seen = &o->server_no_context;
	else if (text_is(name, TEXT("client_no_context_takeover")))
		seen = &o->client_no_context;
	else if (text_is(name, TEXT("server_max_window_bits")))
		seen = &o->server_bits_given;
	else if (text_is(name, TEXT("client_max_window_bits")))
		seen = &o->client_bits_given;
	else
		return false;
	if (*seen)
		return false;
	*seen = true;
	if (seen == &o->server_bits_given)
		return (o->server_bits = window_bits(value)) != 0;
	if (seen == &o->client_bits_given)
		return value.at == NULL || (o->client_bits = window_bits(value)) != 0;
	return value.at == NULL;
}

static int
least(int a, int b)
{
	return a < b ? a : b;
}

/* Fills `params` and the reply if the offer suits. */
static bool
offer_accept(const struct offer *o, const struct ws_options *wanted, struct ws_deflate_params *params,
	struct buffer *reply)
{
	int server_bits = wanted->server_max_window_bits ? wanted->server_max_window_bits : BITS_MAX;
	int client_bits = wanted->client_max_window_bits ? wanted->client_max_window_bits : BITS_MAX;

	/* Only a client that names the parameter can be told its window (RFC 7692 7.1.2.2). */
	if (!o->acceptable || (client_bits < BITS_MAX && !o->client_bits_given))
		return false;
	if (o->server_bits_given)
		server_bits = least(server_bits, o->server_bits);
	if (o->client_bits)
		client_bits = least(client_bits, o->client_bits);
	params->server_no_context_takeover = o->server_no_context || wanted->server_no_context_takeover;
	params->client_no_context_takeover = o->client_no_context || wanted->client_no_context_takeover;
	params->server_max_window_bits = server_bits;
	params->client_max_window_bits = client_bits;
	buffer_add_text(reply, TEXT("permessage-deflate"));
	if (params->server_no_context_takeover)
		buffer_add_text(reply, TEXT("; server_no_context_takeover"));
	if (params->client_no_context_takeover)
		buffer_add_text(reply, TEXT("; client_no_context_takeover"));
	if (o->server_bits_given || server_bits < BITS_MAX)
		buffer_printf(reply, "; server_max_window_bits=%d", server_bits);
	if (o->client_bits || (o->client_bits_given && client_bits < BITS_MAX))
		buffer_printf(reply, "; client_max_window_bits=%d", client_bits);
	return true;
}

int
ws_deflate_negotiate(
	struct text offers, const struct ws_options *wanted, struct ws_deflate_params *params, struct buffer *reply)
{
	struct offer o = {.acceptable = false};
	struct text name = TEXT_NONE, value;
	bool accepted = false, any = false;
	int item;

	/* Read to the end even when the choice is made: what follows may be malformed. */
	do {
		item = ws_extension_next(&offers, &name, &value);
		if (item < 0) {
			buffer_reset(reply);
			return item;
		}
		if (item == WS_EXTENSION_PARAM) {
			o.acceptable = o.acceptable && offer_param(&o, name, value);
			continue;
		}
		accepted = accepted || offer_accept(&o, wanted, params, reply);
		any = any || item == WS_EXTENSION_NAME;
		o = (struct offer){.acceptable = text_is(name, TEXT("permessage-deflate"))};
	} while (item != WS_EXTENSION_END);
	if (!any)
		return ERROR_SYNTAX;
	return accepted ? 1 : 0;
}

/* ------------------------------------------------------------------ codec */

struct inflater {
	z_stream z;
	unsigned finals_left;
	bool want_tail; /* the bytes so far end inside a deflate stream */
};

struct ws_deflate {
	struct ws_deflate_params params;
	int8_t level, mem_level;
	unsigned carried; /* for ws_deflate_carried() */
	z_stream *deflater;
	struct inflater *inflater;
};

static void *
zlib_alloc(void *unused, uInt items, uInt size)
{
	(void)unused;
	return mem_try_zalloc((size_t)items * size);
}

static void
zlib_free(void *unused, void *at)
{
	(void)unused;
	mem_free(at);
}

struct ws_deflate *
ws_deflate_new(const struct ws_deflate_params *params, int level, int mem_level)
{
	struct ws_deflate *d = mem_zalloc(sizeof *d);

	d->params = *params;
	d->level = (int8_t)(level ? level : Z_DEFAULT_COMPRESSION);
	d->mem_level = (int8_t)(mem_level ? mem_level : 8);
	return d;
}

static void
deflater_free(struct ws_deflate *d)
{
	if (!d->deflater)
		return;
	deflateEnd(d->deflater);
	mem_free(d->deflater);
	d->deflater = NULL;
}

static void
inflater_free(struct ws_deflate *d)
{
	if (!d->inflater)
		return;
	inflateEnd(&d->inflater->z);
	mem_free(d->inflater);
	d->inflater = NULL;
}

void
ws_deflate_free(struct ws_deflate *d)
{
	if (!d)
		return;
	deflater_free(d);
	inflater_free(d);
	mem_free(d);
}

size_t
ws_deflate_held(const struct ws_deflate *d)
{
	size_t n = 0;

	if (d->deflater)
		n += ((size_t)1 << (d->params.server_max_window_bits + 2)) + ((size_t)1 << (d->mem_level + 9));
	if (d->inflater)
		n += ((size_t)1 << d->params.client_max_window_bits) + sizeof *d->inflater + INFLATE_TABLES;
	return n;
}

/*
 * zlib has no raw window of 256 bytes: the strategy that only refers one byte back keeps within it, whatever
 * the size of zlib's own. NULL: there is no memory for it.
 */
static z_stream *
deflater_get(struct ws_deflate *d)
{
	int bits = d->params.server_max_window_bits;
	z_stream *z = d->deflater;
	int result;

	if (z)
		return z;
	z = mem_zalloc(sizeof *z);
	z->zalloc = zlib_alloc;
	z->zfree = zlib_free;
	result = deflateInit2(
		z, d->level, Z_DEFLATED, bits < 9 ? -9 : -bits, d->mem_level, bits < 9 ? Z_RLE : Z_DEFAULT_STRATEGY);
	must(result == Z_OK || result == Z_MEM_ERROR);
	if (result == Z_OK)
		return d->deflater = z;
	mem_free(z);
	return NULL;
}

int
ws_deflate_compress(struct ws_deflate *d, const void *bytes, size_t n, struct buffer *out)
{
	size_t room;
	z_stream *z;

	must(n <= UINT_MAX);
	if (n == 0) { /* zlib flushes nothing when there is nothing: the empty stored block of RFC 7692 7.2.3.6 */
		buffer_add_byte(out, 0);
		return buffer_error(out);
	}
	z = deflater_get(d);
	if (!z)
		return ERROR_MEMORY;
	z->next_in = bytes;
	z->avail_in = (uInt)n;
	do {
		room = z->avail_in / 4 + OUTPUT_STEP;
		if (room > out->max - out->len)
			room = out->max - out->len;
		z->next_out = buffer_room(out, room);
		if (!z->next_out)
			return buffer_error(out);
		if (room == 0)
			return ERROR_TOO_BIG;
		z->avail_out = (uInt)room;
		must(deflate(z, Z_SYNC_FLUSH) != Z_STREAM_ERROR);
		out->len += room - z->avail_out;
	} while (z->avail_out == 0);
	must(out->len >= sizeof tail && memcmp(out->data + out->len - sizeof tail, tail, sizeof tail) == 0);
	out->len -= sizeof tail;
	if (d->params.server_no_context_takeover)
		deflater_free(d);
	return 0;
}

/* Some clients that negotiate 8 bits compress with 9, as zlib did for them. NULL: there is no memory for it. */
static struct inflater *
inflater_get(struct ws_deflate *d)
{
	int bits = d->params.client_max_window_bits;
	struct inflater *i = d->inflater;
	int result;

	if (i)
		return i;
	i = mem_zalloc(sizeof *i);
	i->z.zalloc = zlib_alloc;
	i->z.zfree = zlib_free;
	i->finals_left = FINALS_KEPT;
	result = inflateInit2(&i->z, bits < 9 ? -9 : -bits);
	must(result == Z_OK || result == Z_MEM_ERROR);
	if (result == Z_OK)
		return d->inflater = i;
	mem_free(i);
	return NULL;
}

/* After a final block (RFC 7692 7.2.3.4) a new stream begins, and may refer to what came before. */
static int
inflater_restart(struct ws_deflate *d)
{
	struct inflater *i = d->inflater;
	uint8_t *window = NULL;
	int result = Z_OK;
	uInt n = 0;

	if (i->finals_left > 0) {
		i->finals_left--;
		d->carried++;
		window = mem_try_alloc(WINDOW_MAX);
		if (!window)
			return ERROR_MEMORY;
		must(inflateGetDictionary(&i->z, window, &n) == Z_OK);
	}
	must(inflateReset(&i->z) == Z_OK);
	if (n > 0)
		result = inflateSetDictionary(&i->z, window, n);
	mem_free(window);
	must(result == Z_OK || result == Z_MEM_ERROR);
	return result == Z_OK ? 0 : ERROR_MEMORY;
}

static int
inflater_run(struct ws_deflate *d, const uint8_t *bytes, size_t n, struct buffer *out)
{
	z_stream *z = &d->inflater->z;
	uint8_t beyond; /* takes the byte that shows that the limit is exceeded */
	size_t left, room;
	int result;

	must(n <= UINT_MAX);
	z->next_in = bytes;
	z->avail_in = (uInt)n;
	for (;;) {
		left = out->max - out->len;
		room = (size_t)z->avail_in * 4 + OUTPUT_STEP;
		if (left == 0) {
			z->next_out = &beyond;
			room = 1;
		} else {
			z->next_out = buffer_room(out, room < left ? room : left);
			if (!z->next_out)
				return buffer_error(out);
			room = out->size - out->len;
			room = room < UINT_MAX ? room : UINT_MAX;
		}
		z->avail_out = (uInt)room;
		result = inflate(z, Z_SYNC_FLUSH);
		if (left == 0 && z->avail_out == 0)
			return ERROR_TOO_BIG;
		if (left > 0)
			out->len += room - z->avail_out;
		if (result == Z_STREAM_END) {
			int error = inflater_restart(d);

			if (error)
				return error;
			d->inflater->want_tail = z->avail_in > 0;
		} else if (result == Z_MEM_ERROR) {
			return ERROR_MEMORY;
		} else if (result != Z_OK && result != Z_BUF_ERROR) {
			return ERROR_SYNTAX;
		}
		if (z->avail_in == 0 && z->avail_out > 0)
			return 0;
	}
}

int
ws_deflate_inflate(struct ws_deflate *d, const void *bytes, size_t n, bool last, struct buffer *out)
{
	struct inflater *i = inflater_get(d);
	int error = 0;

	if (!i)
		return ERROR_MEMORY;
	if (n > 0) {
		i->want_tail = true;
		error = inflater_run(d, bytes, n, out);
	}
	if (error || !last)
		return error;
	/* No tail for a message without any bytes, nor for one that ended with a final block: both are complete. */
	if (i->want_tail) {
		error = inflater_run(d, tail, sizeof tail, out);
		/* 128: zlib stands between two blocks. Elsewhere the message was cut short. */
		if (!error && i->want_tail && !(i->z.data_type & 128))
			error = ERROR_SYNTAX;
	}
	i->want_tail = false;
	i->finals_left = FINALS_KEPT;
	if (d->params.client_no_context_takeover)
		inflater_free(d);
	return error;
}

unsigned
ws_deflate_carried(struct ws_deflate *d)
{
	unsigned carried = d->carried;

	d->carried = 0;
	return carried;
}
