// Certificate and key files by name: read when first asked for, and again when
// they have changed. master opens them, since only root may read most of them.
#pragma once

#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/loop/loop.h"
#include "common/loop/task.h"
#include "common/os/fd.h"

namespace postern::authd {

class KeyFiles {
 public:
  class Opener {
   public:
    virtual ~Opener() = default;
    virtual Task<Result<Fd>> open(std::string path) = 0;
  };
  using Content = std::shared_ptr<const std::string>;

  // `opener` must outlive it.
  explicit KeyFiles(Opener& opener) : opener_(opener) {}

  // The same pointer as before as long as the file is the same one,
  // unchanged. Asks at most once a second. Trouble names the file.
  Task<Result<Content>> read(std::string path);

  static constexpr std::size_t largest = 64u << 20;

 private:
  struct Known {
    struct stat seen {};
    Content content;
    Clock::time_point checked{};
  };
  Result<Content> take(const std::string& path, const Fd& file);

  Opener& opener_;
  std::map<std::string, Known> known_;
};

}  // namespace postern::authd
