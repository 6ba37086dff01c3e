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

#define WHOLE_MAX                                                                                                    \
	(256 * 1024) /* a file of up to this size is read at once and may be compressed, which takes about 5 ms */
#define TAG_MAX 80   /* size of an entity tag: length, time and inode in hexadecimal, and the coding */
/*
 * A file that changed this recently may change again with the same time stamp, so its compressed form is not cached.
 */
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
http_files_free(struct http_files *files)
{
	if (!files)
		return;
	close(files->directory);
	http_packed_free(files->packed);
	mem_free(files);
}

/* ---------------------------------------------------------------- names */

int
http_path_decode(struct text path, char out[HTTP_PATH_MAX])
{
	size_t n = 0;

	if (!path.n || path.at[0] != '/')
		return ERROR_SYNTAX;
	for (size_t i = 1; i < path.n; i++) {
		unsigned char byte = (unsigned char)path.at[i];
		bool begins = n == 0 || out[n - 1] == '/', escaped = byte == '%';

		if (escaped) {
			int decoded = ascii_percent(text_of(path.at + i, path.n - i));

			if (decoded < 0)
				return ERROR_SYNTAX;
			byte = (unsigned char)decoded;
			i += 2;
		}
		/* a name that begins with a dot is hidden, "." or ".." */
		if (byte < 0x20 || byte == 0x7f || byte == '\\' || (byte == '/' && (begins || escaped)) ||
			(byte == '.' && begins))
			return ERROR_SYNTAX;
		if (n == HTTP_PATH_MAX - 1)
			return ERROR_TOO_BIG;
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	return (int)n;
}

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Opens the path name by name and follows no symbolic link. */
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

	/* EAGAIN: a rename happened during the look-up */
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

/*
 * Redirects a request for a directory without the final "/", which would break relative links in its index page. The
 * path begins with exactly one "/" (http_path_decode()).
 */
static void
redirect_to_directory(struct http_request *r)
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
	struct streamed *streamed = user;
	ssize_t got;

	do
		got = pread(streamed->fd, room, n, (off_t)streamed->at);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		streamed->at += (uint64_t)got;
	return got;
}

static void
streamed_done(void *user)
{
	struct streamed *streamed = user;

	close(streamed->fd);
	mem_free(streamed);
}

/* Reads the whole file. Returns NULL if it is shorter than fstat() said or cannot be read. */
static struct block *
read_whole(int fd, size_t n)
{
	struct block *block = block_try_new(n);
	struct streamed streamed = {.fd = fd};

	if (!block)
		return NULL;
	while (streamed.at < n) {
		int64_t got = streamed_pull(&streamed, block->data + streamed.at, n - (size_t)streamed.at);

		if (got <= 0) {
			block_unref(block);
			return NULL;
		}
	}
	return block;
}

/* A file in the requested form. */
struct form {
	int fd; /* owned by the function that replies */
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

/*
 * Returns the bytes to send: the compressed ones (*packed is then true) or the file's. NULL: the file cannot be read.
 */
static struct block *
form_bytes(struct http_files *files, const struct form *form, bool *packed)
{
	size_t n = (size_t)form->st->st_size;
	struct block *small = NULL, *whole;
	bool known = form->coding != HTTP_IDENTITY && http_packed_find(files->packed, form->tag, &small);

	*packed = small != NULL;
	if (small)
		return small;
	whole = read_whole(form->fd, n);
	if (!whole || known || form->coding == HTTP_IDENTITY)
		return whole;
	small = http_packed_make(
		files->packed, form->tag, form->coding, text_of((const char *)whole->data, n), !is_young(form->st));
	if (!small)
		return whole;
	*packed = true;
	block_unref(whole);
	return small;
}

static void
reply_content(struct http_files *files, struct http_request *r, const struct form *form)
{
	uint64_t n = (uint64_t)form->st->st_size;
	bool unread = r->method == HTTP_HEAD && form->coding == HTTP_IDENTITY; /* the length from fstat() is enough */

	if (n <= WHOLE_MAX && !unread) {
		bool packed;
		struct block *block = form_bytes(files, form, &packed);

		close(form->fd);
		if (!block) {
			reply_status(r, 500);
			return;
		}
		if (packed)
			http_add_header(
				r, "Content-Encoding", form->coding == HTTP_GZIP ? TEXT("gzip") : TEXT("deflate"));
		http_reply_block(r, 200, form->mime->type, block, 0, block->len, false);
		block_unref(block);
	} else {
		struct streamed *streamed = mem_alloc(sizeof(*streamed));

		*streamed = (struct streamed){.fd = form->fd};
		http_reply_stream(r, 200, form->mime->type, n, streamed_pull, streamed_done, streamed);
	}
}

/* Replies with a regular file. Takes ownership of the fd. */
static void
reply_file(struct http_files *files, struct http_request *r, int fd, const struct stat *st, struct text name)
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
	/* each representation has a strong tag of its own (RFC 9110 8.8.3.3) */
	form.coding = may_pack ? http_reply_coding(r, n) : HTTP_IDENTITY;
	snprintf(tag + base, sizeof(tag) - (size_t)base, "%s", suffixes[form.coding]);
	form.tag = text_from(tag);
	/* Last-Modified must not be later than Date (RFC 9110 8.8.2.1) */
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
		reply_content(files, r, &form);
}

/* The file or directory that a path names. */
struct found {
	int fd;
	struct stat st;
	char name[HTTP_PATH_MAX + sizeof("index.html")];
	int name_length;
};

/* Opens the file or directory that the request names. Returns 0, or the status that explains the failure. */
static int
find_file(const struct http_files *files, const struct http_request *r, struct found *out)
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
	out->fd = http_path_open(files->directory, out->name);
	if (out->fd < 0)
		return 404;
	if (fstat(out->fd, &out->st) == 0 && (S_ISREG(out->st.st_mode) || S_ISDIR(out->st.st_mode)))
		return 0;
	close(out->fd);
	return 404;
}

/* Replies with what find_file() found. Takes ownership of the fd. */
static void
serve_file(struct http_files *files, struct http_request *r, const struct found *found)
{
	if (S_ISDIR(found->st.st_mode)) {
		close(found->fd);
		redirect_to_directory(r);
	} else
		reply_file(files, r, found->fd, &found->st, text_of(found->name, (size_t)found->name_length));
}

void
http_files_handle(struct http_files *files, struct http_request *r)
{
	struct found found;
	int status = find_file(files, r, &found);

	if (status == 405)
		http_add_header(r, "Allow", TEXT("GET, HEAD"));
	if (status)
		reply_status(r, status);
	else
		serve_file(files, r, &found);
}

/* Returns true if the directory has an index page to redirect to. */
static bool
has_index(const struct http_files *files, const struct found *directory)
{
	char name[sizeof(directory->name) + sizeof("/index.html")];
	int fd;

	snprintf(name, sizeof(name), "%s/index.html", directory->name);
	fd = http_path_open(files->directory, name);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool
http_files_offer(struct http_files *files, struct http_request *r)
{
	struct found found;

	if (find_file(files, r, &found))
		return false;
	if (S_ISDIR(found.st.st_mode) && !has_index(files, &found)) {
		close(found.fd);
		return false;
	}
	serve_file(files, r, &found);
	return true;
}
