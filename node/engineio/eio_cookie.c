#include "node/engineio/eio_cookie.h"

#include "common/base/must.h"
#include "node/http/http_words.h"

/* Written anew: cookies do not know the obsolete forms of a date. */
static void
add_expires(const struct eio_options *o, struct buffer *b, int64_t now)
{
	char date[HTTP_DATE_LENGTH + 1];
	int64_t seconds;

	if (o->cookie_expires == NULL || o->cookie_expires[0] == '\0')
		return;
	must(http_date_read(text_from(o->cookie_expires), now, &seconds) == 0);
	http_date_write(seconds, date);
	buffer_printf(b, "; Expires=%s", date);
}

/* The names and characters were checked by eio_options_check(), a sid needs no encoding. */
void
eio_cookie_add(const struct eio_options *o, struct http_request *r, struct text sid, int64_t now)
{
	struct buffer b;

	if (o->cookie == NULL || text_is(text_from(o->cookie), TEXT("false")))
		return;
	buffer_init(&b, 8192); /* more than what eio_options_check() lets through comes to */
	buffer_add_text(&b, text_is(text_from(o->cookie), TEXT("true")) ? TEXT("io") : text_from(o->cookie));
	buffer_add_byte(&b, '=');
	buffer_add_text(&b, sid);
	if (o->cookie_max_age > 0)
		buffer_printf(&b, "; Max-Age=%llu", (unsigned long long)o->cookie_max_age);
	if (o->cookie_domain != NULL && o->cookie_domain[0] != '\0')
		buffer_printf(&b, "; Domain=%s", o->cookie_domain);
	if (o->cookie_path != NULL && o->cookie_path[0] != '\0')
		buffer_printf(&b, "; Path=%s", o->cookie_path);
	add_expires(o, &b, now);
	if (o->cookie_http_only)
		buffer_add_text(&b, TEXT("; HttpOnly"));
	if (o->cookie_secure)
		buffer_add_text(&b, TEXT("; Secure"));
	if (o->cookie_same_site != NULL && o->cookie_same_site[0] != '\0')
		buffer_printf(&b, "; SameSite=%c%s", o->cookie_same_site[0] & ~0x20, o->cookie_same_site + 1);
	if (buffer_error(&b) == 0)
		http_add_header(r, "Set-Cookie", buffer_text(&b));
	buffer_fini(&b);
}
