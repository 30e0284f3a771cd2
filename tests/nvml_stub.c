/* A driver library with two GPUs that do as a file of orders says, read anew on every call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define OK 0
#define NOT_SUPPORTED 3
#define DRIVER_NOT_LOADED 9
#define GPU_IS_LOST 15
#define INSUFFICIENT_SIZE 7
#define TIMEOUT 10

/* Orders, one word per line: lost0, lost1, mig, no_power, no_driver, none, unlisted1, old_driver,
   throttled, xid (79, then 45), pid N (a process on GPU 0). */
static int ordered(const char *word) {
    char line[64];
    int found = 0;
    FILE *file = fopen(getenv("STUB_ORDERS"), "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        found = found || !strcmp(line, word);
    }
    fclose(file);
    return found;
}
static unsigned ordered_pid(void) {
    char line[64];
    unsigned pid = 0;
    FILE *file = fopen(getenv("STUB_ORDERS"), "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file)) sscanf(line, "pid %u", &pid);
    fclose(file);
    return pid;
}
static long index_of(void *device) { return (long)device - 1; }
static int lost(void *device) { return ordered(index_of(device) ? "lost1" : "lost0"); }
static unsigned calls[2];

int nvmlInitWithFlags(unsigned flags) { return ordered("no_driver") ? DRIVER_NOT_LOADED : OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "an error"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = ordered("none") ? 0 : 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = (void *)(long)(index + 1);
    return index == 1 && ordered("unlisted1") ? GPU_IS_LOST : OK;
}
int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    snprintf(name, length, "Stub %c", (char)('A' + index_of(device)));
    return OK;
}
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
    snprintf(uuid, length, "GPU-%ld%ld-stub", index_of(device), index_of(device));
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *device, unsigned *rates) {
    if (lost(device)) return GPU_IS_LOST;
    if (ordered("mig")) return NOT_SUPPORTED;
    /* GPU 0 goes 80, 81 .. 99 and again; GPU 1 is idle. */
    rates[0] = index_of(device) ? 0 : 80 + calls[0]++ % 20;
    rates[1] = 7;
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *memory) {
    memory[0] = 1000; memory[1] = 400; memory[2] = 600;  /* total, free, used */
    return lost(device) ? GPU_IS_LOST : OK;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
    *milliwatts = 250500;
    return lost(device) ? GPU_IS_LOST : ordered("no_power") ? NOT_SUPPORTED : OK;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
    *celsius = 55;
    return lost(device) ? GPU_IS_LOST : OK;
}
int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *megahertz) {
    *megahertz = kind == 1 ? 1980 : kind == 2 ? 2619 : 0;  /* 1 is the SM clock, 2 the memory's */
    return lost(device) ? GPU_IS_LOST : OK;
}
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *milliwatts) {
    *milliwatts = 700000;
    return OK;
}
int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *reasons) {
    *reasons = 1 | (ordered("throttled") ? 0x04 | 0x40 : 0);  /* 1: it is idle */
    return ordered("old_driver") ? NOT_SUPPORTED : OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *reasons) {
    *reasons = 0x80;
    return OK;
}
int nvmlDeviceGetPcieThroughput(void *device, int direction, unsigned *kilobytes) {
    *kilobytes = direction ? 3000 : 500;  /* 1 is towards the card */
    return OK;
}
int nvmlDeviceGetTotalEccErrors(void *device, int kind, int since, unsigned long long *count) {
    *count = index_of(device) ? 3 : 0;
    return kind == 1 && since == 0 ? OK : NOT_SUPPORTED;
}
struct process { unsigned pid; unsigned long long memory; unsigned instance, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *found) {
    unsigned pid = index_of(device) ? 0 : ordered_pid(), room = *count;
    *count = pid ? 1 : 0;
    if (!pid) return OK;
    if (!room) return INSUFFICIENT_SIZE;
    found[0].pid = pid;
    found[0].memory = 300;
    return OK;
}
int nvmlEventSetCreate(void **set) { *set = (void *)1; return OK; }
int nvmlDeviceRegisterEvents(void *device, unsigned long long kinds, void *set) { return OK; }
struct event { void *device; unsigned long long kind, data; unsigned instance, compute; };
int nvmlEventSetWait_v2(void *set, struct event *found, unsigned patience) {
    static int told;
    if (!ordered("xid") || told > 1) return TIMEOUT;
    found->device = (void *)2;
    found->kind = 8;
    found->data = told++ ? 45 : 79;  /* a fatal fault, and the one that follows it */
    return OK;
}
