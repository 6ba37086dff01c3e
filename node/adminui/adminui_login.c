/*
 * Log-in. A client sends a user name and a password, or the id of an earlier log-in.
 *
 *   a password      is compared in the thread; then a session is made and the other servers are told, so that the
 *                   client can reconnect at any of them; once they have answered, or ANNOUNCE_MS later, the client is
 *                   admitted
 *   a session id    is accepted at once
 *   anything else   is refused
 */
#include <stdio.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/io/log.h"
#include "node/adminui/adminui_internal.h"

#define ANNOUNCE_MS 500
#define REFUSALS_LOGGED 20 /* lines per second */
#define ADDRESS_SIZE 64

struct adminui_login {
	struct list link;
	uint64_t ticket;
	sio_step *step;
	const struct adminui_user *user; /* NULL: the name is unknown */
	char address[ADDRESS_SIZE];
	char session[ADMINUI_SESSION_ID + 1];
};

static void
login_refuse(struct adminui *ui, sio_step *step, const char *address, const char *why, const char *message)
{
	counter_add(&ui->loop->counters, COUNT_ADMINUI_REFUSED, 1);
	if (log_allow(&ui->refusals, REFUSALS_LOGGED, loop_wall_ms()))
		log_event(LOG_WARN, "admin_ui_login", "result", LOG_STR("refused"), "reason", LOG_STR(why), "address",
			LOG_STR(address), NULL);
	sio_refuse(step, message, NULL);
}

/* The socket may have left; its step must be answered nevertheless. */
static void
login_admit(sio_step *step, const char *user, const char *session)
{
	sio_socket *socket = sio_step_socket(step);
	struct adminui_admin *admin;

	if (socket != NULL) {
		admin = mem_zalloc(sizeof *admin);
		snprintf(admin->user, sizeof admin->user, "%s", user);
		snprintf(admin->session, sizeof admin->session, "%s", session);
		if (sio_set_user_free(socket, admin, mem_free) != 0)
			mem_free(admin);
	}
	sio_next(step);
}

static struct adminui_login *
login_find(const struct adminui *ui, uint64_t ticket)
{
	struct list *it, *next;

	list_each(it, next, &ui->logins)
	{
		struct adminui_login *login = container_of(it, struct adminui_login, link);

		if (login->ticket == ticket)
			return login;
	}
	return NULL;
}

static void
login_free(struct adminui_login *login)
{
	list_remove(&login->link);
	mem_free(login);
}

/* ------------------------------------------------------------- a new session */

struct announced {
	struct adminui *ui;
	uint64_t ticket;
};

static void
login_on_announced(sio_server *io, int error, const sio_answers *answers, void *arg)
{
	struct announced *announced = arg;
	struct adminui_login *login = login_find(announced->ui, announced->ticket);

	(void)io;
	(void)error;
	(void)answers;
	mem_free(announced);
	if (login == NULL)
		return;
	login_admit(login->step, login->user->name, login->session);
	login_free(login);
}

static void
login_make_session(struct adminui *ui, struct adminui_login *login)
{
	struct announced *announced = mem_alloc(sizeof *announced);
	char hex[2 * SHA256_LENGTH + 1] = "";
	struct sha256 digest;

	random_id(login->session, ADMINUI_SESSION_ID);
	digest = sha256_of(text_from(login->session), TEXT_NONE);
	ascii_hex_write(digest.bytes, SHA256_LENGTH, hex);
	adminui_sessions_add(&ui->sessions, &digest, login->user->name, ui->loop->now);
	*announced = (struct announced){ui, login->ticket};
	if (sio_server_side_emit_ack(ui->nsp, ANNOUNCE_MS, login_on_announced, announced, ADMINUI_SAY_SESSION, "ss",
		    hex, login->user->name) != 0)
		login_on_announced(ui->io, 0, NULL, announced);
}

static bool
login_read_digest(struct text hex, struct sha256 *out)
{
	if (hex.n != 2 * SHA256_LENGTH)
		return false;
	for (size_t i = 0; i < SHA256_LENGTH; i++) {
		int high = ascii_hex_value(hex.at[2 * i]), low = ascii_hex_value(hex.at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Another server has admitted an admin. Its user must exist here too. */
static void
login_on_session(sio_nsp *nsp, sio_event *event, void *arg)
{
	struct adminui *ui = arg;
	size_t hex_n, name_n;
	const char *hex = sio_string(sio_arg(event, 0), &hex_n), *name = sio_string(sio_arg(event, 1), &name_n);
	const struct adminui_user *user;
	struct sha256 digest;

	(void)nsp;
	if (hex != NULL && name != NULL && login_read_digest(text_of(hex, hex_n), &digest)) {
		user = adminui_users_find(ui->users, text_of(name, name_n));
		if (user != NULL)
			adminui_sessions_add(&ui->sessions, &digest, user->name, ui->loop->now);
	}
	sio_ack(event, "b", true);
}

/* ---------------------------------------------------------------- a password */

static void
login_on_compared(void *arg, uint64_t ticket, bool same)
{
	struct adminui *ui = arg;
	struct adminui_login *login = login_find(ui, ticket);
	struct address address;

	if (login == NULL)
		return;
	if (!same || login->user == NULL) {
		login_refuse(ui, login->step, login->address, "invalid-credentials", "invalid credentials");
		login_free(login);
		return;
	}
	counter_add(&ui->loop->counters, COUNT_ADMINUI_LOGINS, 1);
	log_event(LOG_INFO, "admin_ui_login", "result", LOG_STR("ok"), "user", LOG_STR(login->user->name), "address",
		LOG_STR(login->address), NULL);
	if (address_read(text_from(login->address), &address))
		adminui_guard_clear(&ui->guard, &address);
	login_make_session(ui, login);
}

static void
login_try_password(struct adminui *ui, sio_step *step, const char *from, struct text name, struct text password)
{
	struct address address = {{0}};
	const struct adminui_user *user, *compared;
	struct adminui_login *login;

	(void)address_read(text_from(from), &address); /* all clients without an address count as one */
	if (!adminui_guard_admits(&ui->guard, &address, ui->loop->now)) {
		login_refuse(ui, step, from, "too-many-attempts", "too many attempts; wait a minute");
		return;
	}
	user = adminui_users_find(ui->users, name);
	compared = user != NULL ? user : adminui_users_stand_in(ui->users, name);
	if (!adminui_bcrypt_compare(ui->bcrypt, ui->tickets + 1, password, compared->hash)) {
		login_refuse(ui, step, from, password.n > ADMINUI_PASSWORD_MAX ? "invalid-credentials" : "busy",
			password.n > ADMINUI_PASSWORD_MAX ? "invalid credentials" : "busy; try again");
		return;
	}
	login = mem_zalloc(sizeof *login);
	login->ticket = ++ui->tickets;
	login->step = step;
	login->user = user;
	snprintf(login->address, sizeof login->address, "%s", from);
	list_add_tail(&ui->logins, &login->link);
}

static void
login_use(sio_socket *socket, sio_step *step, void *arg)
{
	struct adminui *ui = arg;
	sio_value auth = sio_auth(socket);
	size_t id_n, name_n, password_n;
	const char *id = sio_string(sio_get(auth, "sessionId"), &id_n);
	const char *name = sio_string(sio_get(auth, "username"), &name_n);
	const char *password = sio_string(sio_get(auth, "password"), &password_n);
	const char *user = NULL;

	if (ui->stopped) {
		sio_refuse(step, "the server is stopping", NULL);
		return;
	}
	if (ui->users->open) {
		login_admit(step, "", "");
		return;
	}
	if (id != NULL)
		user = adminui_sessions_find(&ui->sessions, text_of(id, id_n), ui->loop->now);
	if (user != NULL)
		login_admit(step, user, "");
	else if (name != NULL && password != NULL)
		login_try_password(
			ui, step, sio_address(socket), text_of(name, name_n), text_of(password, password_n));
	else
		login_refuse(ui, step, sio_address(socket), id != NULL ? "unknown-session" : "no-credentials",
			"invalid credentials");
}

/* ---------------------------------------------------------------------- life */

bool
adminui_login_init(struct adminui *ui)
{
	char error[ADMINUI_USERS_ERROR_MAX];

	if (adminui_users_new(&ui->users, ui->options->users, ui->options->user_file, error) != 0) {
		log_event(LOG_ERROR, "admin_ui", "error", LOG_STR(error), NULL);
		return false;
	}
	list_init(&ui->logins);
	ui->bcrypt = adminui_bcrypt_new(ui->loop->ev, login_on_compared, ui);
	if (ui->users->open)
		log_event(LOG_WARN, "admin_ui", "error",
			LOG_STR("everybody who reaches the port is an admin (adminUiAuth is none)"), NULL);
	return true;
}

static void
login_refuse_waiting(struct adminui *ui, const char *message)
{
	struct list *it, *next;

	list_each(it, next, &ui->logins)
	{
		struct adminui_login *login = container_of(it, struct adminui_login, link);

		sio_refuse(login->step, message, NULL);
		login_free(login);
	}
}

void
adminui_login_stop(struct adminui *ui)
{
	login_refuse_waiting(ui, "the server is stopping");
}

/* -------------------------------------------------------------------- reload */

struct dismissal {
	const char *user;
	unsigned count;
};

static void
login_dismiss_socket(sio_socket *socket, void *arg)
{
	const struct adminui_admin *admin = sio_user(socket);
	struct dismissal *dismissal = arg;

	if (admin == NULL || strcmp(admin->user, dismissal->user) != 0)
		return;
	sio_disconnect(socket, true);
	dismissal->count++;
}

/* Ends the sessions and connections of users who are gone or have another password. Returns how many connections. */
static unsigned
login_dismiss(struct adminui *ui, const struct adminui_users *before)
{
	struct dismissal dismissal = {.count = 0};

	for (unsigned i = 0; i < before->count; i++) {
		const struct adminui_user *user = adminui_users_find(ui->users, text_from(before->at[i].name));

		if (user != NULL && strcmp(user->hash, before->at[i].hash) == 0)
			continue;
		dismissal.user = before->at[i].name;
		adminui_sessions_end(&ui->sessions, dismissal.user);
		(void)sio_local_sockets(sio_all(ui->nsp), login_dismiss_socket, &dismissal);
	}
	return dismissal.count;
}

void
adminui_login_reload(struct adminui *ui)
{
	struct adminui_users *before = ui->users, *users;
	char error[ADMINUI_USERS_ERROR_MAX];
	unsigned dismissed;

	if (adminui_users_new(&users, ui->options->users, ui->options->user_file, error) != 0) {
		log_event(LOG_ERROR, "reload", "error", LOG_STR(error), NULL);
		return;
	}
	login_refuse_waiting(ui, "busy; try again"); /* the waiting log-ins refer to the old users */
	ui->users = users;
	dismissed = login_dismiss(ui, before);
	adminui_users_free(before);
	log_event(LOG_INFO, "reload", "admin_ui_users", LOG_INT(users->count), "dismissed", LOG_INT(dismissed), NULL);
}

void
adminui_login_fini(struct adminui *ui)
{
	adminui_bcrypt_free(ui->bcrypt);
	adminui_users_free(ui->users);
}

void
adminui_login_listen(struct adminui *ui)
{
	sio_use(ui->nsp, login_use, ui);
	sio_on_server_event(ui->nsp, ADMINUI_SAY_SESSION, login_on_session, ui);
}
