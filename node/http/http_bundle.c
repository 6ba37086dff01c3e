#include "node/http/http_bundle.h"

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "node/http/http_coding.h"
#include "node/http/http_condition.h"

#define GZIP_HEADER 10 /* embed.mjs ensures that the header has no optional parts */
#define GZIP_TRAILER 8

enum coding { BR, GZIP, DEFLATE, IDENTITY };

static const char *const coding_names[] = {[BR] = "br", [GZIP] = "gzip", [DEFLATE] = "deflate"};

/* Returns the position of a coding among the members of the field; SIZE_MAX if only "*" stands for it. */
static size_t
named_at(struct text accept, struct text coding)
{
	struct text member, name;
	size_t at;

	for (at = 0; text_cut(&accept, ',', &member); at++)
		if (text_cut(&member, ';', &name) && text_is_nocase(text_trim(name), coding))
			return at;
	return SIZE_MAX;
}

/*
 * Chooses the coding with the greatest weight. If several have it, the field's order decides, and then the order of
 * enum coding. As in Socket.IO, identity is used only if the client accepts no other coding.
 */
static enum coding
choose_coding(struct text accept)
{
	enum coding best = IDENTITY;
	unsigned best_weight = 0, weight, i;
	size_t best_at = SIZE_MAX, at;

	for (i = BR; i < IDENTITY; i++) {
		weight = http_coding_weight(accept, text_from(coding_names[i]));
		at = named_at(accept, text_from(coding_names[i]));
		if (weight > best_weight || (weight > 0 && weight == best_weight && at < best_at)) {
			best = i;
			best_weight = weight;
			best_at = at;
		}
	}
	return best;
}

/* The unsent bytes of a reply, in up to three pieces. They are read-only data, except the trailer of deflate. */
struct sending {
	struct text pieces[3];
	unsigned at;
	char trailer[4];
};

static int64_t
pull_pieces(void *user, uint8_t *room, size_t n)
{
	struct sending *sending = user;
	size_t done = 0, take;

	while (done < n && sending->at < 3) {
		struct text *piece = &sending->pieces[sending->at];

		take = piece->n < n - done ? piece->n : n - done;
		if (take > 0)
			memcpy(room + done, piece->at, take);
		*piece = text_of(piece->at + take, piece->n - take);
		done += take;
		if (piece->n == 0)
			sending->at++;
	}
	return (int64_t)done;
}

/* Makes the deflate coding: the stream inside the gzip file, with the header and trailer of zlib (RFC 1950). */
static void
wrap_deflate(struct sending *sending, const struct http_bundle_file *file)
{
	unsigned i;

	for (i = 0; i < sizeof sending->trailer; i++)
		sending->trailer[i] = (char)(file->adler32 >> (24 - 8 * i));
	sending->pieces[0] = TEXT("\x78\xda");
	sending->pieces[1] =
		text_of((const char *)file->gzip + GZIP_HEADER, file->gzip_len - GZIP_HEADER - GZIP_TRAILER);
	sending->pieces[2] = text_of(sending->trailer, sizeof sending->trailer);
}

static void
send_file(struct http_request *r, const struct http_bundle_file *file)
{
	struct sending *sending = mem_zalloc(sizeof *sending);
	bool map = text_ends(text_from(file->name), TEXT(".map"));
	struct buffer joined;
	enum coding coding = choose_coding(http_header_list(r, "accept-encoding", &joined));

	buffer_fini(&joined);
	sending->pieces[0] = sending->pieces[1] = sending->pieces[2] = TEXT("");
	if (coding == BR)
		sending->pieces[0] = text_of((const char *)file->br, file->br_len);
	else if (coding == GZIP)
		sending->pieces[0] = text_of((const char *)file->gzip, file->gzip_len);
	else if (coding == DEFLATE)
		wrap_deflate(sending, file);
	else
		sending->pieces[0] = text_of((const char *)file->plain, file->plain_len);
	if (coding != IDENTITY)
		http_add_header(r, "Content-Encoding", text_from(coding_names[coding]));
	http_reply_stream(r, 200, map ? "application/json; charset=utf-8" : "application/javascript; charset=utf-8",
		sending->pieces[0].n + sending->pieces[1].n + sending->pieces[2].n, pull_pieces, mem_free, sending);
}

bool
http_bundle_handle(struct http_request *r, struct text name)
{
	const struct http_bundle_file *file = http_bundle_files;
	enum http_condition condition;
	struct buffer tag;

	while (file->name && !text_is(name, text_from(file->name)))
		file++;
	if (!file->name)
		return false;
	buffer_init(&tag, 64);
	buffer_printf(&tag, "\"%s\"", http_bundle_version);
	http_add_header(r, "ETag", buffer_text(&tag));
	http_add_header(r, "Cache-Control", TEXT("public, max-age=0"));
	http_add_header(r, "Vary", TEXT("Accept-Encoding"));
	condition = http_condition_check(r, text_of((char *)tag.data, tag.len - 1), HTTP_CONDITION_UNDATED);
	if (condition != HTTP_CONDITION_NONE)
		http_reply(r, condition == HTTP_CONDITION_FAILED ? 412 : 304, NULL, TEXT(""), false);
	else
		send_file(r, file);
	buffer_fini(&tag);
	return true;
}
