#include "tests/load/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/base64.h"
#include "common/base/error.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/random.h"
#include "common/io/tls.h"
#include "tests/load/control.h"
#include "tests/load/load_options.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24 /* Linux 4.2: connect() chooses the port, because it knows the peer */
#endif

#define KEY_BYTES 16
#define FIELDS_MAX (2 * LOAD_HEADERS_MAX + 2048) /* each | becomes two bytes */
#define LATER_MAX 256				 /* of a head: a sid, the length of a body */

static const char usual_fields[] = "User-Agent: sockeye-load/" SOCKEYE_VERSION "\r\n";
static const char browser_fields[] =
	"Pragma: no-cache\r\nCache-Control: no-cache\r\n"
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
	"Chrome/131.0.0.0 Safari/537.36\r\n"
	"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
	"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: websocket\r\nSec-Fetch-Site: same-origin\r\n";

struct scheme {
	struct text name;
	bool tls;
};

static const struct scheme schemes[] = {
	{{"http://", 7}, false}, {{"https://", 8}, true}, {{"ws://", 5}, false}, {{"wss://", 6}, true}};

static bool
has_control(const char *text)
{
	while (*text && !control_is(*text))
		text++;
	return *text != '\0';
}

static int
target_refuse(char *error, const char *url, const char *why)
{
	snprintf(error, TARGET_ERROR_MAX, "\"%.100s\" %s", url, why);
	control_replace(error);
	return ERROR_ARGUMENT;
}

/* host[:port] or [address][:port] */
static int
read_authority(struct target *t, struct text authority, bool tls, char *error)
{
	struct text host = authority, port = TEXT_NONE;
	const char *end = authority.at + authority.n, *colon = NULL;
	uint64_t number = tls ? 443 : 80;

	if (memchr(authority.at, '@', authority.n))
		return target_refuse(error, t->url, "contains a user name; credentials go into --auth or --header");
	if (authority.n > 0 && authority.at[0] == '[') {
		const char *bracket = memchr(authority.at, ']', authority.n);

		if (bracket == NULL)
			return target_refuse(error, t->url, "has a [ without a ]");
		host = text_of(authority.at + 1, (size_t)(bracket - authority.at) - 1);
		if (bracket + 1 < end)
			colon = bracket + 1;
	} else {
		colon = memchr(authority.at, ':', authority.n);
		if (colon)
			host.n = (size_t)(colon - authority.at);
	}
	if (colon) {
		port = text_of(colon + 1, (size_t)(end - colon) - 1);
		if (*colon != ':' || text_number(port, 65535, &number) != 0 || number == 0)
			return target_refuse(error, t->url, "has an invalid port (use 1 to 65535)");
	}
	if (host.n == 0)
		return target_refuse(error, t->url, "has no host");
	t->host = mem_text(host.at, host.n);
	t->port = (uint16_t)number;
	return 0;
}

static int
read_url(struct target *t, bool *tls, char *error)
{
	struct text rest = text_from(t->url), authority = rest;
	const struct scheme *scheme = NULL;
	const char *slash;

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (text_starts(rest, schemes[i].name))
			scheme = &schemes[i];
	if (scheme == NULL)
		return target_refuse(
			error, t->url, "is not a URL (it must begin with http://, https://, ws:// or wss://)");
	*tls = scheme->tls;
	authority = text_of(rest.at + scheme->name.n, rest.n - scheme->name.n);
	slash = memchr(authority.at, '/', authority.n);
	if (slash) {
		t->nsp = mem_text(slash, (size_t)(authority.at + authority.n - slash));
		authority.n = (size_t)(slash - authority.at);
	} else {
		t->nsp = mem_text("/", 1);
	}
	if (strlen(t->nsp) > TARGET_NSP_MAX)
		return target_refuse(error, t->url, "has a namespace of more than 512 bytes");
	if (strpbrk(t->nsp, ",?# \"\\") || has_control(t->nsp))
		return target_refuse(
			error, t->url, "has a namespace with a comma, question mark, space, # or quote in it");
	return read_authority(t, authority, scheme->tls, error);
}

static int
look_up(struct target *t, char *error)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *all;
	const struct sockaddr_in *in;
	char port[8];
	int result;

	snprintf(port, sizeof port, "%u", t->port);
	result = getaddrinfo(t->host, port, &hints, &all);
	if (result != 0) {
		snprintf(error, TARGET_ERROR_MAX, "\"%.100s\": cannot resolve the host: %s", t->url,
			gai_strerror(result));
		control_replace(error);
		return ERROR_NOT_FOUND;
	}
	/* prefers IPv4: "localhost" is often ::1 first, where few servers listen */
	for (const struct addrinfo *a = all; a; a = a->ai_next) {
		if (a == all || (a->ai_family == AF_INET && t->address.ss_family != AF_INET)) {
			memcpy(&t->address, a->ai_addr, a->ai_addrlen);
			t->address_len = a->ai_addrlen;
		}
	}
	freeaddrinfo(all);
	in = (const struct sockaddr_in *)&t->address;
	t->loopback = t->address.ss_family == AF_INET && ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return 0;
}

static int
make_tls(struct target *t, const struct load_options *o, char *error)
{
	const struct tls_client_options options = {.host = t->host, .ca_file = o->ca, .insecure = !o->verify};
	char why[TLS_ERROR_MAX];

	if (tls_client_new(&t->tls, &options, why) == 0)
		return 0;
	snprintf(error, TARGET_ERROR_MAX, "option --ca: %.200s", why);
	return ERROR_TLS;
}

static void
make_fields(struct target *t, bool tls, const struct load_options *o)
{
	bool v6 = strchr(t->host, ':') != NULL, usual_port = t->port == (tls ? 443 : 80);
	struct text rest = text_from(o->headers ? o->headers : ""), field;
	struct buffer out;
	char port[8] = "";
	size_t n;

	buffer_init(&out, FIELDS_MAX);
	if (!usual_port)
		snprintf(port, sizeof port, ":%u", t->port);
	buffer_printf(&out, v6 ? "Host: [%s]%s\r\n" : "Host: %s%s\r\n", t->host, port);
	buffer_printf(&out, "%s", o->browser_headers ? browser_fields : usual_fields);
	if (o->browser_headers) /* the server's own origin, which every server accepts */
		buffer_printf(&out, v6 ? "Origin: %s://[%s]%s\r\n" : "Origin: %s://%s%s\r\n", tls ? "https" : "http",
			t->host, port);
	while (text_cut(&rest, '|', &field)) {
		buffer_add_text(&out, text_trim(field));
		buffer_add_text(&out, TEXT("\r\n"));
	}
	buffer_add_byte(&out, 0);
	must(buffer_error(&out) == 0);
	t->fields = (char *)buffer_steal(&out, &n);
}

static void
make_upgrade(struct target *t, bool deflate)
{
	uint8_t key[KEY_BYTES];
	char text[BASE64_ENCODED(KEY_BYTES) + 1], head[TARGET_HEAD_MAX];
	struct buffer fields;
	size_t n;

	random_bytes(key, sizeof key);
	base64_encode(key, sizeof key, text);
	text[sizeof text - 1] = '\0';
	ws_key_accept(text_from(text), t->accept);
	buffer_init(&fields, FIELDS_MAX + 256);
	buffer_printf(&fields,
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: %s\r\n%s",
		text, deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
	buffer_add_byte(&fields, 0);
	t->upgrade_fields = (char *)buffer_steal(&fields, &n);
	n = target_head(t, head, "GET", NULL, true, -1);
	t->upgrade = block_copy(head, n);
}

static void
make_connect(struct target *t, const char *auth)
{
	struct buffer out;

	buffer_init(&out, 1 << 20);
	buffer_add_text(&out, TEXT("40"));
	if (strcmp(t->nsp, "/") != 0)
		buffer_printf(&out, "%s,", t->nsp);
	t->connect_auth = out.len;
	if (auth)
		buffer_add_text(&out, text_trim(text_from(auth)));
	must(buffer_error(&out) == 0);
	t->connect = block_copy(out.data, out.len);
	buffer_fini(&out);
}

int
target_init(struct target *t, const char *url, const struct load_options *o, char error[TARGET_ERROR_MAX])
{
	bool tls = false;
	struct buffer request;
	size_t n;
	int result;

	*t = (struct target){.url = mem_text(url, strlen(url))};
	result = read_url(t, &tls, error);
	if (result == 0)
		result = look_up(t, error);
	if (result == 0 && tls)
		result = make_tls(t, o, error);
	if (result < 0)
		return result;
	buffer_init(&request, 1 << 20);
	buffer_printf(&request, " %s?EIO=4%s%s", o->path, o->query ? "&" : "", o->query ? o->query : "");
	buffer_add_byte(&request, 0);
	t->request = (char *)buffer_steal(&request, &n);
	make_fields(t, tls, o);
	make_upgrade(t, o->per_message_deflate);
	make_connect(t, o->auth);
	if (t->upgrade->len == 0 || t->upgrade->len > TARGET_HEAD_MAX - LATER_MAX)
		return target_refuse(
			error, t->url, "makes the request too long; shorten --path, --query or --header");
	return 0;
}

void
target_fini(struct target *t)
{
	mem_free(t->url);
	mem_free(t->host);
	mem_free(t->nsp);
	mem_free(t->request);
	mem_free(t->fields);
	mem_free(t->upgrade_fields);
	tls_context_free(t->tls);
	block_unref(t->upgrade);
	block_unref(t->connect);
	*t = (struct target){.url = NULL};
}

size_t
target_head(const struct target *t, char out[TARGET_HEAD_MAX], const char *method, const char *sid, bool websocket,
	int64_t body)
{
	char length[96] = "";
	int n;

	if (body >= 0)
		snprintf(length, sizeof length, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %lld\r\n",
			(long long)body);
	n = snprintf(out, TARGET_HEAD_MAX, "%s%s&transport=%s%s%s HTTP/1.1\r\n%s%s%s\r\n", method, t->request,
		websocket ? "websocket" : "polling", sid ? "&sid=" : "", sid ? sid : "", t->fields,
		websocket ? t->upgrade_fields : "Accept: */*\r\n", length);
	return n < 0 || n >= TARGET_HEAD_MAX ? 0 : (size_t)n;
}

/* Source address number n (1, 2, ...) is 127.1.0.1, 127.1.0.2, ..., far from the addresses that servers use. */
static int
use_source(int fd, unsigned n)
{
	uint32_t host = (127u << 24 | 1u << 16) + (n - 1) / 250 * 256 + (n - 1) % 250 + 1;
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
	int on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	return bind(fd, (const struct sockaddr *)&from, sizeof from);
}

int
target_connect(const struct target *t, unsigned source)
{
	int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if ((source == 0 || use_source(fd, source) == 0) &&
		(connect(fd, (const struct sockaddr *)&t->address, t->address_len) == 0 || errno == EINPROGRESS))
		return fd;
	error = errno;
	close(fd);
	return -error;
}
