// Acting as the owner of a file for a while: what a user's table file says is
// never read, and its index never written, with root's rights.
#pragma once

#include <string>

#include "common/base/result.h"

namespace postern::tools {

// Until it goes, the effective user and group are those of the file's owner,
// if this process is root and the owner is not. A file that is not there
// changes nothing: whoever opens it will say so.
class AsOwner {
 public:
  static Result<AsOwner> of(const std::string& path);
  AsOwner(AsOwner&& other) noexcept : changed_(other.changed_) {
    other.changed_ = false;
  }
  AsOwner& operator=(AsOwner&&) = delete;
  ~AsOwner();

 private:
  AsOwner() = default;
  bool changed_ = false;
};

}  // namespace postern::tools
