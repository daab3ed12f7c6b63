#include "../core/histogram.h"

#include "../core/ticks.h"
#include "check.h"

namespace millrace::test {
namespace {

TEST("every value lies in the bucket that its bounds say, and is wrong by an eighth at most") {
  int64_t end = 0;
  for (int bucket = 0; bucket < Histogram::kBuckets; bucket++) {
    CHECK(Histogram::BucketOf(end) == bucket);
    const int64_t begin = end;
    end = Histogram::EndOf(bucket);
    CHECK(end > begin);
    CHECK(Histogram::BucketOf(end - 1) == bucket);
    CHECK(end - begin <= (begin + 7) / 8 || begin < 8);
  }
  CHECK(Histogram::BucketOf(INT64_MAX) == Histogram::kBuckets - 1);
}

TEST("a histogram counts, sums and keeps the largest") {
  Histogram histogram;
  for (const int64_t value : {-5, 0, 7, 8, 1000, 1001}) histogram.Record(value);
  CHECK(histogram.count(0) == 2);
  CHECK(histogram.count(7) == 1);
  CHECK(histogram.count(8) == 1);
  CHECK(histogram.count(Histogram::BucketOf(1000)) == 2);
  CHECK(histogram.sum() == 2016);
  CHECK(histogram.max() == 1001);
}

TEST("ticks are told in nanoseconds") {
  const Ticks ticks;
  const int64_t before = Ticks::Now();
  while (ticks.NanosecondsSince() < 20'000'000) {
  }
  const double took = static_cast<double>(Ticks::Now() - before) * ticks.NanosecondsEach();
  CHECK(took > 10e6);
  CHECK(took < 1e9);
}

}  // namespace
}  // namespace millrace::test
