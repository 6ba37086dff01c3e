/*
 * The page of the admin UI at the admin port: the files of one folder, below /ui/. The page runs in the admin's
 * browser and connects to a server by itself, so this file knows nothing of the admin UI's server half.
 */
#ifndef NODE_PROCESS_ADMIN_PAGE_H
#define NODE_PROCESS_ADMIN_PAGE_H

#include "node/adminui/adminui_options.h"
#include "node/http/http.h"

struct admin_page;

/*
 * Opens the folder of the options. Without the option, opens the first of these two that has an index.html: admin-ui
 * next to the program, or ../share/sockeye/admin-ui relative to the program. If no folder has one, a line in the log
 * says so, and requests for the page get 404. Returns NULL if the admin UI is off.
 */
struct admin_page *admin_page_new(const struct adminui_options *options);
void admin_page_free(struct admin_page *page); /* accepts NULL */

/* Returns true if the path is /ui or below. */
bool admin_page_matches(struct text path);

/* Answers the request, whose path matches. `page` may be NULL. */
void admin_page_handle(struct admin_page *page, struct http_request *request);

#endif
