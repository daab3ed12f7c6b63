// A shift by more than the type's width that UndefinedBehaviorSanitizer must end.
#include <cstdio>

int main(int argc, char**) { std::printf("%d\n", 1 << (argc + 31)); }
