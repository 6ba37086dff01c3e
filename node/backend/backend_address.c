#include "node/backend/backend_address.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/must.h"
#include "common/io/log.h"

#define SOCKET_MODE 0660
#define LINE_MAX_OF_IO 256 /* longest error line of common/io */

static int
refuse_address(char *error, struct text url)
{
	snprintf(error, OPTION_ERROR_MAX,
		"option --backend: \"%.*s\" is not an address (use unix:///path, tls://host:port or tcp://host:port)",
		(int)(url.n < 200 ? url.n : 200), url.at);
	return ERROR_ARGUMENT;
}

static bool
take_prefix(struct text *t, struct text prefix)
{
	if (!text_starts(*t, prefix))
		return false;
	*t = text_of(t->at + prefix.n, t->n - prefix.n);
	return true;
}

/* Reads host:port, [host]:port, :port or *:port. */
static bool
read_host(struct text t, struct backend_address *out)
{
	const char *colon = t.n > 0 ? memrchr(t.at, ':', t.n) : NULL;
	struct text host;
	uint64_t port;

	if (colon == NULL)
		return false;
	host = text_of(t.at, (size_t)(colon - t.at));
	if (text_number(text_of(colon + 1, t.n - host.n - 1), UINT16_MAX, &port) != 0)
		return false;
	if (host.n > 0 && host.at[0] == '[') {
		if (host.n < 3 || host.at[host.n - 1] != ']')
			return false;
		host = text_of(host.at + 1, host.n - 2);
	} else if (memchr(host.at, ':', host.n) != NULL || memchr(host.at, '/', host.n) != NULL) {
		return false;
	}
	if (text_is(host, TEXT("*")))
		host = TEXT("");
	if (host.n >= sizeof out->at)
		return false;
	memcpy(out->at, host.at, host.n);
	out->port = (uint16_t)port;
	return true;
}

int
backend_address_parse(struct text url, struct backend_address *out, char error[OPTION_ERROR_MAX])
{
	struct text rest = url;

	memset(out, 0, sizeof *out);
	if (take_prefix(&rest, TEXT("unix://"))) {
		out->kind = BACKEND_ADDRESS_UNIX;
		if (rest.n < 2 || rest.at[0] != '/')
			return refuse_address(error, url);
		if (rest.n > UNIX_SOCKET_PATH_MAX) {
			snprintf(error, OPTION_ERROR_MAX,
				"option --backend: the path of the socket has %zu bytes, at most %d are possible; "
				"choose a shorter path",
				rest.n, UNIX_SOCKET_PATH_MAX);
			return ERROR_ARGUMENT;
		}
		memcpy(out->at, rest.at, rest.n);
		return 0;
	}
	if (take_prefix(&rest, TEXT("tls://")))
		out->kind = BACKEND_ADDRESS_TLS;
	else if (take_prefix(&rest, TEXT("tcp://")))
		out->kind = BACKEND_ADDRESS_TCP;
	else
		return refuse_address(error, url);
	return read_host(rest, out) ? 0 : refuse_address(error, url);
}

static void
log_opened(const struct backend_opened *opened)
{
	static const char *const kinds[] = {"unix", "tls", "tcp"};
	const struct backend_address *address = &opened->address;

	if (address->kind == BACKEND_ADDRESS_UNIX)
		log_event(LOG_INFO, "backend_listening", "path", LOG_STR(address->at), NULL);
	else
		log_event(LOG_INFO, "backend_listening", "address", LOG_STR(address->at[0] ? address->at : "*"),
			"port", LOG_INT(listener_set_port(&opened->sockets)), "kind", LOG_STR(kinds[address->kind]),
			NULL);
}

/* The file of a service manager's socket belongs to the service manager. */
static bool
inherit_one(struct backend_opened *opened, const struct inherited *inherited)
{
	struct inherited_group *group = inherited_find(inherited, INHERITED_BACKEND, opened->url);

	if (!inherited_take(group, &opened->sockets))
		return false;
	if (opened->address.kind == BACKEND_ADDRESS_UNIX && group->of_predecessor)
		unix_socket_adopt(&opened->file, opened->address.at);
	return true;
}

static int
open_one(struct backend_opened *opened, const struct inherited *inherited, char *error)
{
	const struct backend_address *address = &opened->address;
	struct listener_options tcp = {.host = address->at, .port = address->port};
	char line[LINE_MAX_OF_IO];
	int result;

	if (inherit_one(opened, inherited))
		result = 0;
	else if (address->kind == BACKEND_ADDRESS_UNIX)
		result = unix_socket_open(&opened->file, &opened->sockets, address->at, SOCKET_MODE, line);
	else
		result = listener_set_open(&opened->sockets, &tcp, line);
	if (result < 0)
		snprintf(error, OPTION_ERROR_MAX, "option --backend: %s", line);
	else
		log_opened(opened);
	return result;
}

int
backend_addresses_open(struct backend_addresses *out, const char *urls, const struct inherited *inherited,
	char error[OPTION_ERROR_MAX])
{
	struct text rest = text_from(urls ? urls : ""), url;
	int result;

	memset(out, 0, sizeof *out);
	while (text_cut(&rest, ',', &url)) {
		struct backend_opened *opened = &out->list[out->count];

		must(out->count < BACKEND_OPENED_MAX);
		result = backend_address_parse(url, &opened->address, error);
		if (result == 0) {
			snprintf(opened->url, sizeof opened->url, "%.*s", (int)url.n, url.at);
			result = open_one(opened, inherited, error);
		}
		if (result < 0) {
			backend_addresses_remove(out);
			return result;
		}
		out->count++;
	}
	return 0;
}

void
backend_addresses_close(struct backend_addresses *addresses)
{
	for (unsigned i = 0; i < addresses->count; i++)
		listener_set_close(&addresses->list[i].sockets);
}

void
backend_addresses_hand_on(const struct backend_addresses *addresses, struct buffer *out)
{
	for (unsigned i = 0; i < addresses->count; i++) {
		const struct backend_opened *opened = &addresses->list[i];

		inherited_write(out, INHERITED_BACKEND, opened->url, opened->sockets.fds, opened->sockets.count);
	}
}

void
backend_addresses_disown(struct backend_addresses *addresses)
{
	for (unsigned i = 0; i < addresses->count; i++)
		memset(&addresses->list[i].file, 0, sizeof addresses->list[i].file);
}

void
backend_addresses_remove(struct backend_addresses *addresses)
{
	backend_addresses_close(addresses);
	for (unsigned i = 0; i < addresses->count; i++) {
		if (addresses->list[i].address.kind == BACKEND_ADDRESS_UNIX)
			unix_socket_remove(&addresses->list[i].file);
	}
	addresses->count = 0;
}
