// What every subcommand of `limit` uses: arguments, clocks, random bodies, the answer.
// The programs of `limit` are straight lines over system calls. They share nothing with native/core, so that a slow
// core cannot hide behind them.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

// Arguments are key=value. A missing one is the fallback.
const char* option(const char* name, const char* fallback);
double number(const char* name, double fallback);

__attribute__((noreturn)) void fail(const char* format, ...);

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static inline int64_t wall_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// User and system seconds of all threads of this process.
double cpu_seconds(void);

// A new file of `dir`, of `bytes` length (0: empty) without blocks.
int create_file(const char* dir, const char* name, size_t bytes);
int open_file(const char* dir, const char* name);
void write_all(int fd, const void* data, size_t bytes, off_t offset);
void* map_file(int fd, size_t bytes);

// Random bodies, BODIES of them back to back, the same in each run.
enum { BODIES = 256 };
uint8_t* random_bodies(size_t body_bytes);
void fill_random(uint8_t* out, size_t bytes, uint64_t seed);

// The answer's common part: messages a second, and CPU microseconds a message.
void print_rate(double messages, double seconds, double cpu, double bytes);

// Drops the files below a folder from the page cache, or fails; they must not be mapped. Gives their number.
size_t drop_files(const char* dir);

int run_append(void);
int run_query(void);
int run_rebuild(void);
int run_queues(void);
int run_writers(void);
int run_sync(void);
int run_stream(void);
int run_read(void);
int run_paced(void);
int run_raw(void);
int run_gather(void);
int run_send(void);
int run_receive(void);
int run_load(void);
int run_warm(void);
int run_drop(void);
int run_check(void);
