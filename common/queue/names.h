// The file names of a box, a bounded number at a time, however many there are.
#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/queue/spool.h"

namespace postern::queue {

class Names {
 public:
  Names(const Spool& spool, Box box);

  // Up to `most` further names, in their alphabetical order; names that are no
  // queue ids included. Empty: there are no more. Files that come or go
  // meanwhile may be among them or not. Trouble: a directory cannot be read (an
  // absent one is empty).
  Result<std::vector<std::string>> next(std::size_t most);

 private:
  struct Close {
    void operator()(DIR* dir) const { ::closedir(dir); }
  };
  struct Level {
    std::unique_ptr<DIR, Close> dir;
    std::string path;
  };
  Status enter(std::string path);

  std::string top_;
  int depth_;  // levels of subdirectories with names of one character
  bool begun_ = false;
  std::vector<Level> levels_;
};

}  // namespace postern::queue
