#include "node/http/http_words.h"

#include <stdio.h>
#include <time.h>

#include "common/base/ascii.h"
#include "common/base/error.h"

/* -------------------------------------------------------------- reason phrases */

static const struct {
	uint16_t status;
	const char *phrase;
} phrases[] = {
	{100, "Continue"},
	{101, "Switching Protocols"},
	{102, "Processing"},
	{103, "Early Hints"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Payload Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{426, "Upgrade Required"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
};

const char *
http_status_phrase(int status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Unknown";
}

/* ---------------------------------------------------------------- media types */

static const struct http_mime types[] = {
	{"html", "text/html; charset=utf-8", true},
	{"htm", "text/html; charset=utf-8", true},
	{"js", "text/javascript; charset=utf-8", true},
	{"mjs", "text/javascript; charset=utf-8", true},
	{"map", "application/json; charset=utf-8", true},
	{"css", "text/css; charset=utf-8", true},
	{"json", "application/json; charset=utf-8", true},
	{"webmanifest", "application/manifest+json; charset=utf-8", true},
	{"svg", "image/svg+xml", true},
	{"txt", "text/plain; charset=utf-8", true},
	{"md", "text/markdown; charset=utf-8", true},
	{"csv", "text/csv; charset=utf-8", true},
	{"xml", "application/xml; charset=utf-8", true},
	{"wasm", "application/wasm", true},
	{"ico", "image/x-icon", true},
	{"ttf", "font/ttf", true},
	{"otf", "font/otf", true},
	{"woff", "font/woff", false},
	{"woff2", "font/woff2", false},
	{"png", "image/png", false},
	{"jpg", "image/jpeg", false},
	{"jpeg", "image/jpeg", false},
	{"gif", "image/gif", false},
	{"webp", "image/webp", false},
	{"avif", "image/avif", false},
	{"pdf", "application/pdf", false},
	{"mp3", "audio/mpeg", false},
	{"mp4", "video/mp4", false},
	{"ogg", "audio/ogg", false},
	{"webm", "video/webm", false},
	{"zip", "application/zip", false},
	{"gz", "application/gzip", false},
};

const struct http_mime *
http_mime_of(struct text file_name)
{
	static const struct http_mime other = {"", "application/octet-stream", false};
	size_t dot = file_name.n;

	while (dot > 0 && file_name.at[dot - 1] != '.' && file_name.at[dot - 1] != '/')
		dot--;
	if (dot == 0 || file_name.at[dot - 1] != '.')
		return &other;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (text_is_nocase(text_of(file_name.at + dot, file_name.n - dot), text_from(types[i].extension)))
			return &types[i];
	return &other;
}

/* ---------------------------------------------------------------------- dates */

#define SECONDS_YEAR_0 (-62167219200LL)
#define SECONDS_YEAR_9999 253402300799LL

void
http_date_write(int64_t seconds, char out[HTTP_DATE_LENGTH + 1])
{
	struct tm tm;
	time_t t;

	if (seconds < SECONDS_YEAR_0)
		seconds = SECONDS_YEAR_0;
	if (seconds > SECONDS_YEAR_9999)
		seconds = SECONDS_YEAR_9999;
	t = (time_t)seconds;
	gmtime_r(&t, &tm);
	snprintf(out, HTTP_DATE_LENGTH + 1, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", ascii_days[tm.tm_wday % 7],
		(unsigned)tm.tm_mday % 100, ascii_months[tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
		(unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/*
 * Matches `t` against a shape: "D" is a digit, "_" a digit or blank, "w" a letter, "@@@" the name of a month; any
 * other character stands for itself. Collects the numbers in their order, and the month.
 */
static bool
date_match(struct text t, const char *shape, unsigned numbers[6], unsigned *month)
{
	unsigned count = 0;
	bool in_number = false;

	if (strlen(shape) != t.n)
		return false;
	memset(numbers, 0, 6 * sizeof(numbers[0]));
	for (size_t i = 0; i < t.n; i++) {
		char character = t.at[i];

		if (shape[i] == 'D' || shape[i] == '_') {
			if (!in_number)
				count++;
			in_number = true;
			if (character >= '0' && character <= '9')
				numbers[count - 1] = numbers[count - 1] * 10 + (unsigned)(character - '0');
			else if (shape[i] != '_' || character != ' ')
				return false;
			continue;
		}
		in_number = false;
		if (shape[i] == '@') {
			for (*month = 0; *month < 12 && memcmp(ascii_months[*month], t.at + i, 3) != 0; ++*month)
				;
			if (*month == 12)
				return false;
			i += 2;
		} else if (shape[i] == 'w' ? (character | 0x20) < 'a' || (character | 0x20) > 'z'
					   : character != shape[i])
			return false;
	}
	return true;
}

int
http_date_read(struct text t, int64_t now, int64_t *seconds)
{
	static const char zone[] = ", DD-@@@-DD DD:DD:DD GMT";
	const char *comma = t.n ? memchr(t.at, ',', t.n) : NULL;
	unsigned n[6], month, year, day, clock;

	if (date_match(t, "www, DD @@@ DDDD DD:DD:DD GMT", n, &month)) {
		year = n[1];
		day = n[0];
		clock = 2;
	} else if (date_match(t, "www @@@ _D DD:DD:DD DDDD", n, &month)) {
		year = n[4];
		day = n[0];
		clock = 1;
	} else if (comma && date_match(text_of(comma, t.n - (size_t)(comma - t.at)), zone, n, &month)) {
		time_t at = (time_t)now;
		struct tm tm;

		gmtime_r(&at, &tm);
		year = (unsigned)(tm.tm_year + 1900) / 100 * 100 + n[1];
		if (year > (unsigned)tm.tm_year + 1950)
			year -= 100;
		day = n[0];
		clock = 2;
	} else
		return ERROR_SYNTAX;
	if (!day || day > 31 || n[clock] > 23 || n[clock + 1] > 59 || n[clock + 2] > 60)
		return ERROR_SYNTAX;
	*seconds = timegm(&(struct tm){.tm_year = (int)year - 1900,
		.tm_mon = (int)month,
		.tm_mday = (int)day,
		.tm_hour = (int)n[clock],
		.tm_min = (int)n[clock + 1],
		.tm_sec = (int)n[clock + 2]});
	return 0;
}
