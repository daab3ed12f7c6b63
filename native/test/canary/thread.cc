// A race that ThreadSanitizer must end: two threads add to one plain number. What it says nothing about, it also would
// not see in the core.
#include <cstdio>
#include <thread>

int main() {
  int number = 0;
  std::thread other([&number] {
    for (int i = 0; i < 1000; i++) number++;
  });
  for (int i = 0; i < 1000; i++) number++;
  other.join();
  std::printf("%d\n", number);
}
