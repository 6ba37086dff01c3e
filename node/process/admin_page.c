#include "node/process/admin_page.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/io/log.h"
#include "node/http/http_files.h"

#define PREFIX "/ui"
#define FOLDER_MAX (PATH_MAX + 64)
#define MISSING "the page of the admin UI is not installed (get it with: make admin-ui)"

/* Scripts and fonts come from the admin port only. The page makes styles, and connects wherever the admin says. */
#define POLICY                                                                                                       \
	"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "                 \
	"img-src 'self'; connect-src http: https: ws: wss:; base-uri 'none'; form-action 'none'; "                   \
	"frame-ancestors 'none'"

struct admin_page {
	struct http_files *files; /* NULL: no page was found */
};

static bool
page_is_in(const char *folder)
{
	char index[FOLDER_MAX + sizeof "/index.html"];

	snprintf(index, sizeof index, "%s/index.html", folder);
	return access(index, R_OK) == 0;
}

/* Writes the name of the folder that has the page. Returns false if no folder has one. */
static bool
page_find(const char *given, char folder[FOLDER_MAX])
{
	static const char *const places[] = {"admin-ui", "../share/sockeye/admin-ui"};
	char program[PATH_MAX + 1] = "", *from;

	if (given != NULL && given[0] != '\0') {
		snprintf(folder, FOLDER_MAX, "%s", given);
		return page_is_in(folder);
	}
	if (readlink("/proc/self/exe", program, PATH_MAX) < 0)
		return false;
	from = dirname(program);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		snprintf(folder, FOLDER_MAX, "%s/%s", from, places[i]);
		if (page_is_in(folder))
			return true;
	}
	return false;
}

struct admin_page *
admin_page_new(const struct adminui_options *options)
{
	char folder[FOLDER_MAX], error[256];
	struct admin_page *page;

	if (!options->enabled)
		return NULL;
	page = mem_zalloc(sizeof *page);
	if (!page_find(options->page, folder))
		log_event(LOG_WARN, "admin_ui", "error", LOG_STR(MISSING), "page",
			LOG_STR(options->page != NULL ? options->page : ""), NULL);
	else if (http_files_open(&page->files, folder, error) < 0)
		log_event(LOG_WARN, "admin_ui", "error", LOG_STR(error), NULL);
	else
		log_event(LOG_INFO, "admin_ui", "page", LOG_STR(folder), "path", LOG_STR(PREFIX "/"), NULL);
	return page;
}

void
admin_page_free(struct admin_page *page)
{
	if (page == NULL)
		return;
	http_files_free(page->files);
	mem_free(page);
}

bool
admin_page_matches(struct text path)
{
	return text_is(path, TEXT(PREFIX)) || text_starts(path, TEXT(PREFIX "/"));
}

static void
page_reply(struct http_request *request, int status, const char *text)
{
	http_reply(request, status, "text/plain; charset=utf-8", text_from(text), false);
}

void
admin_page_handle(struct admin_page *page, struct http_request *request)
{
	http_add_header(request, "Content-Security-Policy", TEXT(POLICY));
	http_add_header(request, "Referrer-Policy", TEXT("no-referrer"));
	if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
		http_add_header(request, "Allow", TEXT("GET, HEAD"));
		page_reply(request, 405, "Method not allowed\n");
	} else if (page == NULL) {
		page_reply(request, 404, "Not found (the admin UI is off; use --admin-ui)\n");
	} else if (page->files == NULL) {
		page_reply(request, 404, MISSING "\n");
	} else if (text_is(request->path, TEXT(PREFIX))) {
		http_add_header(
			request, "Location", TEXT("ui/")); /* relative: a proxy may have put a prefix before it */
		page_reply(request, 308, "See ui/\n");
	} else {
		request->path = text_of(request->path.at + strlen(PREFIX), request->path.n - strlen(PREFIX));
		if (!http_files_offer(page->files, request))
			page_reply(request, 404, "Not found\n");
	}
}
