// print_profiles > docs/processes.md
#include <cstdio>

#include "common/sandbox/print.h"

int main() {
  const std::string page = postern::sandbox::processes_page();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0
                                                                         : 1;
}
