#include "lookup/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "common/base/text.h"
#include "common/os/fd.h"
#include "common/os/files.h"

namespace postern::lookup {
namespace {

constexpr std::size_t largest = 4u << 20;
constexpr std::size_t longest_line = 16384;

constexpr std::string_view public_labels[] = {
    "CERTIFICATE",
    "X509 CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "PUBLIC KEY",
};

// A pipe or a device that lies there must not hold up the whole process.
Result<std::string> read_regular(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return os::system_trouble("open " + path, errno);
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0)
    return os::system_trouble("stat " + path, errno);
  if (!S_ISREG(about.st_mode))
    return try_later("3.0", "open " + path + ": not a regular file");
  return os::read_at(fd.get(), largest, 0, "read " + path);
}

ipc::FileAnswer failure(const Trouble& trouble) {
  ipc::FileAnswer answer;
  answer.trouble = ipc::TroubleWire::from(trouble);
  return answer;
}

}  // namespace

std::string public_pem_blocks(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; (at = text.find("-----BEGIN ", at)) !=
                           std::string_view::npos;) {
    const std::string_view rest = text.substr(at);
    std::size_t size = 0;
    for (const std::string_view label : public_labels) {
      const std::string begin = fmt::format("-----BEGIN {}-----", label);
      const std::string end = fmt::format("-----END {}-----", label);
      const std::size_t stop = rest.find(end);
      if (rest.starts_with(begin) && stop != std::string_view::npos)
        size = stop + end.size();
    }
    if (size > 0) out += std::string(rest.substr(0, size)) + "\n";
    at += size > 0 ? size : 11;
  }
  return out;
}

ipc::FileAnswer read_named_file(const ipc::FileFind& question) {
  if (!question.path.starts_with('/'))
    return failure(
        try_later("3.5", "not a full path: " + printable(question.path)));
  const Result<std::string> content = read_regular(question.path);
  if (!content) return failure(content.trouble());
  ipc::FileAnswer answer;
  if (question.what == "certificates") {
    answer.content = public_pem_blocks(*content);
    if (answer.content.empty())
      return failure(try_later(
          "3.5", question.path + ": no certificate or public key in it"));
  } else {
    answer.content =
        trim(std::string_view(*content).substr(0, content->find('\n')));
    if (answer.content.empty() || answer.content.size() > longest_line)
      return failure(
          try_later("3.5", question.path + ": its first line is empty or "
                                           "too long"));
  }
  return answer;
}

}  // namespace postern::lookup
