/*
 * liblz4 as a filter, so that tests can have it read our blocks and read its own.
 *
 *   cc -O2 lz4-blocks.c -o lz4-blocks -llz4
 *
 * Standard input is a sequence of requests, standard output one answer for each. All numbers are 32 bits,
 * little endian:
 *
 *   request   'c' or 'd' as a number | dictionary bytes | source bytes | room | dictionary | source
 *   answer    result bytes, or -1 when liblz4 refuses | result
 */
#include <lz4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *checked(void *memory) {
  if (!memory) exit(3);
  return memory;
}

int main(void) {
  int32_t head[4];
  LZ4_stream_t *stream = checked(LZ4_createStream());
  while (fread(head, sizeof head, 1, stdin) == 1) {
    const int32_t dictionary_bytes = head[1], source_bytes = head[2], room = head[3];
    /* Exact allocations, so that a sanitizer would see a read or write beyond them. */
    char *dictionary = checked(malloc((size_t)dictionary_bytes + 1));
    char *source = checked(malloc((size_t)source_bytes + 1));
    char *target = checked(malloc((size_t)room + 1));
    if (fread(dictionary, 1, (size_t)dictionary_bytes, stdin) != (size_t)dictionary_bytes) return 2;
    if (fread(source, 1, (size_t)source_bytes, stdin) != (size_t)source_bytes) return 2;
    int32_t size;
    if (head[0] == 'd') {
      size = LZ4_decompress_safe_usingDict(source, target, source_bytes, room, dictionary, dictionary_bytes);
    } else if (dictionary_bytes > 0) {
      LZ4_loadDict(stream, dictionary, dictionary_bytes);
      size = LZ4_compress_fast_continue(stream, source, target, source_bytes, room, 1);
      if (size == 0) size = -1;
    } else {
      size = LZ4_compress_default(source, target, source_bytes, room);
      if (size == 0) size = -1;
    }
    if (size < 0) size = -1;
    fwrite(&size, sizeof size, 1, stdout);
    if (size > 0) fwrite(target, 1, (size_t)size, stdout);
    free(dictionary);
    free(source);
    free(target);
  }
  LZ4_freeStream(stream);
  return 0;
}
