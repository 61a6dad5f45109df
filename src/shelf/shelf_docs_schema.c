#include <inttypes.h>
#include <string.h>

#include "docs_page.h"
#include "money.h"
#include "shelf_docs.h"
#include "shelf_table.h"

static void put_money(FILE *out, int64_t minor)
{
    char text[32];
    struct sink s;
    sink_init(&s, text, sizeof text);
    money_write(&s, minor);
    fprintf(out, "%.*s", (int)s.size, text);
}

static void indent(FILE *out, int depth)
{
    fprintf(out, "%*s", depth * 2, "");
}

static void put_object(FILE *out, const struct shelf_fields *fields, int depth);

static void put_form(FILE *out, const struct shelf_field *f, int depth)
{
    const struct shelf_kind_doc *kind = shelf_table_kind((enum shelf_kind)f->kind);
    switch ((enum shelf_kind)f->kind) {
    case SHELF_KIND_INT:
        fprintf(out, "\"type\": \"integer\", \"minimum\": %" PRId32 ", \"maximum\": %" PRId64,
                f->min, f->max);
        return;
    case SHELF_KIND_MONEY:
        fputs("\"type\": \"number\", \"minimum\": ", out);
        put_money(out, f->min);
        fputs(", \"maximum\": ", out);
        put_money(out, f->max);
        return;
    case SHELF_KIND_BOOL:
        fputs("\"type\": \"boolean\"", out);
        return;
    case SHELF_KIND_ENUM:
        fputs("\"enum\": [", out);
        for (size_t i = 0; f->names[i] != NULL; i++) {
            fputs(i > 0 ? ", " : "", out);
            docs_page_quote(out, f->names[i]);
        }
        fputs("]", out);
        return;
    case SHELF_KIND_OBJECT:
        put_object(out, f->object, depth);
        return;
    case SHELF_KIND_TIME:
        fputs("\"type\": \"string\", \"format\": \"date-time\", \"pattern\": ", out);
        docs_page_quote(out, kind->pattern);
        return;
    case SHELF_KIND_DIGEST:
    case SHELF_KIND_CURRENCY:
    case SHELF_KIND_ID:
    case SHELF_KIND_UUID:
    case SHELF_KIND_SKU:
    case SHELF_KIND_NAME:
    case SHELF_KIND_URL:
    case SHELF_KIND_BASE64:
    case SHELF_KIND_VERSION:
    case SHELF_KIND_WORDS:
        break;
    }
    fprintf(out, "\"type\": \"string\", \"minLength\": 1, \"maxLength\": %" PRId64, f->max);
    fputs(", \"pattern\": ", out);
    docs_page_quote(out, kind->pattern);
}

static void put_object(FILE *out, const struct shelf_fields *fields, int depth)
{
    const char *comma = "";
    fputs("\"type\": \"object\", \"required\": [", out);
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->fields[i].required) {
            fputs(comma, out);
            docs_page_quote(out, shelf_field_name(&fields->fields[i]));
            comma = ", ";
        }
    }
    fputs("], \"properties\": {\n", out);
    for (size_t i = 0; i < fields->count; i++) {
        const struct shelf_field *f = &fields->fields[i];
        indent(out, depth + 1);
        docs_page_quote(out, shelf_field_name(f));
        fputs(": {\"description\": ", out);
        docs_page_quote(out, f->doc);
        fputs(", ", out);
        put_form(out, f, depth + 1);
        fputs(i + 1 < fields->count ? "},\n" : "}\n", out);
    }
    indent(out, depth);
    fputs("}", out);
}

/* A JSON Schema (2020-12) of one message's payload, indented by `depth` levels. */
static void put_schema(FILE *out, enum shelf_topic t, int depth)
{
    const struct shelf_message *m = shelf_table_message(t);
    fputs("{\"x-rules\": [", out);
    for (size_t i = 0; m->rules[i] != NULL; i++) {
        fputs(i > 0 ? ", " : "", out);
        docs_page_quote(out, m->rules[i]);
    }
    fputs("], ", out);
    put_object(out, m->fields, depth);
    fputs("}", out);
}

/* --- AsyncAPI --- */

static void put_channel(FILE *out, const struct shelf_message *m)
{
    fprintf(out, "    \"%s\": {\n      \"address\": \"smartshelf/{deviceId}/%s\",\n", m->name,
            m->tail);
    fputs("      \"description\": ", out);
    docs_page_quote(out, m->doc);
    fprintf(out,
            ",\n      \"parameters\": {\"deviceId\": {\"description\": \"The label's own id: the "
            "common name of its certificate.\"}},\n      \"messages\": {\"%s\": {\"$ref\": "
            "\"#/components/messages/%s\"}}\n    }",
            m->name, m->name);
}

static void put_operation(FILE *out, const struct shelf_message *m)
{
    const char *action = m->down ? "receive" : "send";
    fprintf(out,
            "    \"%s-%s\": {\n      \"action\": \"%s\",\n      \"channel\": {\"$ref\": "
            "\"#/channels/%s\"},\n      \"messages\": [{\"$ref\": "
            "\"#/channels/%s/messages/%s\"}],\n      \"bindings\": {\"mqtt\": {\"qos\": 1, "
            "\"retain\": false, \"bindingVersion\": \"0.2.0\"}}\n    }",
            action, m->name, action, m->name, m->name, m->name);
}

static void put_message(FILE *out, enum shelf_topic t)
{
    const struct shelf_message *m = shelf_table_message(t);
    fprintf(out, "      \"%s\": {\n        \"name\": \"%s\",\n        \"summary\": ", m->name,
            m->name);
    docs_page_quote(out, m->doc);
    fputs(",\n        \"contentType\": \"application/json\",\n", out);
    if (m->down) {
        fprintf(out,
                "        \"x-signature\": {\"userProperty\": \"%s\", \"encoding\": "
                "\"base64url\", \"over\": \"topic LF payload\"},\n",
                SHELF_SIGNATURE_PROPERTY);
    }
    fprintf(out, "        \"x-bytesMax\": %zu,\n        \"payload\": ", m->bytes_max);
    put_schema(out, t, 5);
    fputs("\n      }", out);
}

#define HEAD                                                                                       \
    "{\n  \"asyncapi\": \"3.0.0\",\n  \"info\": {\n    \"title\": \"Endcap label wire\",\n    "    \
    "\"version\": \"1.0.0\",\n    \"description\": \"What a shelf label and the platform say to "  \
    "each other, from the label's side. docs/label-wire.md has the rules of delivery and test "    \
    "vectors.\"\n  },\n  \"defaultContentType\": \"application/json\",\n  \"servers\": {\n    "    \
    "\"store\": {\n      \"host\": \"{broker}:{port}\",\n      \"protocol\": \"secure-mqtt\",\n  " \
    " "                                                                                            \
    "   \"protocolVersion\": \"5.0\",\n      \"variables\": {\"broker\": {\"description\": "       \
    "\"Name "                                                                                      \
    "of the store's broker, as in its certificate.\"}, \"port\": {\"default\": \"8883\"}},\n     " \
    " "                                                                                            \
    "\"security\": [{\"$ref\": \"#/components/securitySchemes/clientCertificate\"}],\n      "      \
    "\"bindings\": {\"mqtt\": {\"cleanSession\": true, \"keepAlive\": 60, "                        \
    "\"sessionExpiryInterval\": 0, \"bindingVersion\": \"0.2.0\"}}\n    }\n  },\n"
#define SCHEMES                                                                                    \
    "  \"components\": {\n    \"securitySchemes\": {\n      \"clientCertificate\": {\"type\": "    \
    "\"X509\", \"description\": \"ECDSA P-256 certificate of the store's authority; common name "  \
    "= label id = MQTT client id.\"}\n    },\n    \"messages\": {\n"

void shelf_docs_asyncapi(FILE *out)
{
    enum shelf_topic last = SHELF_TOPICS - 1;
    fputs(HEAD "  \"channels\": {\n", out);
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        put_channel(out, shelf_table_message(t));
        fputs(t < last ? ",\n" : "\n  },\n  \"operations\": {\n", out);
    }
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        put_operation(out, shelf_table_message(t));
        fputs(t < last ? ",\n" : "\n  },\n" SCHEMES, out);
    }
    for (enum shelf_topic t = SHELF_PRICE_UPDATE; t < SHELF_TOPICS; t++) {
        put_message(out, t);
        fputs(t < last ? ",\n" : "\n    }\n  }\n}\n", out);
    }
}
