#include "node/api/api_fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/json.h"

bool
api_fault(struct api_fault *f, int status, const char *code, struct text field, const char *format, ...)
{
	va_list args;

	f->status = status;
	f->code = code;
	snprintf(f->field, sizeof f->field, "%.*s", (int)(field.n < sizeof f->field ? field.n : sizeof f->field),
		field.n != 0 ? field.at : "");
	va_start(args, format);
	vsnprintf(f->message, sizeof f->message, format, args);
	va_end(args);
	return false;
}

void
api_fault_write(const struct api_fault *f, struct buffer *out)
{
	buffer_printf(out, "{\"error\":{\"code\":\"%s\",", f->code);
	if (f->field[0] != '\0') {
		buffer_add_text(out, TEXT("\"field\":"));
		json_write_string(out, text_from(f->field));
		buffer_add_byte(out, ',');
	}
	buffer_add_text(out, TEXT("\"message\":"));
	json_write_string(out, text_from(f->message));
	buffer_add_text(out, TEXT("}}"));
}
