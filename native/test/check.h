// The core's test harness. TEST("a verdict") { … } registers a test, CHECK and CHECK_EQ fail it and go on; RunTests
// runs those whose name holds one of the arguments, or all, and prints `N passed, N failed`.
#pragma once

#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace millrace::test {

struct Case {
  const char* name;
  void (*body)();
};

inline std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

// Failed checks of the running test.
inline int failures = 0;

struct Registration {
  Registration(const char* name, void (*body)()) { Cases().push_back({name, body}); }
};

inline void Fail(const char* file, int line, const std::string& what) {
  failures++;
  std::printf("  %s:%d: %s\n", file, line, what.c_str());
}

template <typename T>
std::string Show(const T& value) {
  std::ostringstream text;
  if constexpr (requires { text << value; }) {
    text << std::boolalpha << value;
  } else if constexpr (std::is_enum_v<T>) {
    text << static_cast<long long>(value);
  } else {
    text << "(a value without <<)";
  }
  return text.str();
}

template <typename A, typename B>
void CheckEqual(const char* file, int line, const char* expressions, const A& actual, const B& expected) {
  if (!(actual == expected))
    Fail(file, line, std::string(expressions) + ": " + Show(actual) + " is not " + Show(expected));
}

inline int RunTests(int argc, char** argv) {
  int passed = 0, failed = 0;
  for (const Case& test : Cases()) {
    bool wanted = argc < 2;
    for (int i = 1; i < argc; i++) wanted = wanted || std::strstr(test.name, argv[i]) != nullptr;
    if (!wanted) continue;
    failures = 0;
    test.body();
    std::printf("%s %s\n", failures == 0 ? "ok" : "NOT OK", test.name);
    std::fflush(stdout);
    failures == 0 ? passed++ : failed++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0 || passed == 0 ? 1 : 0;
}

}  // namespace millrace::test

#define MILLRACE_JOIN(a, b) a##b
#define MILLRACE_NAME(a, b) MILLRACE_JOIN(a, b)
#define TEST(name)                                                                      \
  static void MILLRACE_NAME(TestBody, __LINE__)();                                      \
  static const millrace::test::Registration MILLRACE_NAME(test_registration, __LINE__)( \
      name, MILLRACE_NAME(TestBody, __LINE__));                                         \
  static void MILLRACE_NAME(TestBody, __LINE__)()
#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) millrace::test::Fail(__FILE__, __LINE__, #condition " is false"); \
  } while (false)
#define CHECK_EQ(actual, expected) \
  millrace::test::CheckEqual(__FILE__, __LINE__, #actual " == " #expected, (actual), (expected))
