/* pricing_fixture.h: for tests of pricing: stores with items and labels in a real PostgreSQL.
 *
 * STORE-A decides its prices itself, STORE-P's come from its till system, STORE-B is another
 * tenant. Items of STORE-A: TEA (65.00, MRP 70.00, cost 40.00, two labels that are there), MILK
 * (28.00, no MRP, a label that is away), RICE (99.00, no label), category GRAIN bound to
 * 50.00..200.00; PEN of STORE-P (10.00).
 */
#ifndef PRICING_FIXTURE_H
#define PRICING_FIXTURE_H

#include "pg_fixture.h"

#define PRICING_TEA  "00000000-0000-4000-8000-000000000001"
#define PRICING_MILK "00000000-0000-4000-8000-000000000002"
#define PRICING_RICE "00000000-0000-4000-8000-000000000003"
#define PRICING_PEN  "00000000-0000-4000-8000-000000000004"

/* Stores once; then items anew before each test. */
void pricing_fixture_stores(struct pg_conn *superuser);
void pricing_fixture_fresh(struct pg_conn *superuser);
/* `count` items S-0001... in STORE-A at 10.00, MRP 50.00, cost 4.00, one label each. */
void pricing_fixture_many(struct pg_conn *superuser, int count);

/* The first column of the first row; fails the test on an error. -1: no row. */
int64_t pricing_fixture_number(struct pg_conn *c, const char *sql);
/* As C text, valid until the next call. "": no row, or null. */
const char *pricing_fixture_text(struct pg_conn *c, const char *sql);
/* Everything a price change could touch, as one number: equal before and after means untouched. */
int64_t pricing_fixture_print(struct pg_conn *c);
uint64_t pricing_fixture_seed(void);

#endif
