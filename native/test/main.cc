#include "check.h"

int main(int argc, char** argv) { return millrace::test::RunTests(argc, argv); }
