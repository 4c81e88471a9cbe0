// A file written beside the one that it will replace.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/result.h"
#include "common/os/fd.h"

namespace postern::tables {

class NewFile {
 public:
  // Holds a lock on the old file, if there is one, so that of two writers one
  // waits. `keep` copies the old content. Trouble: "open database PATH: …".
  static Result<NewFile> create(const std::string& path, bool keep,
                                mode_t mode);

  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();  // takes the new file away unless finish() was called

  const std::string& name() const { return name_; }
  bool had_old() const { return old_.valid(); }
  // Old mode and owner, or `mode`; then sync, and rename.
  Status finish();

 private:
  NewFile() = default;
  std::string path_;  // no symbolic link
  std::string name_;
  Fd old_;
  Fd new_;
  mode_t mode_ = 0644;
};

}  // namespace postern::tables
