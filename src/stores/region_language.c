#include "region_language.h"

#include <stddef.h>
#include <string.h>

/* The first official language of each state and territory where it is one of ours (the Official
 * Languages Acts of the states); ISO 3166-2:IN, with the codes of before 2023 that still occur. */
static const struct {
    const char *language;
    const char *regions;
} table[] = {
    {"hi", "IN-BR IN-CG IN-CT IN-DL IN-HP IN-HR IN-JH IN-MP IN-RJ IN-UK IN-UT IN-UP IN-AN "},
    {"mr", "IN-MH "},
    {"ta", "IN-TN IN-PY "},
    {"te", "IN-AP IN-TG IN-TS "},
    {"bn", "IN-WB IN-TR BD "},
};

const char *region_language_of(const char *region)
{
    size_t size = strlen(region);
    for (size_t i = 0; size > 0 && i < sizeof table / sizeof table[0]; i++) {
        for (const char *at = table[i].regions; *at != '\0'; at = strchr(at, ' ') + 1) {
            if (strncmp(at, region, size) == 0 && at[size] == ' ') {
                return table[i].language;
            }
        }
    }
    return "en";
}
