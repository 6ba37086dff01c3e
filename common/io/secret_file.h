/* Reads a secret that an operator keeps in a file. */
#ifndef COMMON_IO_SECRET_FILE_H
#define COMMON_IO_SECRET_FILE_H

#include <stddef.h>
#include <sys/types.h>

#define SECRET_FILE_MAX 4096 /* bytes; tokens of cloud services are long */
#define SECRET_FILE_ERROR_MAX 320

/*
 * Sets `out` to the text of the file without its final line end, on the heap. Returns 0; otherwise ERROR_SYSTEM if
 * the file cannot be read, or ERROR_ARGUMENT if the text is empty, is longer than SECRET_FILE_MAX or contains a NUL.
 * `error` is then one line of text, which does not contain the secret.
 */
int secret_file_read(char **out, const char *path, char error[SECRET_FILE_ERROR_MAX]);
/*
 * Reads at most `max` bytes. Returns their number; otherwise -1 and the reason in `why`, which is valid until the
 * next call of strerror(). Only a regular file is read: a FIFO would block the process. It does not use stdio, whose
 * buffer would keep a copy of the secret.
 */
ssize_t secret_file_bytes(const char *path, char *bytes, size_t max, const char **why);
/* Overwrites a secret and frees it; accepts NULL. */
void secret_free(char *secret);

#endif
