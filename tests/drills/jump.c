/* Preloaded: the clock on the wall goes as many seconds wrong as the file CLOCK_WRONG says. The
   clock that only counts is left alone, as by whoever sets the time of a machine. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    const char *name = getenv("CLOCK_WRONG");
    FILE *file = clock == CLOCK_REALTIME && name ? fopen(name, "r") : NULL;
    long seconds = 0;
    if (file) {
        if (fscanf(file, "%ld", &seconds) == 1) now->tv_sec += seconds;
        fclose(file);
    }
    return failed;
}
