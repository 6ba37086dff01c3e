#include "node/api/api_fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/json.h"

bool
api_fault(struct api_fault *fault, int status, const char *code, struct text field, const char *format, ...)
{
	va_list args;

	fault->status = status;
	fault->code = code;
	snprintf(fault->field, sizeof fault->field, "%.*s",
		(int)(field.n < sizeof fault->field ? field.n : sizeof fault->field), field.n != 0 ? field.at : "");
	va_start(args, format);
	vsnprintf(fault->message, sizeof fault->message, format, args);
	va_end(args);
	return false;
}

void
api_fault_write(const struct api_fault *fault, struct buffer *out)
{
	buffer_printf(out, "{\"error\":{\"code\":\"%s\",", fault->code);
	if (fault->field[0] != '\0') {
		buffer_add_text(out, TEXT("\"field\":"));
		json_write_string(out, text_from(fault->field));
		buffer_add_byte(out, ',');
	}
	buffer_add_text(out, TEXT("\"message\":"));
	json_write_string(out, text_from(fault->message));
	buffer_add_text(out, TEXT("}}"));
}
