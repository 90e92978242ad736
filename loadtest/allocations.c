/* Counts the calls of Python's allocators: objects and other memory, new blocks and grown ones.
   Loaded by loadtest/guard.py. */
#include <Python.h>

static PyMemAllocatorEx kept[2];
static long long called;

static void *allocate(void *context, size_t size) {
    PyMemAllocatorEx *own = context;
    called++;
    return own->malloc(own->ctx, size);
}

static void *allocate_zeros(void *context, size_t count, size_t size) {
    PyMemAllocatorEx *own = context;
    called++;
    return own->calloc(own->ctx, count, size);
}

static void *allocate_again(void *context, void *block, size_t size) {
    PyMemAllocatorEx *own = context;
    called++;
    return own->realloc(own->ctx, block, size);
}

static void release(void *context, void *block) {
    PyMemAllocatorEx *own = context;
    own->free(own->ctx, block);
}

static const PyMemAllocatorDomain domains[2] = {PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};

void start(void) {
    for (int at = 0; at < 2; at++) {
        PyMemAllocatorEx counting = {&kept[at], allocate, allocate_zeros, allocate_again, release};
        PyMem_GetAllocator(domains[at], &kept[at]);
        PyMem_SetAllocator(domains[at], &counting);
    }
    called = 0;
}

long long stop(void) {
    for (int at = 0; at < 2; at++)
        PyMem_SetAllocator(domains[at], &kept[at]);
    return called;
}
