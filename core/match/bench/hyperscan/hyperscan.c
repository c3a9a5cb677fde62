/* Hyperscan beside the masker: finds the needles of one file (a line of hex each)
 * in another, in streaming mode and blocks of 64 KiB, and prints megabytes a
 * second of processor time, the median of five runs. It masks nothing. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 65536, MOST = 20000, RUNS = 5 };

static long hits;

static int count(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	(void)id, (void)from, (void)to, (void)flags, (void)context;
	hits++;
	return 0;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void fail(const char *what)
{
	fprintf(stderr, "hyperscan: %s\n", what);
	exit(1);
}

/* compile reads the needles and builds the database. */
static hs_database_t *compile(const char *path)
{
	static char line[65536];
	static const char *needle[MOST];
	static size_t size[MOST];
	static unsigned flags[MOST], ids[MOST];
	unsigned n = 0;
	FILE *f = fopen(path, "r");
	if (!f)
		fail("cannot read the needles");
	for (; n < MOST && fgets(line, sizeof line, f); n++) {
		size_t k = strcspn(line, "\n") / 2;
		char *p = malloc(k + 1);
		for (size_t i = 0; i < k; i++) {
			unsigned v;
			if (sscanf(line + 2 * i, "%2x", &v) != 1)
				fail("a needle is not hex");
			p[i] = v;
		}
		needle[n] = p, size[n] = k, ids[n] = n;
	}
	fclose(f);
	hs_database_t *db = NULL;
	hs_compile_error_t *err = NULL;
	if (hs_compile_lit_multi(needle, flags, ids, size, n, HS_MODE_STREAM, NULL, &db, &err) != HS_SUCCESS)
		fail(err->message);
	return db;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		fail("usage: hyperscan NEEDLES INPUT");
	hs_database_t *db = compile(argv[1]);
	hs_scratch_t *scratch = NULL;
	if (hs_alloc_scratch(db, &scratch) != HS_SUCCESS)
		fail("no memory");
	int fd = open(argv[2], O_RDONLY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		fail("cannot read the input");
	char *text = malloc(st.st_size);
	for (long at = 0, n; at < st.st_size; at += n)
		if ((n = read(fd, text + at, st.st_size - at)) <= 0)
			fail("cannot read the input");
	double rates[RUNS];
	for (int r = -1; r < RUNS; r++) { /* once for the caches */
		long done = 0;
		double start = now();
		do {
			hs_stream_t *s;
			hs_open_stream(db, 0, &s);
			for (long at = 0; at < st.st_size; at += BLOCK)
				hs_scan_stream(s, text + at, st.st_size - at < BLOCK ? st.st_size - at : BLOCK, 0, scratch, count, NULL);
			hs_close_stream(s, scratch, count, NULL);
			done += st.st_size;
		} while (now() - start < 0.25);
		if (r >= 0)
			rates[r] = done / 1e6 / (now() - start);
	}
	qsort(rates, RUNS, sizeof *rates, ascending);
	printf("%.1f\n", rates[RUNS / 2]);
	return hits < 0;
}
