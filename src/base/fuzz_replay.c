/* Runs a fuzz target over the files of a folder, as they are and spoilt at random, where libFuzzer
 * is not at hand: every build checks its targets against their seeds.
 *
 *   usage: NAME FOLDER [ROUNDS]     ENDCAP_SEED chooses the spoiling
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

#define INPUT_BYTES_MAX 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of the exact size, so that a sanitizer sees a read beyond its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        exit(1);
    }
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void spoil(struct rng *rng, uint8_t *data, size_t *size)
{
    static const char *const words[] = {
        "{",   "}", "[",     "]",    "\"",      "\\", ",",
        ":",   "-", "1e999", "null", "\\ud800", " ",  "99999999999999999999",
        "\xff"};
    for (uint64_t edits = 1 + rng_below(rng, 4); edits > 0; edits--) {
        size_t at = rng_below(rng, *size + 1);
        uint64_t kind = rng_below(rng, 4);
        if (kind == 0 && at < *size) {
            data[at] ^= (uint8_t)(1u << rng_below(rng, 8));
        } else if (kind == 1) {
            *size = at;
        } else if (kind == 2 && at < *size) {
            size_t cut = 1 + rng_below(rng, *size - at);
            memmove(data + at, data + at + cut, *size - at - cut);
            *size -= cut;
        } else {
            const char *word = words[rng_below(rng, sizeof words / sizeof words[0])];
            size_t length = strlen(word);
            memmove(data + at + length, data + at, *size - at);
            memcpy(data + at, word, length);
            *size += length;
        }
    }
}

int main(int argc, char **argv)
{
    const char *from = getenv("ENDCAP_SEED");
    uint64_t seed = from != NULL ? strtoull(from, NULL, 10) : 1;
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 2000;
    struct rng rng;
    size_t files = 0;
    DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s FOLDER [ROUNDS]: no such folder\n", argv[0]);
        return 2;
    }
    printf("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        static uint8_t original[INPUT_BYTES_MAX];
        static uint8_t spoilt[INPUT_BYTES_MAX + 256];
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file == NULL) {
            continue;
        }
        size_t original_size = fread(original, 1, sizeof original, file);
        fclose(file);
        files++;
        run(original, original_size);
        for (long round = 0; round < rounds; round++) {
            size_t size = original_size;
            memcpy(spoilt, original, size);
            spoil(&rng, spoilt, &size);
            run(spoilt, size);
        }
    }
    closedir(folder);
    printf("%zu files, %ld spoilt copies of each\n", files, rounds);
    return files > 0 ? 0 : 1;
}
