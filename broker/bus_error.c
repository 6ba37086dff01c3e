#include "broker/bus_error.h"

#include <stdio.h>

#define SHOWN_MAX 200 /* maximum bytes of the server's own text in one line */

/* Advice by the beginning of the error; the first matching row counts. Source: the messages of Redis 5 to 7. */
static const struct {
	const char *error, *advice;
} rows[] = {
	{"NOAUTH", "give a password: redis://user:password@host"},
	{"WRONGPASS", "check user and password; percent-encode special characters in the URL"},
	{"ERR invalid password", "check the password; percent-encode special characters in the URL"},
	{"ERR Client sent AUTH", "the server has no password set: remove it from the URL"},
	{"ERR AUTH", "the server has no password set: remove it from the URL"},
	{"ERR wrong number of arguments for 'auth'", "Redis before version 6 has no users: redis://:password@host"},
	{"NOPERM", "allow this user the channels and commands that docs/cluster.md lists"},
	{"ERR DB index", "the server has fewer databases: choose another, or none"},
	{"ERR SELECT is not allowed", "a Redis Cluster has no databases: remove the number from the URL"},
	{"ERR unknown command `SSUBSCRIBE`", "sharded mode needs Redis 7 or later"},
	{"ERR unknown command 'SSUBSCRIBE'", "sharded mode needs Redis 7 or later"},
	{"ERR This instance has cluster support disabled", "the server is not in a Redis Cluster: use redis://"},
	{"ERR unknown command", "is this a Redis server, and is the command neither renamed nor forbidden?"},
	{"ERR max number of clients", "raise maxclients or the file descriptor limit of the server"},
	{"DENIED", "Redis is in protected mode: give it a password or an address to bind to"},
	{"LOADING", "Redis is loading its data; retrying until it is done"},
	{"BUSY", "a script blocks Redis; see SCRIPT KILL"},
	{"MASTERDOWN", "the replica has lost its master: use the master"},
	{"READONLY", "this is a replica: use the master"},
	{"MISCONF", "Redis cannot save its data; see its log"},
	{"OOM", "Redis is out of memory: raise maxmemory or set a maxmemory-policy"},
	{"MOVED", "the key is on another node of the cluster"},
	{"ASK", "the slot is moving to another node of the cluster"},
	{"TRYAGAIN", "the slot is moving to another node of the cluster"},
	/* errors of OpenSSL */
	{"certificate has expired", "renew the server's certificate, or correct this machine's clock"},
	{"certificate is not yet valid", "correct this machine's clock, or reissue the server's certificate"},
	{"hostname mismatch", "use the host name in the server's certificate"},
	{"IP address mismatch", "use the host name in the server's certificate"},
	{"unable to get", "give the authority that signed the server's certificate: --redis-ca"},
	{"self-signed certificate", "give the authority that signed the server's certificate: --redis-ca"},
	{"self signed certificate", "give the authority that signed the server's certificate: --redis-ca"},
	{"wrong version number", "that port does not speak TLS: use redis:// or the server's tls-port"},
	{"tlsv13 alert certificate required",
		"the server asks for a client certificate: set --redis-tls-cert and --redis-tls-key"},
	{"sslv3 alert handshake failure",
		"the server asks for a client certificate (--redis-tls-cert) or for other ciphers"},
	{"CLUSTERDOWN", "the Redis Cluster is incomplete; see CLUSTER INFO"},
};

static const char *
advice_of(struct text error)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (text_starts(error, text_from(rows[i].error)))
			return rows[i].advice;
	return NULL;
}

/* Cuts an "unknown command" error before the command's arguments, which may contain a password or part of one. */
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
		shown = TEXT("an error that contains the password");
	snprintf(out, BUS_WHY_MAX, "%.60s: %.*s%s%s", what, (int)(shown.n < SHOWN_MAX ? shown.n : SHOWN_MAX),
		shown.at, advice != NULL ? "; " : "", advice != NULL ? advice : "");
}

bool
bus_error_is_refusal(struct text error)
{
	return text_starts(error, TEXT("NOPERM")) || text_starts(error, TEXT("ERR unknown command")) ||
	       text_starts(error, TEXT("ERR unknown subcommand")) ||
	       text_starts(error, TEXT("ERR Unknown subcommand"));
}

bool
bus_error_is_moving(struct text error)
{
	return text_starts(error, TEXT("ASK ")) || text_starts(error, TEXT("TRYAGAIN "));
}

bool
bus_error_is_passing(struct text error)
{
	return text_starts(error, TEXT("LOADING ")) || text_starts(error, TEXT("READONLY ")) ||
	       text_starts(error, TEXT("MASTERDOWN ")) || text_starts(error, TEXT("CLUSTERDOWN ")) ||
	       bus_error_is_moving(error);
}
