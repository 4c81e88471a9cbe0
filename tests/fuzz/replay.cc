// Feeds the files of a corpus, and each of them cut short at every length up
// to a few hundred bytes, to a fuzz target: the plain test of its parser.
#include <dirent.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size);

namespace {

void feed(const std::string& bytes) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                         bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  DIR* dir = ::opendir(argv[1]);
  if (dir == nullptr) {
    std::perror(argv[1]);
    return 1;
  }
  int files = 0;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    std::ifstream in(std::string(argv[1]) + "/" + entry->d_name,
                     std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)),
                            std::istreambuf_iterator<char>());
    feed(bytes);
    const std::size_t cuts = std::min<std::size_t>(bytes.size(), 300);
    for (std::size_t n = 0; n < cuts; ++n) feed(bytes.substr(0, n));
    ++files;
  }
  ::closedir(dir);
  std::printf("%d files\n", files);
  return files > 0 ? 0 : 1;
}
