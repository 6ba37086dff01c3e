#include "common/io/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/mem.h"

/* One reading of all files. */
struct config_reader {
	struct config_files *files;
	const struct config_listener *listener;
	bool full; /* the limit of settings was reported */
};

/* The place of a mistake. The first file is named by the caller: `file` is NULL. */
struct config_place {
	const char *file;
	unsigned line;
};

static void
config_report(const struct config_reader *reader, struct config_place place, const char *error)
{
	char text[CONFIG_ERROR_MAX];

	if (place.file)
		snprintf(text, sizeof text, "%s:%u: %s", place.file, place.line, error);
	else
		snprintf(text, sizeof text, "%s", error);
	reader->listener->on_mistake(reader->listener->arg, text);
}

static void __attribute__((format(printf, 4, 5))) config_report_file(
	const struct config_reader *reader, struct config_place place, const char *path, const char *format, ...)
{
	char why[OPTION_ERROR_MAX / 2], error[CONFIG_ERROR_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	snprintf(error, sizeof error, "cannot read \"%.700s\": %s", path, why);
	config_report(reader, place, error);
}

/* Reads the whole file into `out`. Returns whether that succeeded; otherwise, the mistake has been reported. */
static bool
config_read_bytes(const struct config_reader *reader, const char *path, struct config_place place, struct buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), failure = 0;
	struct stat st;
	ssize_t got = 1;

	if (fd < 0) {
		config_report_file(reader, place, path, "%s", strerror(errno));
		return false;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		config_report_file(reader, place, path, "not a regular file");
		return false;
	}
	while (got > 0 && out->len <= CONFIG_FILE_MAX) {
		got = read(fd, buffer_room(out, 4096), 4096);
		failure = errno;
		if (got < 0 && failure == EINTR)
			got = 1;
		else if (got > 0)
			out->len += (size_t)got;
	}
	close(fd);
	if (got < 0)
		config_report_file(reader, place, path, "%s", strerror(failure));
	else if (out->len > CONFIG_FILE_MAX)
		config_report_file(reader, place, path, "longer than %d bytes", CONFIG_FILE_MAX);
	return got >= 0 && out->len <= CONFIG_FILE_MAX;
}

static void config_read_file(
	struct config_reader *reader, const char *path, unsigned depth, struct config_place place);

static void
config_include(struct config_reader *reader, const char *what, unsigned depth, struct config_place place)
{
	const char *slash = strrchr(place.file, '/');
	char path[CONFIG_PATH_MAX];
	int n;
	glob_t found;

	if (what[0] == '/' || slash == NULL)
		n = snprintf(path, sizeof path, "%s", what);
	else
		n = snprintf(path, sizeof path, "%.*s/%s", (int)(slash - place.file), place.file, what);
	if (what[0] == '\0' || n >= (int)sizeof path) {
		config_report(reader, place,
			what[0] ? "option include: the path is too long"
				: "option include: needs the name of a file");
		return;
	}
	if (strpbrk(what, "*?[") == NULL) {
		config_read_file(reader, path, depth + 1, place);
		return;
	}
	n = glob(path, 0, NULL, &found);
	if (n != 0 && n != GLOB_NOMATCH)
		config_report_file(reader, place, path, "the folder cannot be read");
	for (size_t i = 0; n == 0 && i < found.gl_pathc; i++)
		config_read_file(reader, found.gl_pathv[i], depth + 1, place);
	globfree(&found);
}

static void
config_add(struct config_reader *reader, const struct config_line *line, struct config_place place)
{
	struct config_files *files = reader->files;

	if (files->count == CONFIG_SETTINGS_MAX) {
		if (!reader->full)
			config_report(reader, place, "the configuration has more than 4096 settings");
		reader->full = true;
		return;
	}
	files->settings[files->count++] = (struct config_setting){
		.name = mem_text(line->name.at, line->name.n),
		.value = mem_text(line->value, strlen(line->value)),
		.file = place.file,
		.line = place.line,
	};
}

static void
config_read_lines(struct config_reader *reader, struct text rest, const char *file, unsigned depth)
{
	struct config_line *line = mem_zalloc(sizeof *line); /* too large for the stack at each depth */
	char error[OPTION_ERROR_MAX];
	int result;

	while ((result = config_line_next(&rest, line, error)) != 0) {
		struct config_place place = {file, line->number};

		if (result < 0)
			config_report(reader, place, error);
		else if (text_is(line->name, TEXT("include")))
			config_include(reader, line->value, depth, place);
		else
			config_add(reader, line, place);
	}
	explicit_bzero(line, sizeof *line);
	mem_free(line);
}

static void
config_read_file(struct config_reader *reader, const char *path, unsigned depth, struct config_place place)
{
	struct config_files *files = reader->files;
	struct buffer bytes;

	if (depth >= CONFIG_DEPTH_MAX) {
		config_report_file(reader, place, path,
			"files include files at more than %d levels (does it include itself?)", CONFIG_DEPTH_MAX);
		return;
	}
	if (files->path_count == CONFIG_FILES_MAX) {
		config_report_file(reader, place, path, "more than %d files", CONFIG_FILES_MAX);
		return;
	}
	buffer_init(&bytes, 2 * CONFIG_FILE_MAX);
	if (strlen(path) >= CONFIG_PATH_MAX) {
		config_report_file(reader, place, path, "the path is too long");
	} else if (config_read_bytes(reader, path, place, &bytes)) {
		files->paths[files->path_count] = mem_text(path, strlen(path));
		config_read_lines(reader, buffer_text(&bytes), files->paths[files->path_count++], depth);
	}
	if (bytes.len > 0)
		explicit_bzero(bytes.data, bytes.len);
	buffer_fini(&bytes);
}

struct config_files *
config_files_read(const char *path, const struct config_listener *listener)
{
	struct config_files *files = mem_zalloc(sizeof *files);
	struct config_reader reader = {.files = files, .listener = listener};

	files->settings = mem_alloc(CONFIG_SETTINGS_MAX * sizeof files->settings[0]);
	config_read_file(&reader, path, 0, (struct config_place){NULL, 0});
	return files;
}

void
config_files_free(struct config_files *files)
{
	if (!files)
		return;
	for (size_t i = 0; i < files->count; i++) {
		explicit_bzero(files->settings[i].value, strlen(files->settings[i].value));
		mem_free(files->settings[i].name);
		mem_free(files->settings[i].value);
	}
	for (unsigned i = 0; i < files->path_count; i++)
		mem_free(files->paths[i]);
	mem_free(files->settings);
	mem_free(files);
}
