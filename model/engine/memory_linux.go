package engine

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
static void limit_arenas(int most) {
	if (getenv("MALLOC_ARENA_MAX") == NULL) mallopt(M_ARENA_MAX, most);
}
#else
static void trim(void) {}
static void limit_arenas(int most) { (void)most; }
#endif
*/
import "C"

import "runtime"

// trim gives memory that C has freed back to the system. glibc would keep it, in pieces too small for another network.
func trim() { C.trim() }

// LimitArenas has C's threads share a few heaps, one for every two cores. It is to be called before there are threads.
//
// Go runs a network now on this thread, now on that one, and glibc gives threads heaps of their own, up to eight a core.
// Each would in time hold a network's working memory: 20 to 30 MB more at a time, for minutes after the start. The
// number can be set by glibc's MALLOC_ARENA_MAX too, which goes before (mallopt(3)).
func LimitArenas() { C.limit_arenas(C.int((runtime.NumCPU() + 1) / 2)) }
