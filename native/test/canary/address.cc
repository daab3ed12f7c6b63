// A read behind the end of an allocation that AddressSanitizer must end.
#include <cstdio>
#include <vector>

int main(int argc, char**) {
  const std::vector<int> numbers(4);
  std::printf("%d\n", numbers.data()[argc + 3]);
}
