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
seal_make_tag(EVP_MAC_CTX *mac, struct text channel, const void *message, size_t n, uint8_t tag[SEAL_TAG])
{
	uint8_t whole[32], length[4];
	size_t made;

	for (unsigned i = 0; i < sizeof length; i++)
		length[i] = (uint8_t)(channel.n >> (8 * i));
	must(EVP_MAC_init(mac, NULL, 0, NULL) == 1);
	seal_update(mac, length, sizeof length);
	seal_update(mac, channel.at, channel.n);
	seal_update(mac, message, n);
	must(EVP_MAC_final(mac, whole, &made, sizeof whole) == 1 && made == sizeof whole);
	memcpy(tag, whole, SEAL_TAG);
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
