/* Reads a secret that an operator keeps in a file. */
#ifndef COMMON_IO_SECRET_FILE_H
#define COMMON_IO_SECRET_FILE_H

#include <stddef.h>

#define SECRET_FILE_MAX 4096 /* bytes; tokens of cloud services are long */
#define SECRET_FILE_ERROR_MAX 320

/*
 * Sets `out` to the text of the file without the line end behind it, on the heap. Returns 0; otherwise ERROR_SYSTEM
 * if the file cannot be read, or ERROR_ARGUMENT if the text is empty, is longer than SECRET_FILE_MAX or contains a
 * NUL. `error` is then one line of text, which does not contain the secret.
 */
int secret_file_read(char **out, const char *path, char error[SECRET_FILE_ERROR_MAX]);
/* Overwrites a secret and frees it; accepts NULL. */
void secret_free(char *secret);

#endif
