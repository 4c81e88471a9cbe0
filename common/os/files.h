// Files and directories. Every function that fails returns Trouble whose text
// is "VERB PATH: reason" (lasting: temporary, detail 3.0; a full disk or quota
// has detail 3.1), so that callers can log it as it is.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/os/fd.h"

namespace postern::os {

// strerror without its static buffer.
std::string error_text(int error_number);

// Trouble from errno: try_later("3.0", "open /x: No such file or directory").
Trouble system_trouble(std::string_view what, int error_number);

// The whole file; at most `limit` bytes, more is Trouble.
Result<std::string> read_file(const std::string& path,
                              std::size_t limit = 64u << 20);

// Writes beside `path`, syncs, and renames over it. `mode` is applied as is.
Status replace_file(const std::string& path, std::string_view content,
                    mode_t mode = 0644);

// All of `data`, in spite of short writes and EINTR.
Status write_all(int fd, std::string_view data, std::string_view what);
// All of `data` at `offset`, in spite of short writes and EINTR.
Status write_all_at(int fd, std::string_view data, off_t offset,
                    std::string_view what);
// Up to `size` bytes from `offset`; fewer only at the end of the file.
Result<std::string> read_at(int fd, std::size_t size, off_t offset,
                            std::string_view what);

// Open with O_CLOEXEC added.
Result<Fd> open_file(const std::string& path, int flags, mode_t mode = 0);

// Creates the directory and missing parents.
Status make_directories(const std::string& path, mode_t mode);

// Names in a directory, `.` and `..` left out, in no order.
Result<std::vector<std::string>> list_directory(const std::string& path);

bool exists(const std::string& path);

// Free bytes for an ordinary user on the file system of `path`.
Result<std::uint64_t> free_bytes(const std::string& path);

Status set_nonblocking(int fd, bool on = true);
Status set_close_on_exec(int fd, bool on = true);

// "a/b/c" -> "a/b"; "c" -> "."; "/c" -> "/".
std::string directory_of(std::string_view path);
std::string base_name(std::string_view path);

}  // namespace postern::os
