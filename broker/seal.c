#include "broker/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "common/base/mem.h"
#include "common/base/must.h"

struct seal {
	/* initialised with a key; restarted for each message */
	EVP_MAC_CTX *mac;
	EVP_MAC_CTX *accepted; /* by the second secret; NULL: only one secret is accepted */
};

static EVP_MAC_CTX *
seal_mac_new(struct text secret)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
	EVP_MAC *kind = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac;

	must(kind != NULL);
	mac = EVP_MAC_CTX_new(kind);
	must(mac != NULL);
	EVP_MAC_free(kind);
	must(EVP_MAC_init(mac, (const unsigned char *)secret.at, secret.n, params) == 1);
	return mac;
}

struct seal *
seal_new(struct text secret)
{
	struct seal *seal = mem_zalloc(sizeof *seal);

	seal->mac = seal_mac_new(secret);
	return seal;
}

void
seal_accept(struct seal *seal, struct text secret)
{
	must(seal->accepted == NULL);
	seal->accepted = seal_mac_new(secret);
}

void
seal_free(struct seal *seal)
{
	if (seal == NULL)
		return;
	EVP_MAC_CTX_free(seal->mac);
	EVP_MAC_CTX_free(seal->accepted);
	mem_free(seal);
}

static void
seal_update(EVP_MAC_CTX *mac, const void *bytes, size_t n)
{
	must(EVP_MAC_update(mac, bytes, n) == 1);
}

/* The channel's length comes first, so that bytes cannot be moved between the channel and the message. */
static void
seal_begin_tag(EVP_MAC_CTX *mac, struct text channel)
{
	uint8_t length[4];

	for (unsigned i = 0; i < sizeof length; i++)
		length[i] = (uint8_t)(channel.n >> (8 * i));
	must(EVP_MAC_init(mac, NULL, 0, NULL) == 1);
	seal_update(mac, length, sizeof length);
	seal_update(mac, channel.at, channel.n);
}

static void
seal_end_tag(EVP_MAC_CTX *mac, uint8_t tag[SEAL_TAG])
{
	uint8_t whole[32];
	size_t made;

	must(EVP_MAC_final(mac, whole, &made, sizeof whole) == 1 && made == sizeof whole);
	memcpy(tag, whole, SEAL_TAG);
}

static void
seal_make_tag(EVP_MAC_CTX *mac, struct text channel, const void *message, size_t n, uint8_t tag[SEAL_TAG])
{
	seal_begin_tag(mac, channel);
	seal_update(mac, message, n);
	seal_end_tag(mac, tag);
}

void
seal_add(struct seal *seal, struct text channel, struct buffer *message)
{
	uint8_t tag[SEAL_TAG];

	seal_make_tag(seal->mac, channel, message->data, message->len, tag);
	buffer_add(message, tag, sizeof tag);
}

static bool
seal_matches(EVP_MAC_CTX *mac, struct text channel, struct text message)
{
	uint8_t tag[SEAL_TAG];

	seal_make_tag(mac, channel, message.at, message.n - SEAL_TAG, tag);
	/* compare in constant time, so that timing does not show how much of a guess is right */
	return CRYPTO_memcmp(tag, message.at + message.n - SEAL_TAG, SEAL_TAG) == 0;
}

bool
seal_take(struct seal *seal, struct text channel, struct text *message)
{
	if (message->n < SEAL_TAG)
		return false;
	if (!seal_matches(seal->mac, channel, *message) &&
		(seal->accepted == NULL || !seal_matches(seal->accepted, channel, *message)))
		return false;
	message->n -= SEAL_TAG;
	return true;
}

/* --------------------------------------------------- a tag over several turns */

/* The context is a copy: messages of the same seal are sealed and checked meanwhile. */
struct seal_pass {
	EVP_MAC_CTX *mac;
};

struct seal_pass *
seal_pass_new(const struct seal *seal, enum seal_secret secret, struct text channel)
{
	EVP_MAC_CTX *mac = secret == SEAL_ACCEPTED ? seal->accepted : seal->mac;
	struct seal_pass *pass;

	if (mac == NULL)
		return NULL;
	pass = mem_zalloc(sizeof *pass);
	pass->mac = EVP_MAC_CTX_dup(mac);
	must(pass->mac != NULL);
	seal_begin_tag(pass->mac, channel);
	return pass;
}

void
seal_pass_update(struct seal_pass *pass, struct text bytes)
{
	seal_update(pass->mac, bytes.at, bytes.n);
}

void
seal_pass_end(struct seal_pass *pass, uint8_t tag[SEAL_TAG])
{
	seal_end_tag(pass->mac, tag);
}

bool
seal_pass_matches(struct seal_pass *pass, const uint8_t tag[SEAL_TAG])
{
	uint8_t made[SEAL_TAG];

	seal_end_tag(pass->mac, made);
	return CRYPTO_memcmp(made, tag, SEAL_TAG) == 0;
}

void
seal_pass_free(struct seal_pass *pass)
{
	if (pass == NULL)
		return;
	EVP_MAC_CTX_free(pass->mac);
	mem_free(pass);
}
