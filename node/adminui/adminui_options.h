/* The options of the admin UI. Without `enabled` the others have no effect. */
#ifndef NODE_ADMINUI_ADMINUI_OPTIONS_H
#define NODE_ADMINUI_ADMINUI_OPTIONS_H

#include "common/base/options.h"

enum adminui_mode { ADMINUI_PRODUCTION, ADMINUI_DEVELOPMENT };

struct adminui_options {
	bool enabled;
	char *users;	 /* see adminui_users.h */
	char *user_file; /* see adminui_users.h */
	int mode;	 /* enum adminui_mode */
	char *page;	 /* folder; NULL or "": the default */
	bool readonly;
};

/* Returns the rows of the options table. They write to `options`, which must outlive the table. */
struct option_table adminui_options_table(struct adminui_options *options);
/*
 * Checks that `enabled` comes with users, and that the users are well formed. Returns 0, or ERROR_ARGUMENT with one
 * line in `error`.
 */
int adminui_options_check(const struct adminui_options *options, char error[OPTION_ERROR_MAX]);

#endif
