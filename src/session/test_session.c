#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ecdsa.h"
#include "session.h"

#define CART "CART-0001"
static const uint8_t zero_digest[WIRE_DIGEST_BYTES];

struct trip {
    struct session s;
    struct session older;
    int64_t epoch;
    int64_t counter;
    char id[WIRE_SESSION_ID_BYTES];
    size_t id_size;
};

static void trip_init(struct trip *t)
{
    memset(t, 0, sizeof *t);
    session_init(&t->s);
    t->epoch = 1;
}

static struct session_step apply(struct trip *t, struct wire_event *e)
{
    t->counter++;
    e->cart_id = SPAN_LIT(CART);
    e->epoch = t->epoch;
    e->counter = t->counter;
    e->time_ms = 1000 * t->counter;
    struct session_input in = {e, zero_digest, SPAN_LIT("STORE-1"), 99, ecdsa_sha256_two};
    struct session_step step;
    assert_int_equal(session_apply(&t->s, &in, &t->older, &step), RES_OK);
    return step;
}

static struct session_step start(struct trip *t)
{
    struct sink s;
    sink_init(&s, t->id, sizeof t->id);
    wire_session_id_write(&s, SPAN_LIT(CART), t->epoch, t->counter + 1);
    t->id_size = s.size;
    struct wire_event e = {.type = WIRE_SESSION_START};
    e.session_start = (struct wire_session_start){span_of(t->id, t->id_size), WIRE_START,
                                                  WIRE_ABSENT, SPAN_LIT("STORE-1")};
    return apply(t, &e);
}

static struct session_step change(struct trip *t, enum wire_transition transition)
{
    struct wire_event e = {.type = WIRE_SESSION_START};
    e.session_start = (struct wire_session_start){span_of(t->id, t->id_size), transition,
                                                  WIRE_HOLD_CUSTOMER, SPAN_LIT("STORE-1")};
    return apply(t, &e);
}

static struct session_step scan(struct trip *t, enum wire_weight weight)
{
    struct wire_event e = {.type = WIRE_SCAN};
    e.scan = (struct wire_scan){.session_id = span_of(t->id, t->id_size),
                                .line = 1,
                                .quantity = 1,
                                .price = 100,
                                .currency = SPAN_LIT("INR"),
                                .weight = weight,
                                .resolves = WIRE_ABSENT};
    return apply(t, &e);
}

static struct session_step identify(struct trip *t, const char *token)
{
    struct wire_event e = {.type = WIRE_IDENTIFY};
    e.identify =
        (struct wire_identify){span_of(t->id, t->id_size), WIRE_LOYALTY, span_text(token, 64)};
    return apply(t, &e);
}

static struct session_step end(struct trip *t, enum wire_outcome outcome)
{
    char hex[64];
    struct sink s;
    sink_init(&s, hex, sizeof hex);
    sink_hex(&s, span_of(t->s.fold.digest, WIRE_DIGEST_BYTES));
    struct wire_event e = {.type = WIRE_SESSION_END};
    e.session_end = (struct wire_session_end){.session_id = span_of(t->id, t->id_size),
                                              .outcome = outcome,
                                              .item_count = t->s.fold.item_count,
                                              .scan_count = t->s.fold.scan_count,
                                              .first_scan = t->s.fold.first_scan,
                                              .last_scan = t->s.fold.last_scan,
                                              .total = t->s.fold.total_minor,
                                              .currency = SPAN_LIT("INR"),
                                              .digest = sink_span(&s),
                                              .payment_token = SPAN_LIT("token-0123456789"),
                                              .payment_amount = t->s.fold.total_minor,
                                              .payment_status = WIRE_APPROVED};
    return apply(t, &e);
}

static void walks_from_start_over_hold_and_resume_to_complete(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    assert_int_equal(start(&t).verdict, SESSION_APPLIED);
    assert_int_equal(t.s.status, SESSION_ACTIVE);
    assert_int_equal(t.s.first_received_ms, 99);
    assert_int_equal(scan(&t, WIRE_WEIGHT_OK).verdict, SESSION_FOLDED);
    assert_int_equal(change(&t, WIRE_HOLD).verdict, SESSION_APPLIED);
    assert_int_equal(t.s.status, SESSION_PAUSED);
    assert_int_equal(t.s.hold_reason, WIRE_HOLD_CUSTOMER);
    assert_int_equal(change(&t, WIRE_RESUME).verdict, SESSION_APPLIED);
    assert_int_equal(t.s.hold_reason, WIRE_ABSENT);
    assert_int_equal(end(&t, WIRE_COMPLETE).verdict, SESSION_APPLIED);
    assert_int_equal(t.s.status, SESSION_COMPLETE);
    assert_true(t.s.reconciled);
    assert_int_equal(t.s.reasons, 0);
    assert_int_equal(t.s.end_counter, 5);
    assert_int_equal(t.s.claimed_total, 100);
}

static void a_mismatch_of_weight_is_counted_and_blocks_nothing(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    (void)start(&t);
    assert_int_equal(scan(&t, WIRE_WEIGHT_MISMATCH).verdict, SESSION_APPLIED);
    assert_int_equal(t.s.mismatch_count, 1);
    assert_int_equal(t.s.fold.scan_count, 1);
}

static void a_terminal_session_never_changes(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    (void)start(&t);
    (void)end(&t, WIRE_VOIDED);
    struct session before = t.s;
    assert_int_equal(scan(&t, WIRE_WEIGHT_OK).verdict, SESSION_LATE);
    assert_int_equal(change(&t, WIRE_HOLD).verdict, SESSION_LATE);
    assert_int_equal(identify(&t, "abcdefghijklmnop").verdict, SESSION_LATE);
    assert_int_equal(end(&t, WIRE_COMPLETE).verdict, SESSION_LATE);
    assert_memory_equal(&before, &t.s, sizeof before);
}

static void steps_the_state_forbids_are_illegal_and_change_nothing(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    (void)start(&t);
    struct session_step s = change(&t, WIRE_RESUME);
    assert_int_equal(s.verdict, SESSION_ILLEGAL);
    assert_int_equal(s.fault, SESSION_FAULT_TRANSITION);
    (void)change(&t, WIRE_HOLD);
    assert_int_equal(change(&t, WIRE_HOLD).verdict, SESSION_ILLEGAL);
    assert_int_equal(t.s.status, SESSION_PAUSED);
    assert_int_equal(t.s.last_counter, 3);
}

static void a_start_abandons_the_session_before_it(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    (void)start(&t);
    (void)scan(&t, WIRE_WEIGHT_OK);
    struct session_step s = start(&t);
    assert_true(s.superseded);
    assert_int_equal(t.older.status, SESSION_ABANDONED);
    assert_true(t.older.superseded);
    assert_int_equal(t.older.start_counter, 1);
    assert_int_equal(t.older.fold.scan_count, 1);
    assert_int_equal(t.s.start_counter, 3);
    assert_int_equal(t.s.fold.scan_count, 0);
}

static void the_first_identity_stays_and_another_is_a_conflict(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    (void)start(&t);
    assert_int_equal(identify(&t, "abcdefghijklmnop").verdict, SESSION_APPLIED);
    uint8_t first[WIRE_DIGEST_BYTES];
    memcpy(first, t.s.identity_ref, sizeof first);
    assert_int_equal(identify(&t, "abcdefghijklmnop").verdict, SESSION_UNCHANGED);
    assert_false(t.s.identity_conflict);
    assert_int_equal(identify(&t, "ponmlkjihgfedcba").verdict, SESSION_APPLIED);
    assert_true(t.s.identity_conflict);
    assert_memory_equal(first, t.s.identity_ref, sizeof first);
}

static void a_start_must_name_itself_and_its_own_store(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    struct wire_event e = {.type = WIRE_SESSION_START};
    e.session_start = (struct wire_session_start){SPAN_LIT("CART-0001.1.7"), WIRE_START,
                                                  WIRE_ABSENT, SPAN_LIT("STORE-1")};
    assert_int_equal(apply(&t, &e).fault, SESSION_FAULT_ID);
    e.session_start.session_id = SPAN_LIT("CART-0002.1.2");
    assert_int_equal(apply(&t, &e).fault, SESSION_FAULT_ID);
    e.session_start.session_id = SPAN_LIT("CART-0001.1.3");
    e.session_start.store_id = SPAN_LIT("STORE-2");
    assert_int_equal(apply(&t, &e).fault, SESSION_FAULT_STORE);
    assert_int_equal(t.s.status, SESSION_NONE);
}

static void an_event_of_another_epoch_is_not_the_sessions(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    (void)start(&t);
    t.epoch = 2;
    assert_int_equal(scan(&t, WIRE_WEIGHT_OK).fault, SESSION_FAULT_EPOCH);
    assert_int_equal(t.s.fold.scan_count, 0);
    assert_true(start(&t).superseded);
    assert_int_equal(t.s.epoch, 2);
}

static void health_is_none_of_its_business(void **state)
{
    (void)state;
    struct trip t;
    trip_init(&t);
    struct wire_event e = {.type = WIRE_HEALTH};
    assert_int_equal(apply(&t, &e).verdict, SESSION_UNCHANGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_from_start_over_hold_and_resume_to_complete),
        cmocka_unit_test(a_mismatch_of_weight_is_counted_and_blocks_nothing),
        cmocka_unit_test(a_terminal_session_never_changes),
        cmocka_unit_test(steps_the_state_forbids_are_illegal_and_change_nothing),
        cmocka_unit_test(a_start_abandons_the_session_before_it),
        cmocka_unit_test(the_first_identity_stays_and_another_is_a_conflict),
        cmocka_unit_test(a_start_must_name_itself_and_its_own_store),
        cmocka_unit_test(an_event_of_another_epoch_is_not_the_sessions),
        cmocka_unit_test(health_is_none_of_its_business),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
