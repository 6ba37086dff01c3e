#include "node/backend/backend_args.h"

#include "common/base/error.h"
#include "node/socketio/sio_server.h"

int
backend_args_take(struct backend_args *out, struct text body, uint8_t flags)
{
	struct text parts[SIO_ATTACHMENTS_MAX];
	int n;

	*out = (struct backend_args){0};
	attachments_init(&out->attachments);
	n = backend_take_args(body, flags, &out->content.json, parts, SIO_ATTACHMENTS_MAX);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		struct block *b = block_try_copy(parts[i].at, parts[i].n);

		if (b == NULL) {
			backend_args_fini(out);
			return ERROR_MEMORY;
		}
		attachments_add(&out->attachments, b);
		block_unref(b);
	}
	if (n > 0)
		out->content.attachments = &out->attachments;
	return 0;
}

void
backend_args_fini(struct backend_args *args)
{
	attachments_fini(&args->attachments);
}
