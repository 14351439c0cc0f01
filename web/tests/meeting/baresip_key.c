/* Debian's baresip 1.0 makes itself an RSA key for DTLS; from 2.0 on it is one of P-256, which RFC 8827 asks for and which the node's DTLS wants. This hands the
 * old one a key of the new kind (LD_PRELOAD); everything else of it is as installed. */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct tls;

int tls_set_certificate_pem(struct tls *tls, const char *cert, size_t len_cert, const char *key, size_t len_key);

int tls_set_selfsigned_rsa(struct tls *tls, const char *cn, size_t bits)
{
	static char pem[16384];
	const char *path = getenv("BARESIP_DTLS_PEM");
	FILE *file = path ? fopen(path, "r") : NULL;
	size_t len = file ? fread(pem, 1, sizeof(pem), file) : 0;

	(void)cn;
	(void)bits;
	if (file)
		fclose(file);
	/* Without a key of its own it takes the one beside the certificate. */
	return len ? tls_set_certificate_pem(tls, pem, len, NULL, 0) : -1;
}
