/*
 * The pipeline of a page store in C: liblz4 and the allocator of zbud.c, for bench/store.ts.
 *
 *   cc -O2 store.c -o store -llz4
 *   ./store FILE store|load PASSES
 *
 * FILE is taken as pages of 4096 bytes. To store one is to compress it, free the object that it had, allocate
 * one and copy the bytes in; to load it is to decompress its object. A page that does not fit an object is kept
 * beside the pool as it is. Prints "CHECKSUM NANOSECONDS": the fastest of PASSES passes over the file, after two
 * that are not timed. The checksum is that of bench/store.ts, over what was loaded.
 */
#define main zbud_main
#include "zbud.c"
#undef main
#include <lz4.h>

static handle *objects;
static int *lengths;
static uint8_t *pages, *raw;

static void store(struct pool *pool, size_t i)
{
	char packed[PAGE_SIZE];
	const char *page = (const char *)pages + i * PAGE_SIZE;
	const int length = LZ4_compress_default(page, packed, PAGE_SIZE, OBJECT_BYTES_MAX);

	if (objects[i])
		pool_free(pool, objects[i]);
	objects[i] = 0;
	lengths[i] = length;
	if (!length) {
		memcpy(raw + i * PAGE_SIZE, page, PAGE_SIZE);
		return;
	}
	objects[i] = pool_alloc(pool, (uint32_t)length);
	if (!objects[i])
		exit(3);
	memcpy((void *)objects[i], packed, (size_t)length);
}

static void load(size_t i, char *into)
{
	if (!objects[i])
		memcpy(into, raw + i * PAGE_SIZE, PAGE_SIZE);
	else if (LZ4_decompress_safe((const char *)objects[i], into, lengths[i], PAGE_SIZE) != PAGE_SIZE)
		exit(4);
}

int main(int argc, char **argv)
{
	static struct pool pool;
	FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
	char into[PAGE_SIZE];
	uint64_t best = UINT64_MAX;
	uint32_t checksum = 0;

	if (!file) {
		fprintf(stderr, "usage: store FILE store|load PASSES\n");
		return 2;
	}
	fseek(file, 0, SEEK_END);
	const size_t count = (size_t)ftell(file) / PAGE_SIZE;
	rewind(file);
	pages = malloc(count * PAGE_SIZE);
	raw = malloc(count * PAGE_SIZE);
	objects = calloc(count, sizeof *objects);
	lengths = calloc(count, sizeof *lengths);
	if (!pages || !raw || !objects || !lengths || !pool_open(&pool, count) ||
	    fread(pages, PAGE_SIZE, count, file) != count)
		return 3;
	for (size_t i = 0; i < count; i++)
		store(&pool, i);
	for (int pass = -2; pass < atoi(argv[3]); pass++) {
		const uint64_t start = now();

		if (strcmp(argv[2], "store") == 0) {
			for (size_t i = 0; i < count; i++)
				store(&pool, i);
		} else {
			for (size_t i = 0; i < count; i++)
				load(i, into);
		}
		const uint64_t elapsed = now() - start;
		if (pass >= 0 && elapsed < best)
			best = elapsed;
	}
	for (size_t i = 0; i < count; i++) {
		load(i, into);
		const uint32_t mixed = (uint8_t)into[0] ^ (uint32_t)(uint8_t)into[2048] << 8 ^
				       (uint32_t)(uint8_t)into[4095] << 16;
		checksum = (checksum ^ mixed) * 0x01000193u;
	}
	printf("%" PRIu32 " %" PRIu64 "\n", checksum, best);
	return 0;
}
