#include "broker/bus_error.h"

#include <stdio.h>

#define SHOWN_MAX 200 /* bytes of the server's own text in one line */

/* By how the error begins: source are the messages of Redis 5 to 7. The first row that fits. */
static const struct {
	const char *error, *advice;
} rows[] = {
	{"NOAUTH", "name a password: redis://user:password@host"},
	{"WRONGPASS", "check user and password, percent-encode what is special in a URL"},
	{"ERR invalid password", "check the password, percent-encode what is special in a URL"},
	{"ERR Client sent AUTH", "the server knows no password: leave it out"},
	{"ERR AUTH", "the server knows no password: leave it out"},
	{"ERR wrong number of arguments for 'auth'", "a Redis before 6 knows no users: redis://:password@host"},
	{"NOPERM", "allow this user the channels and commands that docs/cluster.md lists"},
	{"ERR DB index", "the server has fewer databases: name another, or none"},
	{"ERR SELECT is not allowed", "a Redis cluster has no databases: leave it out"},
	{"ERR unknown command", "is that a Redis server, and the command not renamed or forbidden?"},
	{"ERR max number of clients", "raise maxclients of the server, or its limit of descriptors"},
	{"DENIED", "give Redis a password, or an address to listen on: it is in protected mode"},
	{"LOADING", "Redis reads its data; tried again until it is done"},
	{"BUSY", "a script blocks Redis; see SCRIPT KILL"},
	{"MASTERDOWN", "the replica has no master: name the master"},
	{"READONLY", "that is a replica: name the master"},
	{"MISCONF", "Redis cannot save its data; see its log"},
	{"OOM", "Redis is full: raise maxmemory, or choose a maxmemory-policy"},
	{"MOVED", "the key lives on another node of the cluster"},
	/* OpenSSL's words */
	{"certificate has expired", "renew the server's certificate, or set this machine's clock"},
	{"certificate is not yet valid", "set this machine's clock, or make the server's certificate anew"},
	{"hostname mismatch", "name the server as its certificate does"},
	{"IP address mismatch", "name the server as its certificate does"},
	{"unable to get", "name the authority that signed the server's certificate: --redis-ca"},
	{"self-signed certificate", "name the authority that signed the server's certificate: --redis-ca"},
	{"self signed certificate", "name the authority that signed the server's certificate: --redis-ca"},
	{"wrong version number", "that port does not speak TLS: redis://, or the server's tls-port"},
	{"tlsv13 alert certificate required", "the server wants a certificate of its clients: tls-auth-clients no"},
	{"sslv3 alert handshake failure", "the server wants a certificate of its clients, or other ciphers"},
	{"CLUSTERDOWN", "the Redis cluster is not whole; see CLUSTER INFO"},
};

static const char *
advice_of(struct text error)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (text_starts(error, text_from(rows[i].error)))
			return rows[i].advice;
	return NULL;
}

/* Up to the arguments of a command that is unknown: there may be a password among them, whole or in part. */
static struct text
without_arguments(struct text error)
{
	const char *at = memmem(error.at, error.n, ", with args", 11);

	return at != NULL ? text_of(error.at, (size_t)(at - error.at)) : error;
}

void
bus_error_write(char out[BUS_WHY_MAX], const char *what, struct text error, const char *password)
{
	const char *advice = advice_of(error);
	struct text shown = without_arguments(error);

	if (shown.n == 0)
		shown = TEXT("no reason given");
	if (password != NULL && password[0] != '\0' && text_has(shown, text_from(password)))
		shown = TEXT("an error that repeats the password");
	snprintf(out, BUS_WHY_MAX, "%.60s: %.*s%s%s", what, (int)(shown.n < SHOWN_MAX ? shown.n : SHOWN_MAX),
		shown.at, advice != NULL ? "; " : "", advice != NULL ? advice : "");
}
