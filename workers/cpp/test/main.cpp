#include "check.h"

int main() {
  int failed = 0;
  for (const auto& [name, run] : allTests()) {
    try {
      run();
      std::cout << "ok     " << name << '\n';
    } catch (const std::exception& error) {
      failed++;
      std::cout << "FAILED " << name << ": " << error.what() << '\n';
    }
  }
  std::cout << allTests().size() - failed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
