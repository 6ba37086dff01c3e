#include "node/engineio/eio_options.h"

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/base/utf8.h"
#include "common/io/loop.h"
#include "node/http/http_field.h"
#include "node/http/http_origin.h"
#include "node/http/http_words.h"

#define AT(field) offsetof(struct eio_options, field)
#define MS_MAX (7ull * 24 * 3600 * 1000) /* a week */
#define BYTES_MAX (1ull << 30)		 /* limit for a length field and for one allocation */
#define BUFFERED_MIN 1024		 /* enough for the open packet and some small ones */
#define BUFFERED_DEFAULT (16u << 20)
#define BUFFERED_AROUND (64u << 10) /* overhead of two messages: frame headers, event names, a ping */
#define FRAGMENT_BYTES 16	    /* clients do not send smaller fragments; an attacker would */
#define FRAGMENTS_LEAST 16384u
#define FRAGMENTS_MOST (1u << 24)

static const struct option_row rows[] = {
	{"path", OPTION_TEXT, AT(path), "/engine.io", 0, 0, NULL, "PATH",
		"Prefix of the paths that the server answers", .group = "Engine.IO"},
	{"addTrailingSlash", OPTION_FLAG, AT(add_trailing_slash), "true", 0, 0, NULL, NULL,
		"Require a slash at the end of the path", .group = NULL},
	{"pingInterval", OPTION_MS, AT(ping_interval), "25000", 1, MS_MAX, NULL, "MS",
		"Time from the handshake or the last pong to the next ping", .group = NULL},
	{"pingTimeout", OPTION_MS, AT(ping_timeout), "20000", 1, MS_MAX, NULL, "MS",
		"How long a client may take to answer a ping before it is closed", .group = NULL},
	{"upgradeTimeout", OPTION_MS, AT(upgrade_timeout), "10000", 1, MS_MAX, NULL, "MS",
		"How long an upgrade to WebSocket may take", .reload = true},
	{"maxHttpBufferSize", OPTION_BYTES, AT(max_http_buffer_size), "1000000", 1, BYTES_MAX, NULL, "BYTES",
		"Largest request body or WebSocket message that is accepted", .group = NULL},
	{"logConnections", OPTION_NUMBER, AT(log_connections), "0", 0, 1000000000, NULL, "N",
		"Log the arrival and the end of every Nth client; 0: log no clients", .reload = true},
	{"transports", OPTION_LIST, AT(transports), "polling,websocket", 0, 0, "polling|websocket", "LIST",
		"Transports that clients may use", .group = NULL},
	{"allowUpgrades", OPTION_FLAG, AT(allow_upgrades), "true", 0, 0, NULL, NULL,
		"Allow long-polling sessions to upgrade to WebSocket", .group = NULL},
	{"allowEIO3", OPTION_FLAG, AT(allow_eio3), "false", 0, 0, NULL, NULL,
		"Serve clients of Engine.IO 3 too (Socket.IO 1 and 2)", .group = NULL},
	{"allowJsonp", OPTION_AUTO, AT(allow_jsonp), "auto", 0, 0, NULL, NULL,
		"Serve long-polling by JSONP too; auto means to the clients that allowEIO3 adds", .group = NULL},
	{"destroyUpgrade", OPTION_FLAG, AT(destroy_upgrade), "true", 0, 0, NULL, NULL,
		"Close a connection that requested an upgrade on a path that is not served, after the 404",
		.group = NULL},
	{"destroyUpgradeTimeout", OPTION_MS, AT(destroy_upgrade_timeout), "1000", 1, MS_MAX, NULL, "MS",
		"Accepted for compatibility with Node.js, without effect: the 404 is sent at once", .group = NULL},
	{"initialPacket", OPTION_TEXT, AT(initial_packet), NULL, 0, 0, NULL, "TEXT",
		"Message sent to every client right after the handshake", .group = NULL},

	{"cookie", OPTION_TEXT, AT(cookie), NULL, 0, 0, NULL, "NAME",
		"Name of a cookie with the session id, sent with the long-polling handshake; true means io",
		.group = "Cookie"},
	{"cookiePath", OPTION_TEXT, AT(cookie_path), "/", 0, 0, NULL, "PATH",
		"Path of the cookie; empty omits the attribute", .group = NULL, .needs = "cookie"},
	{"cookieDomain", OPTION_TEXT, AT(cookie_domain), NULL, 0, 0, NULL, "DOMAIN", "Domain of the cookie",
		.group = NULL, .needs = "cookie"},
	{"cookieMaxAge", OPTION_NUMBER, AT(cookie_max_age), "0", 0, 4000000000ull, NULL, "SECONDS",
		"Lifetime of the cookie; 0 means the browser session", .group = NULL, .needs = "cookie"},
	{"cookieExpires", OPTION_TEXT, AT(cookie_expires), NULL, 0, 0, NULL, "DATE",
		"Expiry date of the cookie, in the format of HTTP: Sun, 06 Nov 1994 08:49:37 GMT", .group = NULL,
		.needs = "cookie"},
	{"cookieSameSite", OPTION_TEXT, AT(cookie_same_site), "lax", 0, 0, NULL, "WORD",
		"SameSite attribute of the cookie: lax, strict, none or empty", .group = NULL, .needs = "cookie"},
	{"cookieHttpOnly", OPTION_FLAG, AT(cookie_http_only), "true", 0, 0, NULL, NULL,
		"Hide the cookie from scripts", .group = NULL, .needs = "cookie"},
	{"cookieSecure", OPTION_FLAG, AT(cookie_secure), "false", 0, 0, NULL, NULL, "Send the cookie over TLS only",
		.group = NULL, .needs = "cookie"},

	{"corsOrigin", OPTION_TEXT, AT(cors_origin), NULL, 0, 0, NULL, "ORIGINS",
		"Origins that browsers may connect from: * or true for any, or a list: https://a.example, "
		"https://*.a.example, /^https:\\/\\/a\\d+\\.example$/i",
		.group = "CORS"},
	{"corsMethods", OPTION_TEXT, AT(cors_methods), NULL, 0, 0, NULL, "LIST",
		"Methods that a preflight reply allows; unset means GET,HEAD,PUT,PATCH,POST,DELETE", .group = NULL,
		.needs = "corsOrigin"},
	{"corsAllowedHeaders", OPTION_TEXT, AT(cors_allowed_headers), NULL, 0, 0, NULL, "LIST",
		"Request headers that a preflight reply allows; unset allows the requested ones", .group = NULL,
		.needs = "corsOrigin"},
	{"corsExposedHeaders", OPTION_TEXT, AT(cors_exposed_headers), NULL, 0, 0, NULL, "LIST",
		"Reply headers that scripts may read", .group = NULL, .needs = "corsOrigin"},
	{"corsCredentials", OPTION_FLAG, AT(cors_credentials), "false", 0, 0, NULL, NULL,
		"Let browsers send cookies across origins", .group = NULL, .needs = "corsOrigin"},
	{"corsMaxAge", OPTION_TEXT, AT(cors_max_age), NULL, 0, 0, NULL, "SECONDS",
		"How long a browser may cache a preflight reply", .group = NULL, .needs = "corsOrigin"},
	{"corsOptionsSuccessStatus", OPTION_NUMBER, AT(cors_options_success_status), "204", 200, 299, NULL, "STATUS",
		"Status of the reply to a preflight request", .group = NULL, .needs = "corsOrigin"},
	{"corsPreflightContinue", OPTION_FLAG, AT(cors_preflight_continue), "false", 0, 0, NULL, NULL,
		"Pass preflight requests on instead of answering them", .group = NULL, .needs = "corsOrigin"},
	{"checkOrigin", OPTION_FLAG, AT(check_origin), "true", 0, 0, NULL, NULL,
		"Refuse handshakes that carry a cookie from an origin that is neither this host nor in corsOrigin",
		.group = NULL},

	{"httpCompression", OPTION_FLAG, AT(http_compression), "true", 0, 0, NULL, NULL,
		"Compress long-polling replies of up to 1 MiB", .group = "Compression"},
	{"httpCompressionThreshold", OPTION_BYTES, AT(http_compression_threshold), "1024", 0, BYTES_MAX, NULL,
		"BYTES", "Shorter replies are not compressed", .group = NULL, .needs = "httpCompression"},
	{"perMessageDeflate", OPTION_FLAG, AT(per_message_deflate), "false", 0, 0, NULL, NULL,
		"Compress WebSocket messages (permessage-deflate); costs memory per client", .group = NULL},
	{"perMessageDeflateThreshold", OPTION_BYTES, AT(per_message_deflate_threshold), "1024", 0, BYTES_MAX, NULL,
		"BYTES", "Shorter WebSocket messages are not compressed", .group = NULL,
		.needs = "perMessageDeflate"},
	{"serverNoContextTakeover", OPTION_FLAG, AT(server_no_context_takeover), "false", 0, 0, NULL, NULL,
		"Reset the compression window after each message sent", .group = NULL, .needs = "perMessageDeflate"},
	{"clientNoContextTakeover", OPTION_FLAG, AT(client_no_context_takeover), "false", 0, 0, NULL, NULL,
		"Ask clients to reset their compression window after each message", .group = NULL,
		.needs = "perMessageDeflate"},
	{"serverMaxWindowBits", OPTION_NUMBER, AT(server_max_window_bits), "0", 0, 15, NULL, "BITS",
		"Compression window of the server, 9 to 15; 0 means 15", .group = NULL, .needs = "perMessageDeflate"},
	{"clientMaxWindowBits", OPTION_NUMBER, AT(client_max_window_bits), "0", 0, 15, NULL, "BITS",
		"Compression window requested from clients, 9 to 15; 0 lets them choose", .group = NULL,
		.needs = "perMessageDeflate"},
	{"deflateLevel", OPTION_NUMBER, AT(deflate_level), "0", 0, 9, NULL, "LEVEL",
		"Effort of WebSocket compression, 1 to 9; 0 means zlib's default", .group = NULL,
		.needs = "perMessageDeflate"},
	{"deflateMemLevel", OPTION_NUMBER, AT(deflate_mem_level), "0", 0, 9, NULL, "LEVEL",
		"Memory of WebSocket compression, 1 to 9; 0 means zlib's default", .group = NULL,
		.needs = "perMessageDeflate"},

	{"maxBuffered", OPTION_BYTES, AT(max_buffered), "0", 0, UINT32_MAX, NULL, "BYTES",
		"Bytes that may wait for one session before it is closed as a slow reader; "
		"0 means 16m, or two of the largest messages as base64 if that is more",
		.group = "Limits"},
	{"closeTimeout", OPTION_MS, AT(close_timeout), "30000", 1, MS_MAX, NULL, "MS",
		"How long a closing session or WebSocket waits for its client", .group = NULL},
	{"maxFragments", OPTION_NUMBER, AT(max_fragments), "0", 0, FRAGMENTS_MOST, NULL, "COUNT",
		"Maximum number of fragments of one WebSocket message; "
		"0 means one for each 16 bytes of maxHttpBufferSize, at least 16384",
		.group = NULL},
	{"maxSessions", OPTION_NUMBER, AT(max_sessions), "0", 0, UINT32_MAX, NULL, "COUNT",
		"Open sessions above which handshakes are refused; 0 means no limit", .reload = true},
};

struct option_table
eio_options_table(struct eio_options *options)
{
	return (struct option_table){rows, sizeof(rows) / sizeof(rows[0]), options, false};
}

bool
eio_options_transport(const struct eio_options *options, const char *name)
{
	struct text rest = text_from(options->transports != NULL ? options->transports : ""), part;

	while (text_cut(&rest, ',', &part)) {
		if (text_is(text_trim(part), text_from(name)))
			return true;
	}
	return false;
}

/* Limit for the cookie's name and for its path. Browsers need not accept cookies over 4,096 bytes (RFC 6265 6.1). */
#define COOKIE_PART_MAX 1024

/* RFC 6265 4.1.1, path-value: no control characters, and no ";", which would begin another attribute. */
static bool
is_cookie_path(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e || *text == ';')
			return false;
	}
	return true;
}

/* Letters, digits, hyphens and dots; labels of 1 to 63 characters. One leading dot is accepted (RFC 6265 5.2.3). */
static bool
is_domain(const char *text)
{
	struct text rest = text_from(*text == '.' ? text + 1 : text), label;
	static const char allowed[] = "0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	if (rest.n == 0 || rest.n > 253 || rest.at[rest.n - 1] == '.')
		return false;
	while (text_cut(&rest, '.', &label)) {
		if (label.n == 0 || label.n > 63 || label.at[0] == '-' || label.at[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++) {
			if (memchr(allowed, label.at[i], sizeof(allowed) - 1) == NULL)
				return false;
		}
	}
	return true;
}

/* Returns true if the text can be a header value, or is NULL. */
static bool
is_value(const char *text)
{
	if (text == NULL)
		return true;
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool
is_same_site(const char *text)
{
	return *text == '\0' || text_is_nocase(text_from(text), TEXT("lax")) ||
	       text_is_nocase(text_from(text), TEXT("strict")) || text_is_nocase(text_from(text), TEXT("none"));
}

static bool
is_window(uint64_t bits)
{
	return bits == 0 || (bits >= 9 && bits <= 15);
}

uint64_t
eio_options_max_buffered(const struct eio_options *options)
{
	uint64_t two = options->max_http_buffer_size * 8 / 3 + BUFFERED_AROUND;

	if (options->max_buffered != 0)
		return options->max_buffered;
	return two > BUFFERED_DEFAULT ? two : BUFFERED_DEFAULT;
}

unsigned
eio_options_max_fragments(const struct eio_options *options)
{
	uint64_t fragments = options->max_http_buffer_size / FRAGMENT_BYTES;

	if (options->max_fragments != 0)
		return (unsigned)options->max_fragments;
	if (fragments > FRAGMENTS_MOST)
		return FRAGMENTS_MOST;
	return fragments > FRAGMENTS_LEAST ? (unsigned)fragments : FRAGMENTS_LEAST;
}

uint64_t
eio_options_gzip_threshold(const struct eio_options *options)
{
	return options->http_compression ? options->http_compression_threshold : UINT64_MAX;
}

int
eio_options_check(const struct eio_options *options, char *error)
{
	const char *line = NULL;
	struct http_origins *origins;
	int64_t date;
	uint64_t seconds;

	if (options->path == NULL || options->path[0] != '/' || strpbrk(options->path, "?# ") != NULL ||
		!is_value(options->path))
		line = "option --path: must begin with a slash and must not contain a blank, ? or #";
	else if (!eio_options_transport(options, "polling") && !eio_options_transport(options, "websocket"))
		line = "option --transports: name at least one of polling, websocket";
	else if (options->initial_packet != NULL &&
		 !utf8_valid(options->initial_packet, strlen(options->initial_packet)))
		line = "option --initial-packet: not valid UTF-8";
	else if (options->cookie != NULL &&
		 !http_all(text_from(options->cookie), HTTP_TCHAR) /* a token, RFC 6265 4.1.1 */)
		line = "option --cookie: the name may contain only letters, digits and !#$%&'*+-.^_`|~";
	else if ((options->cookie != NULL && strlen(options->cookie) > COOKIE_PART_MAX) ||
		 (options->cookie_path != NULL && strlen(options->cookie_path) > COOKIE_PART_MAX))
		line = "options --cookie and --cookie-path: at most 1024 characters each";
	else if (options->cookie_path != NULL && !is_cookie_path(options->cookie_path))
		line = "option --cookie-path: control characters, non-ASCII characters and ; are not allowed";
	else if (options->cookie_domain != NULL && options->cookie_domain[0] != '\0' &&
		 !is_domain(options->cookie_domain))
		line = "option --cookie-domain: not a domain name";
	else if (options->cookie_expires != NULL && options->cookie_expires[0] != '\0' &&
		 http_date_read(text_from(options->cookie_expires), loop_wall_ms() / 1000, &date) < 0)
		line = "option --cookie-expires: must be a date like Sun, 06 Nov 1994 08:49:37 GMT";
	else if (options->cookie_same_site != NULL && !is_same_site(options->cookie_same_site))
		line = "option --cookie-same-site: must be lax, strict, none or empty";
	else if (!is_value(options->cors_methods) || !is_value(options->cors_allowed_headers) ||
		 !is_value(options->cors_exposed_headers))
		line = "options --cors-methods, --cors-allowed-headers and --cors-exposed-headers: control "
		       "characters are not allowed";
	else if (options->cors_max_age != NULL &&
		 text_number(text_from(options->cors_max_age), UINT32_MAX, &seconds) < 0)
		line = "option --cors-max-age: must be a number of seconds";
	else if (!is_window(options->server_max_window_bits))
		line = "option --server-max-window-bits: must be 0 or 9 to 15";
	else if (!is_window(options->client_max_window_bits))
		line = "option --client-max-window-bits: must be 0 or 9 to 15";
	else if (options->max_buffered != 0 && options->max_buffered < BUFFERED_MIN)
		line = "option --max-buffered: must be 0 or at least 1024";
	if (line == NULL) {
		int result = http_origins_new(&origins, options->cors_origin, error);

		http_origins_free(origins);
		return result;
	}
	snprintf(error, OPTION_ERROR_MAX, "%s", line);
	return ERROR_ARGUMENT;
}
