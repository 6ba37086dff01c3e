#include "node/http/http_mime.h"

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
