#include "node/engineio/eio_cookie.h"

#include "common/base/must.h"
#include "node/http/http_words.h"

/* The date is reformatted, because cookies do not allow the obsolete forms that the option accepts. */
static void
add_expires(const struct eio_options *options, struct buffer *out, int64_t now)
{
	char date[HTTP_DATE_LENGTH + 1];
	int64_t seconds;

	if (options->cookie_expires == NULL || options->cookie_expires[0] == '\0')
		return;
	must(http_date_read(text_from(options->cookie_expires), now, &seconds) == 0);
	http_date_write(seconds, date);
	buffer_printf(out, "; Expires=%s", date);
}

/* eio_options_check() has checked names and characters; a sid needs no encoding. */
void
eio_cookie_add(const struct eio_options *options, struct http_request *r, struct text sid, int64_t now)
{
	struct buffer out;

	if (options->cookie == NULL || text_is(text_from(options->cookie), TEXT("false")))
		return;
	buffer_init(&out, 8192); /* more than any set of options accepted by eio_options_check() needs */
	buffer_add_text(
		&out, text_is(text_from(options->cookie), TEXT("true")) ? TEXT("io") : text_from(options->cookie));
	buffer_add_byte(&out, '=');
	buffer_add_text(&out, sid);
	if (options->cookie_max_age > 0)
		buffer_printf(&out, "; Max-Age=%llu", (unsigned long long)options->cookie_max_age);
	if (options->cookie_domain != NULL && options->cookie_domain[0] != '\0')
		buffer_printf(&out, "; Domain=%s", options->cookie_domain);
	if (options->cookie_path != NULL && options->cookie_path[0] != '\0')
		buffer_printf(&out, "; Path=%s", options->cookie_path);
	add_expires(options, &out, now);
	if (options->cookie_http_only)
		buffer_add_text(&out, TEXT("; HttpOnly"));
	if (options->cookie_secure)
		buffer_add_text(&out, TEXT("; Secure"));
	if (options->cookie_same_site != NULL && options->cookie_same_site[0] != '\0')
		buffer_printf(
			&out, "; SameSite=%c%s", options->cookie_same_site[0] & ~0x20, options->cookie_same_site + 1);
	if (buffer_error(&out) == 0)
		http_add_header(r, "Set-Cookie", buffer_text(&out));
	buffer_fini(&out);
}
