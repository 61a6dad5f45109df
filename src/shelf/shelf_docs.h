/* shelf_docs.h: the documents that come out of the table of label messages. Parts of the generator
 * shelf_docs; nothing here is in the product.
 */
#ifndef SHELF_DOCS_H
#define SHELF_DOCS_H

#include <stdio.h>

#include "shelf_vector.h"

/* An AsyncAPI 3.0 document, from the label's side, schemas included. */
void shelf_docs_asyncapi(FILE *out);
/* What "@@mark@@" stands for in label-wire.md.in; false: no such mark. */
bool shelf_docs_markdown(FILE *out, const char *mark, const struct shelf_vectors *vectors);

#endif
