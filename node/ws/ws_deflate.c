#define ZLIB_CONST
#include "node/ws/ws_deflate.h"

#include <limits.h>
#include <zlib.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/ws/ws.h"
#include "node/ws/ws_deflater.h"
#include "node/ws/ws_extension.h"

#define BITS_MAX WS_WINDOW_BITS_MAX
#define WINDOW_MAX (1u << BITS_MAX)
#define OUTPUT_STEP 64 /* the least room offered to zlib */
/*
 * The window is carried across this many final blocks of a message; later final blocks drop it. Carrying copies the
 * window twice, so without a limit a message of two-byte final blocks would cost 64 KiB of copying per block.
 */
#define FINALS_KEPT 16
#define INFLATE_TABLES (7 * 1024) /* zconf.h: memory besides the window */
/*
 * A connection gets a context of its own with this message in a row that goes to it alone: about 260 KB for a server
 * that sends it one large message after the other, nothing for all others.
 */
#define CONTEXT_AFTER 4
#define CONTEXT_UNUSED 16 /* after so many uncompressed messages in a row, the context is freed */

static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff}; /* RFC 7692 7.2.2 */

/* ------------------------------------------------------------ negotiation */

struct offer {
	bool acceptable; /* no parameter has been refused so far */
	bool server_no_context, client_no_context;
	bool server_bits_given, client_bits_given;
	int server_bits, client_bits; /* 0: no value given */
};

/* Returns 8 to 15, or 0 for anything else, leading zeros included. Backslashes of quoted pairs are skipped. */
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

/* RFC 7692 section 7: an offer with an unknown or repeated parameter or an invalid value is declined. */
static bool
offer_param(struct offer *offer, struct text name, struct text value)
{
	bool *seen;

	if (text_is(name, TEXT("server_no_context_takeover")))
		seen = &offer->server_no_context;
	else if (text_is(name, TEXT("client_no_context_takeover")))
		seen = &offer->client_no_context;
	else if (text_is(name, TEXT("server_max_window_bits")))
		seen = &offer->server_bits_given;
	else if (text_is(name, TEXT("client_max_window_bits")))
		seen = &offer->client_bits_given;
	else
		return false;
	if (*seen)
		return false;
	*seen = true;
	if (seen == &offer->server_bits_given)
		return (offer->server_bits = window_bits(value)) != 0;
	if (seen == &offer->client_bits_given)
		return value.at == NULL || (offer->client_bits = window_bits(value)) != 0;
	return value.at == NULL;
}

static int
smaller_of(int a, int b)
{
	return a < b ? a : b;
}

/* Returns true and fills `params` and the reply if the offer is acceptable. */
static bool
offer_accept(const struct offer *offer, const struct ws_options *wanted, struct ws_deflate_params *params,
	struct buffer *reply)
{
	int server_bits = wanted->server_max_window_bits ? wanted->server_max_window_bits : BITS_MAX;
	int client_bits = wanted->client_max_window_bits ? wanted->client_max_window_bits : BITS_MAX;

	/* Only a client that names the parameter can be told its window (RFC 7692 7.1.2.2). */
	if (!offer->acceptable || (client_bits < BITS_MAX && !offer->client_bits_given))
		return false;
	if (offer->server_bits_given)
		server_bits = smaller_of(server_bits, offer->server_bits);
	if (offer->client_bits)
		client_bits = smaller_of(client_bits, offer->client_bits);
	params->server_no_context_takeover = offer->server_no_context || wanted->server_no_context_takeover;
	params->client_no_context_takeover = offer->client_no_context || wanted->client_no_context_takeover;
	params->server_max_window_bits = server_bits;
	params->client_max_window_bits = client_bits;
	buffer_add_text(reply, TEXT("permessage-deflate"));
	if (params->server_no_context_takeover)
		buffer_add_text(reply, TEXT("; server_no_context_takeover"));
	if (params->client_no_context_takeover)
		buffer_add_text(reply, TEXT("; client_no_context_takeover"));
	if (offer->server_bits_given || server_bits < BITS_MAX)
		buffer_printf(reply, "; server_max_window_bits=%d", server_bits);
	if (offer->client_bits || (offer->client_bits_given && client_bits < BITS_MAX))
		buffer_printf(reply, "; client_max_window_bits=%d", client_bits);
	return true;
}

int
ws_deflate_negotiate(
	struct text offers, const struct ws_options *wanted, struct ws_deflate_params *params, struct buffer *reply)
{
	struct offer offer = {.acceptable = false};
	struct text name = TEXT_NONE, value;
	bool accepted = false, any = false;
	int item;

	/* Read to the end even after the choice, because the rest may be malformed. */
	do {
		item = ws_extension_next(&offers, &name, &value);
		if (item < 0) {
			buffer_reset(reply);
			return item;
		}
		if (item == WS_EXTENSION_PARAM) {
			offer.acceptable = offer.acceptable && offer_param(&offer, name, value);
			continue;
		}
		accepted = accepted || offer_accept(&offer, wanted, params, reply);
		any = any || item == WS_EXTENSION_NAME;
		offer = (struct offer){.acceptable = text_is(name, TEXT("permessage-deflate"))};
	} while (item != WS_EXTENSION_END);
	if (!any)
		return ERROR_SYNTAX;
	return accepted ? 1 : 0;
}

/* ------------------------------------------------------------------ codec */

struct inflater {
	z_stream z;
	unsigned finals_left;
	bool want_tail; /* the input so far ends inside a deflate stream */
};

struct ws_deflate {
	struct ws_deflate_params params;
	struct ws_deflate_pool *pool;
	unsigned carried;	      /* for ws_deflate_carried() */
	uint8_t streak;		      /* compressed messages in a row that went to this connection alone */
	uint8_t unused;		      /* uncompressed messages since the context was used */
	struct ws_deflater *deflater; /* the context; NULL: none */
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
ws_deflate_new(const struct ws_deflate_params *params, struct ws_deflate_pool *pool)
{
	struct ws_deflate *codec = mem_zalloc(sizeof *codec);

	codec->params = *params;
	codec->pool = pool;
	return codec;
}

static void
inflater_free(struct ws_deflate *codec)
{
	if (!codec->inflater)
		return;
	inflateEnd(&codec->inflater->z);
	mem_free(codec->inflater);
	codec->inflater = NULL;
}

void
ws_deflate_free(struct ws_deflate *codec)
{
	if (!codec)
		return;
	ws_deflater_free(codec->deflater);
	inflater_free(codec);
	mem_free(codec);
}

size_t
ws_deflate_held(const struct ws_deflate *codec)
{
	size_t n = 0;

	if (codec->deflater)
		n += ws_deflate_pool_deflater_cost(codec->pool, codec->params.server_max_window_bits);
	if (codec->inflater)
		n += ((size_t)1 << codec->params.client_max_window_bits) + sizeof *codec->inflater + INFLATE_TABLES;
	return n;
}

/* -------------------------------------------------------------- compressing */

int
ws_deflate_bits(const struct ws_deflate *codec)
{
	return codec->params.server_max_window_bits;
}

bool
ws_deflate_forget(struct ws_deflate *codec)
{
	codec->streak = 0;
	if (codec->deflater == NULL)
		return false;
	ws_deflater_free(codec->deflater);
	codec->deflater = NULL;
	return true;
}

bool
ws_deflate_skipped(struct ws_deflate *codec)
{
	return codec->deflater != NULL && ++codec->unused == CONTEXT_UNUSED && ws_deflate_forget(codec);
}

/* Returns the context for a message that goes to this connection alone, or NULL if it has none. */
static struct ws_deflater *
codec_context(struct ws_deflate *codec)
{
	codec->unused = 0;
	if (codec->deflater != NULL || codec->params.server_no_context_takeover)
		return codec->deflater;
	if (++codec->streak < CONTEXT_AFTER)
		return NULL;
	codec->streak = 0;
	codec->deflater = ws_deflate_pool_deflater(codec->pool, codec->params.server_max_window_bits);
	return codec->deflater;
}

/*
 * The peer's window holds the messages that it has inflated. If a message is not sent as compressed here, the context
 * no longer agrees with that window, so it must be forgotten.
 */
bool
ws_deflate_compress(struct ws_deflate *codec, const void *bytes, size_t n, struct buffer *out)
{
	struct ws_deflater *context = codec_context(codec);
	size_t before = out->len;
	int rc = context != NULL
			 ? ws_deflater_run(context, bytes, n, out)
			 : ws_deflate_pool_run(codec->pool, codec->params.server_max_window_bits, bytes, n, out);

	if (rc == 0 && out->len - before < n)
		return true;
	(void)ws_deflate_forget(codec);
	return false;
}

/* --------------------------------------------------------------- inflating */

/*
 * Returns the inflate stream, created if necessary; NULL if memory runs out. A window of 8 bits is inflated with 9,
 * because the zlib of some clients that negotiate 8 bits compresses with 9.
 */
static struct inflater *
inflater_get(struct ws_deflate *codec)
{
	int bits = codec->params.client_max_window_bits;
	struct inflater *inflater = codec->inflater;
	int result;

	if (inflater)
		return inflater;
	inflater = mem_zalloc(sizeof *inflater);
	inflater->z.zalloc = zlib_alloc;
	inflater->z.zfree = zlib_free;
	inflater->finals_left = FINALS_KEPT;
	result = inflateInit2(&inflater->z, bits < 9 ? -9 : -bits);
	must(result == Z_OK || result == Z_MEM_ERROR);
	if (result == Z_OK)
		return codec->inflater = inflater;
	mem_free(inflater);
	return NULL;
}

/* Begins a new stream after a final block (RFC 7692 7.2.3.4). The new stream may refer to bytes before it. */
static int
inflater_restart(struct ws_deflate *codec)
{
	struct inflater *inflater = codec->inflater;
	uint8_t *window = NULL;
	int result = Z_OK;
	uInt n = 0;

	if (inflater->finals_left > 0) {
		inflater->finals_left--;
		codec->carried++;
		window = mem_try_alloc(WINDOW_MAX);
		if (!window)
			return ERROR_MEMORY;
		must(inflateGetDictionary(&inflater->z, window, &n) == Z_OK);
	}
	must(inflateReset(&inflater->z) == Z_OK);
	if (n > 0)
		result = inflateSetDictionary(&inflater->z, window, n);
	mem_free(window);
	must(result == Z_OK || result == Z_MEM_ERROR);
	return result == Z_OK ? 0 : ERROR_MEMORY;
}

static int
inflater_run(struct ws_deflate *codec, const uint8_t *bytes, size_t n, struct buffer *out)
{
	z_stream *z = &codec->inflater->z;
	uint8_t beyond; /* receives the byte that proves that the limit is exceeded */
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
			int error = inflater_restart(codec);

			if (error)
				return error;
			codec->inflater->want_tail = z->avail_in > 0;
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
ws_deflate_inflate(struct ws_deflate *codec, const void *bytes, size_t n, bool last, struct buffer *out)
{
	struct inflater *inflater = inflater_get(codec);
	int error = 0;

	if (!inflater)
		return ERROR_MEMORY;
	if (n > 0) {
		inflater->want_tail = true;
		error = inflater_run(codec, bytes, n, out);
	}
	if (error || !last)
		return error;
	/* An empty message, or a message that ended with a final block, is complete without the tail. */
	if (inflater->want_tail) {
		error = inflater_run(codec, tail, sizeof tail, out);
		/* 128: zlib is between two blocks. Anywhere else the message was truncated. */
		if (!error && inflater->want_tail && !(inflater->z.data_type & 128))
			error = ERROR_SYNTAX;
	}
	inflater->want_tail = false;
	inflater->finals_left = FINALS_KEPT;
	if (codec->params.client_no_context_takeover)
		inflater_free(codec);
	return error;
}

unsigned
ws_deflate_carried(struct ws_deflate *codec)
{
	unsigned carried = codec->carried;

	codec->carried = 0;
	return carried;
}
