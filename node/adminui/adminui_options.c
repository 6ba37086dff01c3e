#include "node/adminui/adminui_options.h"

#include <stdio.h>

#include "common/base/error.h"
#include "node/adminui/adminui_users.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define AT(member) offsetof(struct adminui_options, member)

/* clang-format off */
static const struct option_row adminui_rows[] = {
	{ .group = "Admin UI",
	  .name = "adminUi", .type = OPTION_FLAG, .offset = AT(enabled), .initial = "false",
	  .help = "Serve the namespace /admin for the dashboard @socket.io/admin-ui" },
	{ .name = "adminUiAuth", .type = OPTION_TEXT, .offset = AT(users), .value = "USERS",
	  .secret = OPTION_HIDDEN,
	  .needs = "adminUi",
	  .help = "Who may log in to the admin UI: NAME:HASH with a bcrypt hash as \"htpasswd -nB NAME\" prints it, several separated by commas; none: everybody, without a password; set it in the environment, as a command line is visible to other users" },
	{ .name = "adminUiAuthFile", .type = OPTION_TEXT, .offset = AT(user_file), .value = "FILE",
	  .needs = "adminUi",
	  .help = "File with the users of the admin UI, one NAME:HASH per line as \"htpasswd -B\" writes it; SIGHUP reloads it" },
	{ .name = "adminUiMode", .type = OPTION_CHOICE, .offset = AT(mode), .initial = "production",
	  .choices = "production|development", .value = "MODE",
	  .needs = "adminUi",
	  .help = "What the admin UI shows: production: servers and their statistics; development: also each socket with its rooms, data and handshake, and each event as it happens" },
	{ .name = "adminUiPage", .type = OPTION_TEXT, .offset = AT(page), .value = "DIR",
	  .needs = "adminUi",
	  .help = "Folder with the page of the admin UI, which the admin port serves at /ui/ with --admin-ui; if not set: admin-ui next to the program, or share/sockeye/admin-ui of the installation" },
	{ .name = "adminUiReadonly", .type = OPTION_FLAG, .offset = AT(readonly), .initial = "false",
	  .needs = "adminUi",
	  .help = "Refuse the commands of the admin UI: emit, join, leave and disconnect" },
};
/* clang-format on */

struct option_table
adminui_options_table(struct adminui_options *options)
{
	return (struct option_table){adminui_rows, COUNT(adminui_rows), options, false};
}

int
adminui_options_check(const struct adminui_options *options, char error[OPTION_ERROR_MAX])
{
	struct adminui_users *users;
	int rc;

	_Static_assert(ADMINUI_USERS_ERROR_MAX <= OPTION_ERROR_MAX, "an error line must fit");
	if (!options->enabled)
		return 0;
	rc = adminui_users_new(&users, options->users, options->user_file, error);
	adminui_users_free(users);
	return rc == 0 ? 0 : ERROR_ARGUMENT;
}
