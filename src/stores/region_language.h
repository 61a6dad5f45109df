/* region_language.h: the language most people of a region read, of those the platform speaks (P62):
 * what a new store's labels show unless somebody says otherwise.
 */
#ifndef REGION_LANGUAGE_H
#define REGION_LANGUAGE_H

/* Of an ISO 3166-2 region, "IN-MH": "mr". "en" where none of the other five is the first. */
const char *region_language_of(const char *region);

#endif
