#include "node/http/http_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/http/http_condition.h"
#include "node/http/http_date.h"
#include "node/http/http_exchange.h"
#include "node/http/http_mime.h"
#include "node/http/http_path.h"

#define WHOLE_MAX (256 * 1024) /* up to this a file is read at once, and compressed: some 5 ms of the loop's time */
#define TAG_MAX 80

struct http_files {
	int directory;
};

int
http_files_open(struct http_files **out, const char *directory, char *error)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = NULL;
	if (fd < 0) {
		snprintf(error, 256, "cannot serve files from %.180s: %s", directory, strerror(errno));
		return ERR_SYSTEM;
	}
	*out = mem_alloc(sizeof(**out));
	(*out)->directory = fd;
	return 0;
}

void
http_files_free(struct http_files *f)
{
	if (!f)
		return;
	close(f->directory);
	mem_free(f);
}

static void
reply_status(struct http_request *r, int status)
{
	http_reply(r, status, "text/plain; charset=utf-8", text_from(http_status_phrase(status)), false);
}

/* A directory without its "/": relative links in its index would go wrong. The path begins with one "/" only
 * (http_path). */
static void
redirect(struct http_request *r)
{
	struct buffer location;

	buffer_init(&location, r->target.n + 1);
	buffer_add_text(&location, r->path);
	buffer_add_byte(&location, '/');
	buffer_add(&location, r->path.at + r->path.n, r->target.n - r->path.n);
	if (http_add_header(r, "Location", buffer_text(&location)) == 0)
		reply_status(r, 301);
	else
		reply_status(r, 414);
	buffer_fini(&location);
}

/* -------------------------------------------------------------- content */

struct streamed {
	int fd;
	uint64_t at;
};

static int64_t
streamed_pull(void *user, uint8_t *room, size_t n)
{
	struct streamed *s = user;
	ssize_t got;

	do
		got = pread(s->fd, room, n, (off_t)s->at);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		s->at += (uint64_t)got;
	return got;
}

static void
streamed_done(void *user)
{
	struct streamed *s = user;

	close(s->fd);
	mem_free(s);
}

/* The whole file, or NULL if it is not what fstat() said. */
static struct block *
read_whole(int fd, size_t n)
{
	struct block *b = block_new(n);
	struct streamed s = {.fd = fd};

	while (s.at < n) {
		int64_t got = streamed_pull(&s, b->data + s.at, n - (size_t)s.at);

		if (got <= 0) {
			block_unref(b);
			return NULL;
		}
	}
	return b;
}

/* Takes over the fd. */
static void
reply_content(struct http_request *r, int fd, uint64_t n, const struct http_mime *mime)
{
	if (n <= WHOLE_MAX) {
		struct block *b = read_whole(fd, (size_t)n);

		close(fd);
		if (!b) {
			reply_status(r, 500);
			return;
		}
		http_reply_block(r, 200, mime->type, b, 0, (size_t)n, mime->text);
		block_unref(b);
	} else {
		struct streamed *s = mem_alloc(sizeof(*s));

		*s = (struct streamed){.fd = fd};
		http_reply_stream(r, 200, mime->type, n, streamed_pull, streamed_done, s);
	}
}

/* Takes over the fd, of a regular file. */
static void
reply_file(struct http_request *r, int fd, const struct stat *st, struct text name)
{
	static const char *const suffixes[] = {"\"", "-gzip\"", "-deflate\""};
	const struct http_mime *mime = http_mime_of(name);
	uint64_t n = (uint64_t)st->st_size;
	enum http_coding coding = mime->text && n <= WHOLE_MAX ? http_reply_coding(r, n) : HTTP_IDENTITY;
	char tag[TAG_MAX], modified[HTTP_DATE_LENGTH + 1];
	int base = snprintf(tag, sizeof(tag), "\"%llx-%llx.%lx-%llx", (unsigned long long)n,
		(unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec,
		(unsigned long long)st->st_ino);
	enum http_condition condition = http_condition_check(r, text_of(tag, (size_t)base), st->st_mtim.tv_sec);

	if (condition == HTTP_CONDITION_FAILED) {
		close(fd);
		reply_status(r, 412);
		return;
	}
	/* each representation has its own strong tag, RFC 9110 8.8.3.3 */
	snprintf(tag + base, sizeof(tag) - (size_t)base, "%s", suffixes[coding]);
	http_date_write(st->st_mtim.tv_sec, modified);
	http_add_header(r, "ETag", text_from(tag));
	http_add_header(r, "Last-Modified", text_from(modified));
	http_add_header(r, "Cache-Control", TEXT("public, max-age=0"));
	http_add_header(r, "X-Content-Type-Options", TEXT("nosniff"));
	if (condition == HTTP_CONDITION_NOT_MODIFIED) {
		close(fd);
		if (mime->text)
			http_add_header(r, "Vary", TEXT("Accept-Encoding"));
		http_reply(r, 304, NULL, TEXT(""), false);
	} else
		reply_content(r, fd, n, mime);
}

void
http_files_handle(struct http_files *f, struct http_request *r)
{
	char name[HTTP_PATH_MAX + sizeof("index.html")];
	int n, fd;
	struct stat st;

	if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
		http_add_header(r, "Allow", TEXT("GET, HEAD"));
		reply_status(r, 405);
		return;
	}
	n = http_path_decode(r->path, name);
	if (n < 0) {
		reply_status(r, 404);
		return;
	}
	if (n == 0 || name[n - 1] == '/') {
		memcpy(name + n, "index.html", sizeof("index.html"));
		n += (int)sizeof("index.html") - 1;
	}
	fd = http_path_open(f->directory, name);
	if (fd < 0)
		reply_status(r, 404);
	else if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
		close(fd);
		reply_status(r, 404);
	} else if (S_ISDIR(st.st_mode)) {
		close(fd);
		redirect(r);
	} else
		reply_file(r, fd, &st, text_of(name, (size_t)n));
}
