#include "result.h"

const char *res_name(enum res r)
{
    switch (r) {
    case RES_OK:
        return "ok";
    case RES_INVALID:
        return "invalid";
    case RES_LIMIT:
        return "limit";
    case RES_NOT_FOUND:
        return "not_found";
    case RES_CONFLICT:
        return "conflict";
    case RES_DENIED:
        return "denied";
    case RES_FULL:
        return "full";
    case RES_AGAIN:
        return "again";
    case RES_UNAVAILABLE:
        return "unavailable";
    case RES_EXPIRED:
        return "expired";
    case RES_CORRUPT:
        return "corrupt";
    case RES_IO:
        return "io";
    case RES_NO_MEMORY:
        return "no_memory";
    }
    return "unknown";
}
