#include <inttypes.h>
#include <string.h>

#include "docs_page.h"
#include "money.h"
#include "wire_catalog.h"
#include "wire_docs.h"

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

static void put_properties(FILE *out, struct wire_fields fields, int depth);

static void put_required(FILE *out, struct wire_fields header, struct wire_fields body,
                         const char *first)
{
    fprintf(out, "[%s", first);
    const char *comma = *first != '\0' ? ", " : "";
    const struct wire_fields both[] = {header, body};
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = 0; i < both[part].count; i++) {
            if (both[part].fields[i].required) {
                fputs(comma, out);
                docs_page_quote(out, both[part].fields[i].name);
                comma = ", ";
            }
        }
    }
    fputs("]", out);
}

static void put_items(FILE *out, const struct wire_field *f, int depth)
{
    struct wire_fields none = {NULL, 0};
    fprintf(out, "\"type\": \"array\", \"minItems\": %" PRId64 ", \"maxItems\": %" PRId64 ",\n",
            f->min, f->max);
    indent(out, depth + 1);
    fputs("\"items\": {\"type\": \"object\", \"required\": ", out);
    put_required(out, wire_catalog_item_fields(f->kind), none, "");
    fputs(", \"properties\": {\n", out);
    put_properties(out, wire_catalog_item_fields(f->kind), depth + 2);
    fputc('\n', out);
    indent(out, depth + 1);
    fputs("}}", out);
}

static void put_text(FILE *out, const struct wire_field *f)
{
    fprintf(out, "\"type\": \"string\", \"minLength\": %d, \"maxLength\": %" PRId64,
            f->kind == WIRE_KIND_NAME ? 1 : (int)f->min, f->max);
    fputs(", \"pattern\": ", out);
    docs_page_quote(out, wire_catalog_kind(f->kind)->pattern);
}

static void put_field(FILE *out, const struct wire_field *f, int depth)
{
    indent(out, depth);
    docs_page_quote(out, f->name);
    fputs(": {", out);
    if (f->kind == WIRE_KIND_INT) {
        fprintf(out, "\"type\": \"integer\", \"minimum\": %" PRId64 ", \"maximum\": %" PRId64,
                f->min, f->max);
    } else if (f->kind == WIRE_KIND_MONEY) {
        fputs("\"type\": \"number\", \"minimum\": ", out);
        put_money(out, f->min);
        fputs(", \"maximum\": ", out);
        put_money(out, f->max);
    } else if (f->kind == WIRE_KIND_BOOL) {
        fputs("\"type\": \"boolean\"", out);
    } else if (f->kind == WIRE_KIND_ENUM) {
        fputs("\"enum\": [", out);
        for (size_t i = 0; f->names[i] != NULL; i++) {
            fputs(i > 0 ? ", " : "", out);
            docs_page_quote(out, f->names[i]);
        }
        fputs("]", out);
    } else if (f->kind == WIRE_KIND_TIME) {
        fputs("\"type\": \"string\", \"format\": \"date-time\", \"pattern\": ", out);
        docs_page_quote(out, wire_catalog_kind(f->kind)->pattern);
    } else if (wire_catalog_kind_is_list(f->kind)) {
        put_items(out, f, depth);
    } else {
        put_text(out, f);
    }
    fputs(",\n", out);
    indent(out, depth + 1);
    fputs("\"description\": ", out);
    docs_page_quote(out, f->doc);
    fputs("}", out);
}

static void put_properties(FILE *out, struct wire_fields fields, int depth)
{
    for (size_t i = 0; i < fields.count; i++) {
        fputs(i > 0 ? ",\n" : "", out);
        put_field(out, &fields.fields[i], depth);
    }
}

void wire_docs_schema(FILE *out, enum wire_type type)
{
    const struct wire_message *m = wire_catalog_message(type);
    fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n", out);
    fprintf(out, "  \"$id\": \"urn:endcap:wire:%d:%s\",\n  \"title\": \"%s\",\n", WIRE_VERSION,
            m->name, m->name);
    fputs("  \"description\": ", out);
    docs_page_quote(out, m->doc);
    fputs(",\n  \"$comment\": ", out);
    docs_page_quote(out,
                    "Lengths are counted in bytes on the wire. Unknown members are tolerated.");
    fputs(",\n  \"x-rules\": [", out);
    for (size_t i = 0; m->rules[i] != NULL; i++) {
        fputs(i > 0 ? ",\n    " : "\n    ", out);
        docs_page_quote(out, m->rules[i]);
    }
    fputs("\n  ],\n  \"type\": \"object\",\n  \"required\": ", out);
    put_required(out, m->header, m->body, "\"v\", \"type\"");
    fprintf(out,
            ",\n  \"properties\": {\n    \"v\": {\"const\": %d},\n    \"type\": {\"const\": "
            "\"%s\"},\n",
            WIRE_VERSION, m->name);
    put_properties(out, m->header, 2);
    fputs(",\n", out);
    put_properties(out, m->body, 2);
    fputs("\n  }\n}\n", out);
}

/* --- AsyncAPI --- */

struct channel {
    const char *name;
    const char *address;
    const char *doc;
    bool cart_sends;
    enum wire_type first;
    enum wire_type last;
};

static const struct channel channels[] = {
    {"scan", "cart/{cartId}/scan", "Barcode reads.", true, WIRE_SCAN, WIRE_SCAN},
    {"session-start", "cart/{cartId}/session-start", "Trips start, are held, go on.", true,
     WIRE_SESSION_START, WIRE_SESSION_START},
    {"session-end", "cart/{cartId}/session-end", "Trips end.", true, WIRE_SESSION_END,
     WIRE_SESSION_END},
    {"identify", "cart/{cartId}/identify", "Customers join a trip.", true, WIRE_IDENTIFY,
     WIRE_IDENTIFY},
    {"health", "cart/{cartId}/health", "How the cart is.", true, WIRE_HEALTH, WIRE_HEALTH},
    {"fault", "cart/{cartId}/fault", "What went wrong, gap records too.", true, WIRE_FAULT,
     WIRE_FAULT},
    {"boot", "cart/{cartId}/boot", "The firmware has started.", true, WIRE_BOOT, WIRE_BOOT},
    {"command", "cart/{cartId}/command", "What the cart is to do.", false, WIRE_COMMAND,
     WIRE_COMMAND},
    {"response", "cart/{cartId}/response", "Answers to the cart's own events.", false,
     WIRE_COMMIT_ACK, WIRE_PAYMENT},
    {"catalogue", "store/{storeId}/catalogue/{chunk}", "The store's product cache, retained.",
     false, WIRE_CATALOGUE, WIRE_CATALOGUE},
    {"prices", "store/{storeId}/catalogue/prices", "What changed in price since, retained.", false,
     WIRE_PRICES, WIRE_PRICES},
};
#define CHANNELS (sizeof channels / sizeof channels[0])

static void put_channel(FILE *out, const struct channel *c)
{
    fprintf(out, "    \"%s\": {\n      \"address\": \"%s\",\n      \"description\": ", c->name,
            c->address);
    docs_page_quote(out, c->doc);
    fputs(",\n      \"parameters\": {", out);
    if (c->first == WIRE_CATALOGUE) {
        fputs("\"storeId\": {\"description\": \"The cart's own store.\"}, \"chunk\": "
              "{\"description\": \"Number of the chunk, from 0.\"}",
              out);
    } else if (c->first == WIRE_PRICES) {
        fputs("\"storeId\": {\"description\": \"The cart's own store.\"}", out);
    } else {
        fputs("\"cartId\": {\"description\": \"The cart's own id: the common name of its "
              "certificate.\"}",
              out);
    }
    fputs("},\n      \"messages\": {", out);
    for (enum wire_type t = c->first; t <= c->last; t++) {
        const char *name = wire_catalog_message(t)->name;
        fprintf(out, "%s\n        \"%s\": {\"$ref\": \"#/components/messages/%s\"}",
                t > c->first ? "," : "", name, name);
    }
    fputs("\n      }\n    }", out);
}

static void put_operation(FILE *out, const struct channel *c)
{
    fprintf(out, "    \"%s-%s\": {\n      \"action\": \"%s\",\n",
            c->cart_sends ? "send" : "receive", c->name, c->cart_sends ? "send" : "receive");
    fprintf(out, "      \"channel\": {\"$ref\": \"#/channels/%s\"},\n      \"messages\": [",
            c->name);
    for (enum wire_type t = c->first; t <= c->last; t++) {
        fprintf(out, "%s{\"$ref\": \"#/channels/%s/messages/%s\"}", t > c->first ? ", " : "",
                c->name, wire_catalog_message(t)->name);
    }
    fprintf(out,
            "],\n      \"bindings\": {\"mqtt\": {\"qos\": 1, \"retain\": %s, \"bindingVersion\": "
            "\"0.2.0\"}}\n    }",
            c->first >= WIRE_CATALOGUE ? "true" : "false");
}

static void put_message(FILE *out, enum wire_type type)
{
    const struct wire_message *m = wire_catalog_message(type);
    fprintf(out, "      \"%s\": {\n        \"name\": \"%s\",\n        \"summary\": ", m->name,
            m->name);
    docs_page_quote(out, m->doc);
    fprintf(out,
            ",\n        \"contentType\": \"application/json\",\n        \"payload\": {\"$ref\": "
            "\"schema/%s.json\"},\n        \"x-frame\": {\"bytesMin\": %d, \"bytesMax\": %zu, "
            "\"signatureBytes\": %d}\n      }",
            m->name, WIRE_EVENT_BYTES_MIN, m->frame_bytes_max, WIRE_SIGNATURE_BYTES);
}

void wire_docs_asyncapi(FILE *out)
{
    fputs("{\n  \"asyncapi\": \"3.0.0\",\n  \"info\": {\n    \"title\": \"Endcap cart wire\",\n",
          out);
    fprintf(out, "    \"version\": \"%d.0.0\",\n    \"description\": ", WIRE_VERSION);
    docs_page_quote(out, "What a cart and the platform say to each other, from the cart's side. A "
                         "frame is the JSON body that the payload schema describes, padded with "
                         "spaces, followed by 64 raw bytes: the ECDSA P-256 signature r || s over "
                         "the body. docs/wire.md has the rules of delivery and test vectors.");
    fputs(
        "\n  },\n  \"defaultContentType\": \"application/json\",\n  \"servers\": {\n    \"store\": "
        "{\n"
        "      \"host\": \"{broker}:{port}\",\n      \"protocol\": \"secure-mqtt\",\n"
        "      \"protocolVersion\": \"5.0\",\n      \"variables\": {\"broker\": {\"description\": "
        "\"Name of the store's broker, as in its certificate.\"}, \"port\": {\"default\": "
        "\"8883\"}},\n      \"security\": [{\"$ref\": "
        "\"#/components/securitySchemes/clientCertificate\"}],\n      \"bindings\": {\"mqtt\": "
        "{\"cleanSession\": true, \"keepAlive\": 60, \"sessionExpiryInterval\": 0, "
        "\"bindingVersion\": \"0.2.0\"}}\n    }\n  },\n  \"channels\": {\n",
        out);
    for (size_t i = 0; i < CHANNELS; i++) {
        put_channel(out, &channels[i]);
        fputs(i + 1 < CHANNELS ? ",\n" : "\n  },\n  \"operations\": {\n", out);
    }
    for (size_t i = 0; i < CHANNELS; i++) {
        put_operation(out, &channels[i]);
        fputs(i + 1 < CHANNELS ? ",\n" : "\n  },\n", out);
    }
    fputs(
        "  \"components\": {\n    \"securitySchemes\": {\n      \"clientCertificate\": {\"type\": "
        "\"X509\", \"description\": \"ECDSA P-256 certificate of the store's authority; common "
        "name = cart id = MQTT client id.\"}\n    },\n    \"messages\": {\n",
        out);
    for (unsigned type = 0; type < WIRE_TYPES; type++) {
        put_message(out, (enum wire_type)type);
        fputs(type + 1 < WIRE_TYPES ? ",\n" : "\n    }\n  }\n}\n", out);
    }
}

/* --- the fuzzer's dictionary --- */

static void put_words(FILE *out, struct wire_fields fields)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.fields[i];
        fprintf(out, "\"\\\"%s\\\":\"\n", f->name);
        for (size_t k = 0; f->names != NULL && f->names[k] != NULL; k++) {
            fprintf(out, "\"\\\"%s\\\"\"\n", f->names[k]);
        }
    }
}

void wire_docs_dictionary(FILE *out)
{
    fputs("# made by wire_docs from the message catalogue\n", out);
    for (unsigned type = 0; type < WIRE_TYPES; type++) {
        const struct wire_message *m = wire_catalog_message((enum wire_type)type);
        fprintf(out, "\"\\\"type\\\":\\\"%s\\\"\"\n", m->name);
        if (type == WIRE_SCAN || type == WIRE_COMMAND) {
            put_words(out, m->header);
        }
        put_words(out, m->body);
    }
    put_words(out, wire_catalog_item_fields(WIRE_KIND_ITEMS));
    put_words(out, wire_catalog_item_fields(WIRE_KIND_PRICES));
    fputs(
        "\"\\\"v\\\":1\"\n\"true\"\n\"false\"\n\"null\"\n\"1e999\"\n\"\\\\ud800\"\n\"\\\\u0000\"\n",
        out);
}
