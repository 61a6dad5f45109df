/* wire_docs.h: the documents that come out of the catalogue. Parts of the generator wire_docs;
 * nothing here is in the product.
 */
#ifndef WIRE_DOCS_H
#define WIRE_DOCS_H

#include <stdio.h>

#include "wire_vector.h"

/* docs/wire.md from its template: a line "@@name@@" is replaced by what `name` stands for; false
 * when there is no such name. */
bool wire_docs_markdown(FILE *out, const char *name, const struct wire_vectors *vectors);
/* A JSON Schema (2020-12) of one type's body. */
void wire_docs_schema(FILE *out, enum wire_type type);
/* An AsyncAPI 3.0 document, from the cart's side. */
void wire_docs_asyncapi(FILE *out);
/* All vectors, for machines. */
void wire_docs_vectors(FILE *out, const struct wire_vectors *vectors);
/* The fuzzer's dictionary: names of fields and enum members. */
void wire_docs_dictionary(FILE *out);

#endif
