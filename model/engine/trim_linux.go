package engine

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

// trim gives memory that C has freed back to the system. glibc would keep it, in pieces too small for another network.
func trim() { C.trim() }
