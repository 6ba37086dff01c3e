#include "node/http/http_bundle.h"

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "node/http/http_coding.h"
#include "node/http/http_condition.h"

#define GZIP_HEADER 10 /* embed.mjs sees to it that there is no more */
#define GZIP_TRAILER 8

enum coding { BR, GZIP, DEFLATE, IDENTITY };

static const char *const coding_names[] = {[BR] = "br", [GZIP] = "gzip", [DEFLATE] = "deflate"};

/* The position of a coding among the members of the field; SIZE_MAX if "*" alone stands for it. */
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

/* The one of greatest weight, then the first named, then in our order. Identity only if there is none (as the
 * original). */
static enum coding
choose(struct text accept)
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

/* A reply in the making: what is left of up to three pieces, all but the last in read-only memory. */
struct sending {
	struct text pieces[3];
	unsigned at;
	char trailer[4];
};

static int64_t
pull(void *user, uint8_t *room, size_t n)
{
	struct sending *s = user;
	size_t done = 0, take;

	while (done < n && s->at < 3) {
		struct text *piece = &s->pieces[s->at];

		take = piece->n < n - done ? piece->n : n - done;
		if (take > 0)
			memcpy(room + done, piece->at, take);
		*piece = text_of(piece->at + take, piece->n - take);
		done += take;
		if (piece->n == 0)
			s->at++;
	}
	return (int64_t)done;
}

/* The deflate coding is the stream inside the gzip file in zlib's wrapping, RFC 1950. */
static void
wrap_deflate(struct sending *s, const struct http_bundle_file *f)
{
	unsigned i;

	for (i = 0; i < sizeof s->trailer; i++)
		s->trailer[i] = (char)(f->adler32 >> (24 - 8 * i));
	s->pieces[0] = TEXT("\x78\xda");
	s->pieces[1] = text_of((const char *)f->gzip + GZIP_HEADER, f->gzip_len - GZIP_HEADER - GZIP_TRAILER);
	s->pieces[2] = text_of(s->trailer, sizeof s->trailer);
}

static void
send_file(struct http_request *r, const struct http_bundle_file *f)
{
	struct sending *s = mem_zalloc(sizeof *s);
	bool map = text_ends(text_from(f->name), TEXT(".map"));
	struct buffer joined;
	enum coding coding = choose(http_header_list(r, "accept-encoding", &joined));

	buffer_fini(&joined);
	s->pieces[0] = s->pieces[1] = s->pieces[2] = TEXT("");
	if (coding == BR)
		s->pieces[0] = text_of((const char *)f->br, f->br_len);
	else if (coding == GZIP)
		s->pieces[0] = text_of((const char *)f->gzip, f->gzip_len);
	else if (coding == DEFLATE)
		wrap_deflate(s, f);
	else
		s->pieces[0] = text_of((const char *)f->plain, f->plain_len);
	if (coding != IDENTITY)
		http_add_header(r, "Content-Encoding", text_from(coding_names[coding]));
	http_reply_stream(r, 200, map ? "application/json; charset=utf-8" : "application/javascript; charset=utf-8",
		s->pieces[0].n + s->pieces[1].n + s->pieces[2].n, pull, mem_free, s);
}

bool
http_bundle_handle(struct http_request *r, struct text name)
{
	const struct http_bundle_file *f = http_bundle_files;
	enum http_condition condition;
	struct buffer tag;

	while (f->name && !text_is(name, text_from(f->name)))
		f++;
	if (!f->name)
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
		send_file(r, f);
	buffer_fini(&tag);
	return true;
}
