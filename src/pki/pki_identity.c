#include "pki_identity.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <string.h>

static const char *const kind_names[PKI_KINDS] = {"cart", "label", "service"};

const char *pki_identity_kind_name(enum pki_kind kind)
{
    return kind_names[kind];
}

enum res pki_identity_kind_read(struct span text, enum pki_kind *ret_kind)
{
    for (unsigned i = 0; i < PKI_KINDS; i++) {
        if (span_equal(text, span_text(kind_names[i], 16))) {
            *ret_kind = (enum pki_kind)i;
            return RES_OK;
        }
    }
    return RES_INVALID;
}

static bool is_upper_or_digit(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

/* prefix, then least..most characters of one class */
static bool matches(struct span text, struct span prefix, size_t least, size_t most,
                    bool (*of_class)(uint8_t))
{
    if (text.size < prefix.size + least || text.size > prefix.size + most ||
        memcmp(text.data, prefix.data, prefix.size) != 0) {
        return false;
    }
    for (size_t i = prefix.size; i < text.size; i++) {
        if (!of_class(text.data[i])) {
            return false;
        }
    }
    return true;
}

bool pki_identity_id_valid(enum pki_kind kind, struct span id)
{
    switch (kind) {
    case PKI_CART:
        return matches(id, SPAN_LIT("CART-"), 4, 12, is_upper_or_digit);
    case PKI_LABEL:
        return matches(id, SPAN_LIT("ESP32-"), 3, 12, is_upper_or_digit);
    case PKI_SERVICE:
        return matches(id, SPAN_LIT("service:"), 2, 20, is_lower);
    }
    return false;
}

bool pki_identity_store_valid(struct span store_id)
{
    if (store_id.size < 3 || store_id.size > PKI_STORE_BYTES_MAX ||
        !is_upper_or_digit(store_id.data[0])) {
        return false;
    }
    for (size_t i = 1; i < store_id.size; i++) {
        if (!is_upper_or_digit(store_id.data[i]) && store_id.data[i] != '-') {
            return false;
        }
    }
    return true;
}

/* The one value of an attribute; size 0 when it is absent or there more than once. */
static struct span only_entry(const X509_NAME *name, int nid)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0) {
        return SPAN_NONE;
    }
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    int size = ASN1_STRING_length(value);
    return size <= 0 ? SPAN_NONE : span_of(ASN1_STRING_get0_data(value), (size_t)size);
}

static enum res read_serial(const X509 *certificate, char ret_text[PKI_SERIAL_TEXT_MAX + 1])
{
    enum res r = RES_INVALID;
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *text = number == NULL ? NULL : BN_bn2hex(number);
    if (text != NULL && !BN_is_negative(number) && strlen(text) <= PKI_SERIAL_TEXT_MAX) {
        memcpy(ret_text, text, strlen(text) + 1);
        r = RES_OK;
    }
    OPENSSL_free(text);
    BN_free(number);
    return r;
}

enum res pki_identity_read(const X509 *certificate, struct pki_identity *ret_identity)
{
    struct pki_identity identity = {.kind = PKI_CART};
    const X509_NAME *name = X509_get_subject_name(certificate);
    struct span id = only_entry(name, NID_commonName);
    struct span store_id = only_entry(name, NID_organizationName);
    enum res r =
        pki_identity_kind_read(only_entry(name, NID_organizationalUnitName), &identity.kind);
    if (r != RES_OK) {
        return r;
    }
    bool store_fits =
        identity.kind == PKI_SERVICE ? store_id.size == 0 : pki_identity_store_valid(store_id);
    if (!pki_identity_id_valid(identity.kind, id) || !store_fits) {
        return RES_INVALID;
    }
    r = span_copy_text(id, identity.id, sizeof identity.id);
    if (r == RES_OK) {
        r = span_copy_text(store_id, identity.store_id, sizeof identity.store_id);
    }
    if (r == RES_OK) {
        r = read_serial(certificate, identity.serial);
    }
    if (r == RES_OK) {
        *ret_identity = identity;
    }
    return r;
}

static void cut_text(struct span from, char *ret_text, size_t size)
{
    size_t n = from.size < size - 1 ? from.size : size - 1;
    if (n > 0) {
        memcpy(ret_text, from.data, n);
    }
    ret_text[n] = '\0';
}

void pki_identity_serial(const X509 *certificate, char *ret_text, size_t size)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *text = number == NULL ? NULL : BN_bn2hex(number);
    cut_text(text == NULL ? SPAN_NONE : span_of(text, strlen(text)), ret_text, size);
    OPENSSL_free(text);
    BN_free(number);
}

void pki_identity_subject(const X509 *certificate, char *ret_text, size_t size)
{
    struct span text = SPAN_NONE;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) > 0) {
        char *data;
        long n = BIO_get_mem_data(bio, &data);
        text = span_of(data, n < 0 ? 0 : (size_t)n);
    }
    cut_text(text, ret_text, size);
    BIO_free(bio);
}

void pki_identity_common_name(const X509 *certificate, char *ret_text, size_t size)
{
    cut_text(only_entry(X509_get_subject_name(certificate), NID_commonName), ret_text, size);
}
