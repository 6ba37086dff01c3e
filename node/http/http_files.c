#include "node/http/http_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "node/http/http_condition.h"
#include "node/http/http_exchange.h"
#include "node/http/http_words.h"

#define WHOLE_MAX (256 * 1024) /* up to this a file is read at once, and compressed: some 5 ms of the loop's time */
#define TAG_MAX 80	       /* an entity tag: size and time in hexadecimal, the coding */
/* A file changed so recently may change again without another time stamp: its compressed form is not kept. */
#define YOUNG_SECONDS 2

struct http_files {
	int directory;
	struct http_packed *packed;
};

int
http_files_open(struct http_files **out, const char *directory, char *error)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*out = NULL;
	if (fd < 0) {
		snprintf(error, 256, "cannot serve files from %.180s: %s", directory, strerror(errno));
		return ERROR_SYSTEM;
	}
	*out = mem_alloc(sizeof(**out));
	(*out)->directory = fd;
	(*out)->packed = http_packed_new();
	return 0;
}

void
http_files_free(struct http_files *f)
{
	if (!f)
		return;
	close(f->directory);
	http_packed_free(f->packed);
	mem_free(f);
}

/* ---------------------------------------------------------------- names */

int
http_path_decode(struct text path, char out[HTTP_PATH_MAX])
{
	size_t n = 0;

	if (!path.n || path.at[0] != '/')
		return ERROR_SYNTAX;
	for (size_t i = 1; i < path.n; i++) {
		unsigned char c = (unsigned char)path.at[i];
		bool begins = n == 0 || out[n - 1] == '/', escaped = c == '%';

		if (escaped) {
			int byte = ascii_percent(text_of(path.at + i, path.n - i));

			if (byte < 0)
				return ERROR_SYNTAX;
			c = (unsigned char)byte;
			i += 2;
		}
		/* a name that begins with a dot is hidden, "." or ".." */
		if (c < 0x20 || c == 0x7f || c == '\\' || (c == '/' && (begins || escaped)) || (c == '.' && begins))
			return ERROR_SYNTAX;
		if (n == HTTP_PATH_MAX - 1)
			return ERROR_TOO_BIG;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return (int)n;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Name by name, no link followed at all. */
int
http_path_open_by_steps(int directory, const char *name)
{
	int at = dup(directory);

	while (at >= 0 && *name) {
		char part[HTTP_PATH_MAX];
		size_t n = strcspn(name, "/");
		int next;

		memcpy(part, name, n);
		part[n] = '\0';
		name += n + (name[n] == '/');
		next = openat(at, part, OPEN_FLAGS | O_NOFOLLOW | (name[0] || name[-1] == '/' ? O_DIRECTORY : 0));
		close(at);
		at = next;
	}
	return at < 0 ? ERROR_NOT_FOUND : at;
}

int
http_path_open(int directory, const char *name)
{
	struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	long fd;
	int tries = 0;

	/* EAGAIN: a rename ran beside the look-up */
	do
		fd = syscall(SYS_openat2, directory, *name ? name : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN) && ++tries < 8);
	if (fd >= 0)
		return (int)fd;
	if (errno == ENOSYS || errno == EPERM)
		return http_path_open_by_steps(directory, name);
	return ERROR_NOT_FOUND;
}

/* -------------------------------------------------------------- replies */

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
	struct block *b = block_try_new(n);
	struct streamed s = {.fd = fd};

	if (!b)
		return NULL;
	while (s.at < n) {
		int64_t got = streamed_pull(&s, b->data + s.at, n - (size_t)s.at);

		if (got <= 0) {
			block_unref(b);
			return NULL;
		}
	}
	return b;
}

/* A file in the form that was asked for. */
struct form {
	int fd; /* taken over by whoever replies */
	const struct stat *st;
	const struct http_mime *mime;
	enum http_coding coding;
	struct text tag;
};

static bool
is_young(const struct stat *st)
{
	int64_t age = (int64_t)time(NULL) - st->st_mtim.tv_sec;

	return age >= 0 && age < YOUNG_SECONDS;
}

/* The bytes to send: compressed ones (then *packed) or the file's; NULL if it cannot be read. */
static struct block *
form_bytes(struct http_files *f, const struct form *form, bool *packed)
{
	size_t n = (size_t)form->st->st_size;
	struct block *small = NULL, *whole;
	bool known = form->coding != HTTP_IDENTITY && http_packed_find(f->packed, form->tag, &small);

	*packed = small != NULL;
	if (small)
		return small;
	whole = read_whole(form->fd, n);
	if (!whole || known || form->coding == HTTP_IDENTITY)
		return whole;
	small = http_packed_make(
		f->packed, form->tag, form->coding, text_of((const char *)whole->data, n), !is_young(form->st));
	if (!small)
		return whole;
	*packed = true;
	block_unref(whole);
	return small;
}

static void
reply_content(struct http_files *f, struct http_request *r, const struct form *form)
{
	uint64_t n = (uint64_t)form->st->st_size;
	bool unread = r->method == HTTP_HEAD && form->coding == HTTP_IDENTITY; /* fstat() said all */

	if (n <= WHOLE_MAX && !unread) {
		bool packed;
		struct block *b = form_bytes(f, form, &packed);

		close(form->fd);
		if (!b) {
			reply_status(r, 500);
			return;
		}
		if (packed)
			http_add_header(
				r, "Content-Encoding", form->coding == HTTP_GZIP ? TEXT("gzip") : TEXT("deflate"));
		http_reply_block(r, 200, form->mime->type, b, 0, b->len, false);
		block_unref(b);
	} else {
		struct streamed *s = mem_alloc(sizeof(*s));

		*s = (struct streamed){.fd = form->fd};
		http_reply_stream(r, 200, form->mime->type, n, streamed_pull, streamed_done, s);
	}
}

/* Takes over the fd, of a regular file. */
static void
reply_file(struct http_files *f, struct http_request *r, int fd, const struct stat *st, struct text name)
{
	static const char *const suffixes[] = {"\"", "-gzip\"", "-deflate\""};
	struct form form = {.fd = fd, .st = st, .mime = http_mime_of(name)};
	uint64_t n = (uint64_t)st->st_size;
	bool may_pack = form.mime->text && n <= WHOLE_MAX;
	char tag[TAG_MAX], modified[HTTP_DATE_LENGTH + 1];
	int64_t now = (int64_t)time(NULL);
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
	form.coding = may_pack ? http_reply_coding(r, n) : HTTP_IDENTITY;
	snprintf(tag + base, sizeof(tag) - (size_t)base, "%s", suffixes[form.coding]);
	form.tag = text_from(tag);
	/* never later than Date, RFC 9110 8.8.2.1 */
	http_date_write(st->st_mtim.tv_sec < now ? st->st_mtim.tv_sec : now, modified);
	http_add_header(r, "ETag", form.tag);
	http_add_header(r, "Last-Modified", text_from(modified));
	http_add_header(r, "Cache-Control", TEXT("public, max-age=0"));
	http_add_header(r, "X-Content-Type-Options", TEXT("nosniff"));
	if (may_pack)
		http_add_header(r, "Vary", TEXT("Accept-Encoding"));
	if (condition == HTTP_CONDITION_NOT_MODIFIED) {
		close(fd);
		http_reply(r, 304, NULL, TEXT(""), false);
	} else
		reply_content(f, r, &form);
}

/* What a path names. */
struct found {
	int fd;
	struct stat st;
	char name[HTTP_PATH_MAX + sizeof("index.html")];
	int name_length;
};

/* 0 and an open file or directory, or the status that says why there is none. */
static int
find(const struct http_files *f, const struct http_request *r, struct found *out)
{
	int n;

	if (r->method != HTTP_GET && r->method != HTTP_HEAD)
		return 405;
	n = http_path_decode(r->path, out->name);
	if (n < 0)
		return 404;
	if (n == 0 || out->name[n - 1] == '/') {
		memcpy(out->name + n, "index.html", sizeof("index.html"));
		n += (int)sizeof("index.html") - 1;
	}
	out->name_length = n;
	out->fd = http_path_open(f->directory, out->name);
	if (out->fd < 0)
		return 404;
	if (fstat(out->fd, &out->st) == 0 && (S_ISREG(out->st.st_mode) || S_ISDIR(out->st.st_mode)))
		return 0;
	close(out->fd);
	return 404;
}

/* Takes over the descriptor. */
static void
serve(struct http_files *f, struct http_request *r, const struct found *found)
{
	if (S_ISDIR(found->st.st_mode)) {
		close(found->fd);
		redirect(r);
	} else
		reply_file(f, r, found->fd, &found->st, text_of(found->name, (size_t)found->name_length));
}

void
http_files_handle(struct http_files *f, struct http_request *r)
{
	struct found found;
	int status = find(f, r, &found);

	if (status == 405)
		http_add_header(r, "Allow", TEXT("GET, HEAD"));
	if (status)
		reply_status(r, status);
	else
		serve(f, r, &found);
}

/* A directory has a page to redirect to. */
static bool
has_index(const struct http_files *f, const struct found *directory)
{
	char name[sizeof(directory->name) + sizeof("/index.html")];
	int fd;

	snprintf(name, sizeof(name), "%s/index.html", directory->name);
	fd = http_path_open(f->directory, name);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool
http_files_offer(struct http_files *f, struct http_request *r)
{
	struct found found;

	if (find(f, r, &found))
		return false;
	if (S_ISDIR(found.st.st_mode) && !has_index(f, &found)) {
		close(found.fd);
		return false;
	}
	serve(f, r, &found);
	return true;
}
