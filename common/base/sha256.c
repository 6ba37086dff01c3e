#include "common/base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/base/must.h"

struct sha256
sha256_of(struct text first, struct text second)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct sha256 out;

	must(c != NULL && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1);
	must(EVP_DigestUpdate(c, first.at, first.n) == 1 && EVP_DigestUpdate(c, second.at, second.n) == 1);
	must(EVP_DigestFinal_ex(c, out.bytes, NULL) == 1);
	EVP_MD_CTX_free(c);
	return out;
}

bool
sha256_same(const struct sha256 *a, const struct sha256 *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
