/*
 * permessage-deflate. The first byte modulo 3 selects: 0 negotiation, with the rest as offers; 1 inflating the rest
 * (its first byte gives the parameters), whole and in pieces; 2 a round trip of the rest as messages.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "node/ws/ws.h"
#include "node/ws/ws_deflate.h"
#include "node/ws/ws_deflater.h"
#include "node/ws/ws_extension.h"

#define MAX_MESSAGE 100000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void
negotiate(const uint8_t *bytes, size_t n)
{
	struct ws_options wanted = {0};
	struct ws_deflate_params p, again; /* zeroed, because padding is compared too */
	struct buffer reply, reply2;
	struct text offers;
	char *exact;
	int result;

	wanted.server_max_window_bits = bytes[0] & 1 ? 11 : 0;
	wanted.client_max_window_bits = bytes[0] & 2 ? 12 : 0;
	wanted.server_no_context_takeover = bytes[0] & 4;
	memset(&p, 0, sizeof p);
	memset(&again, 0, sizeof again);
	exact = mem_copy(bytes + 1, n - 1);
	offers = text_of(exact, n - 1);
	buffer_init(&reply, 256);
	buffer_init(&reply2, 256);
	result = ws_deflate_negotiate(offers, &wanted, &p, &reply);
	must((result < 0) == (ws_extension_check(offers) < 0));
	if (result == 1) {
		must(!buffer_error(&reply));
		must(p.server_max_window_bits >= 8 && p.server_max_window_bits <= (bytes[0] & 1 ? 11 : 15));
		must(p.client_max_window_bits >= 8 && p.client_max_window_bits <= (bytes[0] & 2 ? 12 : 15));
		must(!wanted.server_no_context_takeover || p.server_no_context_takeover);
		/* The server's answer is itself an offer of the same parameters. */
		wanted.client_max_window_bits = 0;
		must(ws_deflate_negotiate(buffer_text(&reply), &wanted, &again, &reply2) == 1);
		must(text_is(buffer_text(&reply), buffer_text(&reply2)));
		must(memcmp(&p, &again, sizeof p) == 0);
	} else {
		must(reply.len == 0);
	}
	buffer_fini(&reply);
	buffer_fini(&reply2);
	mem_free(exact);
}

static struct ws_deflate_params
params_of(uint8_t byte)
{
	struct ws_deflate_params p;

	memset(&p, 0, sizeof p);
	p.server_no_context_takeover = p.client_no_context_takeover = byte & 1;
	p.server_max_window_bits = p.client_max_window_bits = 8 + (byte >> 1 & 7);
	return p;
}

static int
inflate_pieces(const struct ws_deflate_params *p, const uint8_t *bytes, size_t n, size_t step, struct buffer *out)
{
	struct ws_deflate *d = ws_deflate_new(p, NULL); /* it only inflates */
	size_t at = 0;
	int error = 0;

	do {
		size_t m = n - at < step ? n - at : step;

		error = ws_deflate_inflate(d, bytes + at, m, at + m == n, out);
		at += m;
	} while (!error && at < n);
	must(out->len <= out->max && out->size <= out->max);
	ws_deflate_free(d);
	return error;
}

/*
 * zlib allows a reference beyond a small window while the output still lies in the buffer of one call. So pieces may
 * fail where the whole does not, and vice versa. With the largest window, no reference can reach beyond.
 */
static void
inflate_garbage(const uint8_t *bytes, size_t n)
{
	struct ws_deflate_params p = params_of(bytes[0]), largest = params_of(bytes[0] | 7 << 1);
	bool small = p.client_max_window_bits < largest.client_max_window_bits;
	size_t step = (bytes[0] >> 4) + 1;
	struct buffer whole, pieces;
	int error, error2;

	buffer_init(&whole, MAX_MESSAGE);
	buffer_init(&pieces, MAX_MESSAGE);
	error = inflate_pieces(&largest, bytes + 1, n - 1, SIZE_MAX, &whole);
	error2 = inflate_pieces(&p, bytes + 1, n - 1, step, &pieces);
	must(error2 == error || (small && error2 == ERROR_SYNTAX));
	must(error || error2 || text_is(buffer_text(&whole), buffer_text(&pieces)));
	buffer_fini(&whole);
	buffer_fini(&pieces);
}

/*
 * Messages, each preceded by a byte with its length. 255 stands for a message to several connections, 254 for one
 * that is sent uncompressed.
 */
static void
round_trip(const uint8_t *bytes, size_t n)
{
	struct ws_deflate_params p = params_of(bytes[0]);
	struct ws_deflate_pool *pool = ws_deflate_pool_new(0, 1 + (bytes[0] >> 4) % 9);
	struct ws_deflate *d = ws_deflate_new(&p, pool);
	struct buffer packed, out;
	bool shared, plain, packs;
	size_t at, m;

	for (at = 1; at < n; at += m) {
		m = bytes[at++];
		shared = m == 255;
		plain = m == 254;
		m = n - at < m ? n - at : m;
		buffer_init(&packed, 1000);
		buffer_init(&out, m);
		if (plain)
			ws_deflate_skipped(d);
		if (shared) {
			must(ws_deflate_pool_run(pool, p.server_max_window_bits, bytes + at, m, &packed) == 0);
			(void)ws_deflate_forget(d);
		}
		packs = shared || (!plain && ws_deflate_compress(d, bytes + at, m, &packed));
		must(!packs || ws_deflate_inflate(d, packed.data, packed.len, true, &out) == 0);
		must(!packs || (out.len == m && (m == 0 || memcmp(out.data, bytes + at, m) == 0)));
		buffer_fini(&packed);
		buffer_fini(&out);
	}
	ws_deflate_free(d);
	ws_deflate_pool_free(pool);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	if (n < 2)
		return 0;
	if (bytes[0] % 3 == 0)
		negotiate(bytes + 1, n - 1);
	else if (bytes[0] % 3 == 1)
		inflate_garbage(bytes + 1, n - 1);
	else
		round_trip(bytes + 1, n - 1);
	return 0;
}
