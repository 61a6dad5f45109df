/* result.h: the one result type of the whole tree.
 *
 * Every function that can fail returns `enum res`, the caller must look at it, and outputs
 * (named `ret_...`, last in the argument list) are untouched on failure. Words for people travel
 * beside it in a caller-owned `struct err` (err.h), in server code only. This header is
 * freestanding: the device cores use it as it is.
 */
#ifndef RESULT_H
#define RESULT_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum res {
    RES_OK = 0,
    RES_INVALID,     /* the input breaks a rule; nothing was done */
    RES_LIMIT,       /* the input is larger than a stated limit */
    RES_NOT_FOUND,   /* the thing named does not exist (or may not be seen) */
    RES_CONFLICT,    /* it exists already, or its state forbids this */
    RES_DENIED,      /* the caller may not */
    RES_FULL,        /* no room now; nothing was written */
    RES_AGAIN,       /* not now; the same call may succeed later */
    RES_UNAVAILABLE, /* a server or device we need does not answer */
    RES_EXPIRED,     /* valid once, no longer */
    RES_CORRUPT,     /* stored bytes fail their check */
    RES_IO,          /* the operating system refused a read or write */
    RES_NO_MEMORY,   /* an allocation failed */
};

/* A short stable name for logs, "ok", "invalid", ...; never NULL. */
const char *res_name(enum res r);

#endif
